import type { FileHandle } from "node:fs/promises";
import { HsmError, messageOf } from "../../errors.ts";
import { writeNewFileFrom } from "../../services/atomic-file.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { throwIfInterrupted } from "../interruption.ts";
import { inputPieces } from "../streams/input-pieces.ts";
import { syncBehind } from "../streams/sync-behind.ts";
import { writeAll } from "../streams/write-all.ts";
import { writeBehind } from "../streams/write-behind.ts";

/** Bytes of any length from `--in` or standard input to `--out` or standard output. */
export interface ByteStream {
  /** A piece is valid until the next one is asked for. */
  input(): AsyncIterable<Uint8Array>;
  /** Gives everything on; `--out` has a whole file or none. The pieces are not the caller's any more. */
  pour(pieces: AsyncIterable<Uint8Array>): Promise<void>;
}

type Write = (batch: readonly Uint8Array[]) => Promise<void>;

/** @throws HsmError `OPTIONS_CONFLICT`, `RAW_ON_TERMINAL` (usage), before anything is opened */
export function openStream(context: CommandContext): ByteStream {
  const { args, globals, io, output, signal } = context;
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
  return {
    input: () => readable(from, signal),
    async pour(pieces) {
      if (to === undefined) {
        await give(pieces, standardOutput(context), signal);
        return;
      }
      let bytes = 0;
      const fill = async (file: FileHandle) => {
        bytes = await giveToFile(pieces, file, signal);
      };
      await writeNewFileFrom(to, fill, { overwrite: globals.yes });
      output.result({ out: to, bytes }, [`${to}: ${bytes} bytes`]);
    },
  };
}

async function* readable(from: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* inputPieces(from === "-" ? null : from, signal);
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw usage("INPUT_UNREADABLE", `${from === "-" ? "standard input" : from} cannot be read: ${messageOf(cause)}`);
  }
}

function standardOutput({ io, output, signal }: CommandContext): Write {
  const { pour } = io;
  if (pour !== undefined) return (batch) => pour(batch, signal);
  return async (batch) => {
    for (const piece of batch) output.raw(piece);
  };
}

async function giveToFile(pieces: AsyncIterable<Uint8Array>, file: FileHandle, signal: AbortSignal): Promise<number> {
  const sync = syncBehind(file);
  const write: Write = async (batch) => {
    await writeAll(file.fd, batch);
    sync.wrote(lengthOf(batch));
  };
  let bytes = 0;
  try {
    bytes = await give(pieces, write, signal);
  } catch (error) {
    // The file may not be closed before; that it is not on the disk does not matter any more.
    await sync.end().catch(() => undefined);
    throw error;
  }
  await sync.end();
  return bytes;
}

function lengthOf(batch: readonly Uint8Array[]): number {
  return batch.reduce((sum, piece) => sum + piece.length, 0);
}

/**
 * What came before a failure is given on too: it is genuine, though not the whole.
 * @returns how many bytes there were
 */
async function give(pieces: AsyncIterable<Uint8Array>, write: Write, signal: AbortSignal): Promise<number> {
  const writer = writeBehind(write);
  let bytes = 0;
  try {
    for await (const piece of pieces) {
      throwIfInterrupted(signal);
      bytes += piece.length;
      await writer.push(piece);
    }
  } catch (error) {
    if (signal.aborted) await writer.abandon();
    else await writer.end();
    throw error;
  }
  await writer.end();
  return bytes;
}
