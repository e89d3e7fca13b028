import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import * as kit from "cctv-age";
import { toHex } from "../../../src/bytes/hex.ts";

/** The test vectors of the age format, C2SP CCTV (npm `cctv-age`); the format of a vector is in that package's README. */
export interface CctvVector {
  readonly name: string;
  /** `success`, `no match`, `HMAC failure`, `header failure`, `payload failure`, `armor failure`. */
  readonly expect: string;
  readonly armored: boolean;
  /** SHA-256 of everything that may be given out, be it followed by an error. */
  readonly payload: string | undefined;
  readonly identities: readonly string[];
  readonly passphrases: readonly string[];
  readonly fileKey: string | undefined;
  readonly file: Uint8Array;
}

export function cctvVectors(): CctvVector[] {
  const files = kit as unknown as Record<string, Uint8Array>;
  return Object.entries(files).flatMap(([name, bytes]) => (bytes instanceof Uint8Array ? [vector(name, bytes)] : []));
}

function vector(name: string, bytes: Uint8Array): CctvVector {
  const text = new TextDecoder("latin1").decode(bytes);
  const split = text.indexOf("\n\n");
  const fields = text
    .slice(0, split)
    .split("\n")
    .map((line) => line.split(": ", 2) as [string, string]);
  const all = (key: string): string[] => fields.flatMap(([name, value]) => (name === key ? [value] : []));
  const body = bytes.subarray(split + 2);
  const [expect = ""] = all("expect");
  return {
    name,
    expect,
    armored: all("armored")[0] === "yes",
    payload: all("payload")[0],
    identities: all("identity"),
    passphrases: all("passphrase"),
    fileKey: all("file key")[0],
    file: all("compressed")[0] === "zlib" ? new Uint8Array(inflateSync(body)) : body.slice(),
  };
}

export function sha256Hex(parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return toHex(hash.digest()).toLowerCase();
}
