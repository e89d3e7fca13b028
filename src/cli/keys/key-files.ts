import { createReadStream, existsSync } from "node:fs";
import { dirname } from "node:path";
import { concat } from "../../bytes/bytes.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { fileNotWritable, fileTaken, writeNewFile } from "../../services/atomic-file.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { throwIfInterrupted } from "../interruption.ts";

/** Enough for every key, certificate and message that is not only hashed. */
const longestFile = 1024 * 1024;

/** Reads a file, or standard input for `-`, in pieces of any size. @throws HsmError `INPUT_UNREADABLE` (usage) */
export async function feedFile(
  { signal }: Pick<CommandContext, "signal">,
  path: string,
  take: (piece: Uint8Array) => void,
): Promise<void> {
  const stream = path === "-" ? createReadStream("", { fd: 0, autoClose: false }) : createReadStream(path);
  try {
    for await (const piece of stream) {
      throwIfInterrupted(signal);
      take(piece as Uint8Array);
    }
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw usage("INPUT_UNREADABLE", `${placeOf(path)} cannot be read: ${messageOf(cause)}`);
  } finally {
    if (path !== "-") stream.destroy();
  }
}

/** The whole of a file that cannot be long. */
export async function readWhole(context: Pick<CommandContext, "signal">, path: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  await feedFile(context, path, (piece) => {
    length += piece.length;
    if (length > longestFile) {
      throw usage("INPUT_TOO_LONG", `${placeOf(path)} is longer than ${longestFile} bytes`, "it is another file");
    }
    pieces.push(piece);
  });
  return concat(...pieces);
}

function placeOf(path: string): string {
  return path === "-" ? "standard input" : path;
}

/** Where a command's bytes go. */
export interface ByteOutput {
  /** `null`: standard output. */
  readonly path: string | null;
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Checks `--out` before a card is touched: whether the file is there already, whether its folder is.
 * @param secret mode 0600
 * @throws HsmError `FILE_EXISTS` (conflict) unless `--yes`, `FILE_NOT_WRITABLE` (service), `OPTIONS_CONFLICT` (usage)
 */
export function openByteOutput(context: CommandContext, path: string, secret: boolean): ByteOutput {
  const { globals, output } = context;
  if (path === "-") {
    if (globals.json) {
      throw usage("OPTIONS_CONFLICT", "--out - and --json both want standard output", "give --out FILE");
    }
    return { path: null, write: async (bytes) => output.raw(bytes) };
  }
  if (!globals.yes && existsSync(path)) throw fileTaken(path);
  if (!existsSync(dirname(path))) throw fileNotWritable(path, `there is no folder ${dirname(path)}`);
  const options = { overwrite: globals.yes, mode: secret ? 0o600 : 0o666 };
  return { path, write: (bytes) => writeNewFile(path, bytes, options) };
}

/**
 * What is secret goes where it was told to, nowhere by itself.
 * @throws HsmError `OPTION_MISSING` (usage) and as {@link openByteOutput}
 */
export function openSecretOutput(context: CommandContext): ByteOutput {
  const path = context.args.text("out");
  if (path !== undefined) return openByteOutput(context, path, true);
  throw usage("OPTION_MISSING", "the result is secret: --out is missing", "give --out FILE, or --out - to see it");
}

/** `--in`, which must be given. */
export function inputPath({ args }: Pick<CommandContext, "args">): string {
  const path = args.text("in");
  if (path !== undefined) return path;
  throw usage("OPTION_MISSING", "--in is missing", "give --in FILE, or --in - for standard input");
}
