import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HsmError, messageOf } from "../../errors.ts";
import { fileExists, fileNotWritable, fileTaken } from "../../services/atomic-file.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { throwIfInterrupted } from "../interruption.ts";

/** Bytes of any length from `--in` or standard input to `--out` or standard output. */
export interface ByteStream {
  input(): AsyncIterable<Uint8Array>;
  /** Gives everything on; `--out` has a whole file or none. */
  pour(pieces: AsyncIterable<Uint8Array>): Promise<void>;
}

/** @throws HsmError `OPTIONS_CONFLICT`, `RAW_ON_TERMINAL` (usage), before anything is opened */
export function openStream(context: CommandContext): ByteStream {
  const { args, globals, io, output } = context;
  const [from, to] = [args.text("in") ?? "-", args.text("out")];
  if (to === undefined && globals.json) {
    throw usage("OPTIONS_CONFLICT", "the data and --json both want standard output", "give --out FILE");
  }
  if (to === undefined && io.stdout.isTTY === true) {
    throw usage(
      "RAW_ON_TERMINAL",
      "the bytes could upset the terminal",
      "give --out FILE, or send the output to a program",
    );
  }
  let bytes = 0;
  async function* input(): AsyncGenerator<Uint8Array> {
    const stream = from === "-" ? createReadStream("", { fd: 0, autoClose: false }) : createReadStream(from);
    try {
      for await (const piece of stream) {
        throwIfInterrupted(context.signal);
        yield piece as Uint8Array;
      }
    } catch (cause) {
      if (cause instanceof HsmError) throw cause;
      throw usage("INPUT_UNREADABLE", `${from === "-" ? "standard input" : from} cannot be read: ${messageOf(cause)}`);
    } finally {
      if (from !== "-") stream.destroy();
    }
  }
  return {
    input,
    async pour(pieces) {
      const take = async (write: (piece: Uint8Array) => Promise<void>) => {
        for await (const piece of pieces) {
          bytes += piece.length;
          await write(piece);
        }
      };
      if (to === undefined)
        return take(async (piece) => {
          if (io.pour === undefined) output.raw(piece);
          else await io.pour(piece);
        });
      await intoFile(to, globals.yes, take);
      output.result({ out: to, bytes }, [`${to}: ${bytes} bytes`]);
    },
  };
}

async function intoFile(
  path: string,
  overwrite: boolean,
  take: (write: (piece: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  if (!overwrite && (await fileExists(path))) throw fileTaken(path);
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  const file = await open(temporary, "wx", 0o600).catch((cause: unknown) => {
    throw fileNotWritable(path, messageOf(cause), cause);
  });
  try {
    try {
      await take(async (piece) => {
        await file.writeFile(piece);
      });
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof HsmError ? error : fileNotWritable(path, messageOf(error), error);
  }
}
