import { readFileSync } from "node:fs";
import type { CardChannel } from "../../../src/apdu/channel.ts";
import { decodeCommand } from "../../../src/apdu/command.ts";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";

interface Recording {
  readonly atr: string;
  readonly steps: readonly {
    readonly cmd: readonly string[];
    readonly exchange: readonly { readonly c?: string; readonly r?: string }[];
    /** What the process read or wrote, by name, in hex. */
    readonly files?: Readonly<Record<string, string>>;
  }[];
}

export const recordedVersions = ["0.23.0", "0.27.1"] as const;
export type RecordedVersion = (typeof recordedVersions)[number];

/**
 * The independent card of a recording: commands are answered as they were in the chosen step, in the order they were,
 * the last answer standing for repetitions; READ BINARY is answered from the files as the session read them.
 */
export class RecordedCard implements CardChannel {
  readonly atr: Uint8Array;
  readonly where: string;
  /** What the driver sent, in hex. */
  readonly sent: string[] = [];
  readonly #recording: Recording;
  readonly #files: Map<number, Uint8Array>;
  #answers = new Map<string, string[]>();

  constructor(version: RecordedVersion, session: string, step: number, filesOf: string = session) {
    this.#recording = load(version, session);
    this.#files = filesIn(load(version, filesOf));
    this.atr = fromHex(this.#recording.atr);
    this.where = `recording ${session}`;
    this.at(step);
  }

  /** Goes to another step of the same session. */
  at(step: number): void {
    this.#answers = new Map();
    for (const { c, r } of this.#recording.steps[step]?.exchange ?? []) {
      if (c === undefined || r === undefined) continue;
      const known = this.#answers.get(c.toUpperCase());
      if (known === undefined) this.#answers.set(c.toUpperCase(), [r]);
      else known.push(r);
    }
  }

  /** A file as the session read it last. */
  file(fid: number): Uint8Array | undefined {
    return this.#files.get(fid);
  }

  /** Whether this very command was sent by OpenSC in the chosen step. */
  knows(command: string): boolean {
    return this.#answers.has(command);
  }

  async transceive(command: Uint8Array): Promise<Uint8Array> {
    const hex = toHex(command);
    this.sent.push(hex);
    const answers = this.#answers.get(hex);
    const answer = answers !== undefined && answers.length > 1 ? answers.shift() : answers?.[0];
    if (answer !== undefined) return fromHex(answer);
    const { ins, p1, p2, data } = decodeCommand(command);
    if (ins === 0xb1 && data?.length === 4) {
      const file = this.#files.get(p1 * 256 + p2);
      const offset = (data[2] ?? 0) * 256 + (data[3] ?? 0);
      return file === undefined ? fromHex("6A82") : concat(file.subarray(offset), fromHex("9000"));
    }
    throw new Error(`${hex} was never sent in ${this.where}`);
  }

  async reset(): Promise<void> {}
  async close(): Promise<void> {}
}

export function load(version: RecordedVersion, session: string): Recording {
  const url = new URL(`../../recordings/opensc-${version}-pico-hsm/${session}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as Recording;
}

/** A file that a process of the session read or wrote. */
export function recordedFile(version: RecordedVersion, session: string, name: string): Uint8Array {
  const files = load(version, session).steps.flatMap((step) => Object.entries(step.files ?? {}));
  const [, hex] = files.find(([known]) => known === name) ?? [];
  if (hex === undefined) throw new Error(`${session} has no file ${name}`);
  return fromHex(hex);
}

/** OpenSC selects a file, then reads it as FID 0000 piece by piece. */
function filesIn(recording: Recording): Map<number, Uint8Array> {
  const files = new Map<number, Uint8Array>();
  let selected = 0;
  for (const { c = "", r = "" } of recording.steps.flatMap((step) => step.exchange)) {
    const command = c.toUpperCase();
    if (/^00A4(00|08)0002/.test(command))
      selected = r.endsWith("9000") ? Number.parseInt(command.slice(10, 14), 16) : 0;
    // 61xx beside data: there is more, which OpenSC reads at the next offset.
    if (!command.startsWith("00B10000045402") || selected === 0 || !/(9000|61..)$/.test(r)) continue;
    const offset = Number.parseInt(command.slice(14, 18), 16);
    const before = files.get(selected)?.subarray(0, offset) ?? new Uint8Array(0);
    files.set(selected, concat(before, fromHex(r.slice(0, -4))));
  }
  return files;
}
