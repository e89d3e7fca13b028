import { createDecipheriv, createECDH, hkdfSync } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { concat } from "../../src/bytes/bytes.ts";
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

/** A P-256 point in COSE, found by its labels: `-2: bytes(32)`, `-3: bytes(32)`. */
export function pointIn(hex: string): string | undefined {
  const match = /215820([0-9a-f]{64})225820([0-9a-f]{64})/.exec(hex);
  return match === null ? undefined : `04${match[1]}${match[2]}`;
}

/** Opens what was sealed, by the letter of the reference and with nothing of the code under test. */
export function unsealed(scalar: Uint8Array, tokenPoint: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(scalar);
  const kdf = new Uint8Array(hkdfSync("sha256", ecdh.computeSecret(tokenPoint), "", ecdh.getPublicKey(), 44));
  const cipher = createDecipheriv("chacha20-poly1305", kdf.subarray(12), kdf.subarray(0, 12), { authTagLength: 16 });
  cipher.setAAD(ecdh.getPublicKey(), { plaintextLength: 32 });
  cipher.setAuthTag(sealed.subarray(32));
  try {
    return concat(cipher.update(sealed.subarray(0, 32)), cipher.final());
  } catch {
    return null;
  }
}
