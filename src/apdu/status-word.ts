import { hexNumber } from "../bytes/hex.ts";

/** Status words that the code names. What they mean to an operator depends on the command: see `cards/`. */
export const SW = {
  ok: 0x9000,
  endOfFile: 0x6282,
  verificationFailed: 0x6300,
  memoryFailure: 0x6581,
  wrongLength: 0x6700,
  commandNotAllowed: 0x6900,
  securityStatusNotSatisfied: 0x6982,
  authenticationBlocked: 0x6983,
  referenceDataNotUsable: 0x6984,
  conditionsNotSatisfied: 0x6985,
  noCurrentFile: 0x6986,
  wrongData: 0x6a80,
  functionNotSupported: 0x6a81,
  fileNotFound: 0x6a82,
  notEnoughMemory: 0x6a84,
  wrongP1P2: 0x6a86,
  referencedDataNotFound: 0x6a88,
  fileExists: 0x6a89,
  offsetOutside: 0x6b00,
  insNotSupported: 0x6d00,
  claNotSupported: 0x6e00,
  unknown: 0x6f00,
} as const;

/**
 * Tries left in `63Cx`, else `undefined`.
 * Only 63C0-63CF say this: masking 6983 (blocked) with 0F would read as "3 tries left".
 */
export function triesLeftIn(sw: number): number | undefined {
  return (sw & 0xfff0) === 0x63c0 ? sw & 0x0f : undefined;
}

/** `SW 6A82 (file not found)`: for the curious, after the sentence for the operator. */
export function describeSw(sw: number): string {
  return `SW ${hexNumber(sw, 4)} (${meaningOf(sw)})`;
}

/** ISO 7816-4's own words, without the context of a command. */
export function meaningOf(sw: number): string {
  const tries = triesLeftIn(sw);
  if (tries !== undefined) return `wrong, ${tries} tries left`;
  const exact = meanings.get(sw);
  if (exact !== undefined) return exact;
  switch (sw >> 8) {
    case 0x61:
      return `${sw & 0xff || 256} more bytes to fetch`;
    case 0x6c:
      return `wrong Le, ${sw & 0xff || 256} bytes are there`;
    case 0x62:
    case 0x63:
      return "warning";
    case 0x64:
    case 0x65:
    case 0x66:
      return "execution error";
    case 0x67:
    case 0x68:
    case 0x69:
    case 0x6a:
    case 0x6b:
      return "refused";
    default:
      return "unknown status word";
  }
}

const meanings = new Map<number, string>([
  [SW.ok, "done"],
  [SW.endOfFile, "end of file reached"],
  [0x6285, "file is terminated"],
  [SW.verificationFailed, "authentication failed"],
  [0x6400, "execution error"],
  [SW.memoryFailure, "memory failure"],
  [0x6600, "security fault or no confirmation"],
  [SW.wrongLength, "wrong length"],
  [0x6882, "secure messaging not supported"],
  [SW.commandNotAllowed, "command not allowed"],
  [SW.securityStatusNotSatisfied, "not logged in"],
  [SW.authenticationBlocked, "blocked"],
  [SW.referenceDataNotUsable, "reference data not usable"],
  [SW.conditionsNotSatisfied, "conditions of use not satisfied"],
  [SW.noCurrentFile, "command not allowed now"],
  [0x6987, "secure messaging objects missing"],
  [0x6988, "secure messaging objects wrong"],
  [0x6999, "applet selection failed"],
  [SW.wrongData, "wrong data"],
  [SW.functionNotSupported, "function not supported"],
  [SW.fileNotFound, "file not found"],
  [SW.notEnoughMemory, "not enough memory"],
  [SW.wrongP1P2, "wrong P1-P2"],
  [SW.referencedDataNotFound, "referenced data not found"],
  [SW.fileExists, "exists already"],
  [SW.offsetOutside, "offset or P1-P2 outside"],
  [SW.insNotSupported, "instruction not supported"],
  [SW.claNotSupported, "class not supported"],
  [SW.unknown, "no precise diagnosis"],
]);
