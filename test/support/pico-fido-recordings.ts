import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromHex } from "../../src/bytes/hex.ts";

const folder = join(import.meta.dirname, "../recordings/pico-fido-vendor");

interface RecordedMessage {
  /** CTAPHID command of the request, with the frame bit. */
  readonly cmd: string;
  readonly c: string;
  readonly r?: string;
  /** Where the answer has another one: `bf` is ERROR. */
  readonly rcmd?: string;
}

/** One recorded session; the README beside the recordings tells the members. */
export interface PicoFidoRecording {
  readonly session: string;
  readonly inputs: {
    readonly pin?: string;
    readonly hostKey?: string;
    readonly argv?: readonly string[];
    readonly stdin?: readonly string[];
    readonly platformPrivateKeys?: readonly string[];
    readonly platformIvs?: readonly string[];
    readonly initNonces?: readonly string[];
    readonly file?: string;
    readonly blob?: string;
  };
  readonly expected: Readonly<Record<string, unknown>>;
  readonly messages: readonly RecordedMessage[];
  readonly packets: readonly { readonly d: "in" | "out"; readonly p: string; readonly ms: number }[];
}

export const picoFidoSessions: readonly string[] = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length))
  .sort();

export function picoFidoRecording(session: string): PicoFidoRecording {
  return JSON.parse(readFileSync(join(folder, `${session}.json`), "utf8")) as PicoFidoRecording;
}

export function bytesAt(text: string | undefined): Uint8Array {
  if (text === undefined) throw new Error("the recording has no such member");
  return fromHex(text);
}
