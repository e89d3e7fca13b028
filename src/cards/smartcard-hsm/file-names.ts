import { hexNumber } from "../../bytes/hex.ts";

/** Files whose content the narrator reads. */
export const namedFiles = { deviceCertificates: 0x2f02, tokenInfo: 0x2f03 } as const;

const single: Readonly<Record<number, string>> = {
  12032: "EF.DIR",
  12034: "device certificates",
  12035: "TokenInfo",
  12048: "scratch file",
};

/** By the high byte; the low byte ties a key, its description and its certificate together (reference 03, section 3.1). */
const byPrefix: Readonly<Record<number, string>> = {
  196: "key description",
  200: "CA certificate description",
  201: "data object description",
  202: "CA certificate",
  203: "key metadata",
  204: "key",
  205: "private data",
  206: "certificate",
  207: "public data",
};

/** `2F02 (device certificates)`, `C401 (key description)`; the bare number where it has no meaning. */
export function fileName(fid: number): string {
  const known = single[fid] ?? byPrefix[fid >> 8];
  return known === undefined ? hexNumber(fid, 4) : `${hexNumber(fid, 4)} (${known})`;
}
