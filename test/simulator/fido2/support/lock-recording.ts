import { readdirSync, readFileSync } from "node:fs";
import { fromHex, toHex } from "../../../../src/bytes/hex.ts";
import { type HidMessage, messagesIn } from "./hid-host.ts";
import { readMap } from "./translator.ts";

const folder = new URL("../../../recordings/pico-fido-vendor/", import.meta.url);

/** All sessions by name, in the order in which they ran. */
export const lockRecordings: readonly string[] = readdirSync(folder)
  .flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : []))
  .sort();

interface LockRecordingFile {
  readonly session: string;
  readonly inputs: {
    readonly hostKey?: string;
    readonly blob?: string;
    readonly rpId?: string;
    readonly platformPrivateKeys?: readonly string[];
  };
  readonly packets: readonly { readonly d: "out" | "in"; readonly p: string }[];
}

/** A session of test/recordings/pico-fido-vendor, put together from its packets. */
export interface LockRecording extends LockRecordingFile {
  readonly steps: readonly { readonly request: HidMessage; readonly answer: HidMessage | undefined }[];
}

export function readLockRecording(name: string): LockRecording {
  const file = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as LockRecordingFile;
  const half = (direction: string) =>
    messagesIn(file.packets.filter(({ d }) => d === direction).map(({ p }) => fromHex(p)));
  const answers = half("in");
  return { ...file, steps: half("out").map((request, i) => ({ request, answer: answers[i] })) };
}

/** Hex of the credentials that are asked for in a session, in order. */
export function credentialsAskedFor({ steps }: LockRecording): string[] {
  return steps.flatMap(({ request: { command, data } }) => {
    if (command !== 0x10 || data[0] !== 0x02) return [];
    return (readMap(data.subarray(1)).get(3) as Map<string, Uint8Array>[]).map((entry) =>
      toHex(entry.get("id") as Uint8Array),
    );
  });
}
