import { readdirSync, readFileSync } from "node:fs";
import type { CardChannel } from "../../../../src/apdu/channel.ts";
import { fromHex, toHex } from "../../../../src/bytes/hex.ts";
import type { PlatformRandomness } from "../../../../src/cards/fido2/shared-secret.ts";

interface Recording {
  readonly session: string;
  readonly description: string;
  readonly atr: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly expected: Readonly<Record<string, unknown>>;
  readonly apdus: readonly { readonly c?: string; readonly r?: string; readonly event?: string }[];
}

const folder = new URL("../../../recordings/fido2-pcsc/", import.meta.url);

export function recordedSessions(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length));
}

export function recording(session: string): Recording {
  return JSON.parse(readFileSync(new URL(`${session}.json`, folder), "utf8")) as Recording;
}

export function recordingsReadme(): string {
  return readFileSync(new URL("README.md", folder), "utf8");
}

const select = "00A4040008A0000006472F000100";
const getInfo = "80108000010400";
const getPinRetries = /^801080000606A2010[12]020100$/;

/** What a replay may send though the recorded client did not. */
export interface Additions {
  /** getInfo when the driver opens a session that was recorded from its middle on: the answer of this session's. */
  readonly info?: string;
  /** The counter, which our driver reads before each PIN. */
  readonly retries?: number;
}

/**
 * The independent authenticator of a recording, command by command and to the letter. SELECT is also answered where the
 * recording begins after it. GET RESPONSE is taken with CLA 00 where it was recorded with CLA 80: the token took both.
 */
export class RecordedToken implements CardChannel {
  readonly atr: Uint8Array;
  readonly where: string;
  readonly sent: string[] = [];
  readonly #left: { readonly c: string; readonly r: string }[];
  readonly #additions: Additions;
  #fetching = "";

  constructor(session: string, additions: Additions = {}) {
    const { atr, apdus } = recording(session);
    this.atr = fromHex(atr);
    this.where = `recording ${session}`;
    this.#left = apdus.flatMap(({ c, r }) => (c === undefined || r === undefined ? [] : [{ c: upper(c), r }]));
    this.#additions = additions;
  }

  /** Exchanges that were not replayed yet. */
  get left(): number {
    return this.#left.length;
  }

  async transceive(command: Uint8Array): Promise<Uint8Array> {
    const got = toHex(command);
    this.sent.push(got);
    const [next] = this.#left;
    if (next !== undefined && (next.c === got || next.c === got.replace(/^00C0/, "80C0"))) {
      this.#left.shift();
      return fromHex(next.r);
    }
    const added = this.#added(got);
    if (added !== undefined) return fromHex(added);
    if (next === undefined) throw new Error(`${this.where} is over, the driver sent ${got}`);
    throw new Error(`${this.where}: expected ${next.c}, the driver sent ${got}`);
  }

  #added(command: string): string | undefined {
    if (command === select) return "4649444F5F325F309000";
    if (this.#additions.retries !== undefined && getPinRetries.test(command)) {
      return `00A203${toHex(Uint8Array.of(this.#additions.retries))}04F49000`;
    }
    if (this.#additions.info !== undefined && command === getInfo) {
      const { apdus } = recording(this.#additions.info);
      const at = apdus.findIndex(({ c }) => c === getInfo);
      this.#fetching = apdus[at + 1]?.r ?? "";
      return apdus[at]?.r;
    }
    return this.#fetching !== "" && command.startsWith("00C00000") ? this.#fetching : undefined;
  }

  async reset(): Promise<void> {}
  async close(): Promise<void> {}
}

function upper(hex: string): string {
  return hex.toUpperCase();
}

/** The ephemeral keys and IVs that the recorded client made up, in order. */
export function recordedRandomness(session: string): PlatformRandomness {
  const { inputs } = recording(session);
  const keys = [...((inputs["platformPrivateKeys"] ?? []) as string[])];
  const ivs = [...((inputs["platformIvs"] ?? []) as string[])];
  return {
    ephemeralKey: () => fromHex(taken(keys, "ephemeral key")),
    iv: () => fromHex(taken(ivs, "IV")),
    clientDataHash: fromHex((inputs["clientDataHash"] as string | undefined) ?? clientDataHash),
  };
}

/** Of sessions that do not name it: the same in all. */
const clientDataHash = "108a9107a11167c1d1090f07d6fd7dbf37f8cd8ad88a90fc1b3bc067c120fd23";

function taken(list: string[], what: string): string {
  const first = list.shift();
  if (first === undefined) throw new Error(`the recorded client made no more ${what}`);
  return first;
}
