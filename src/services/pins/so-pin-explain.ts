import { asciiText, utf8Bytes } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";

/**
 * What an SO-PIN spelling means. A SmartCard-HSM compares 8 bytes; people and programs write them as 16 hex digits, as 8
 * characters, or wrongly. Pure: nothing is sent, no token is asked.
 *
 * Facts about OpenSC from its history: up to 0.15 a change of the SO-PIN through PKCS#11 packed the low four bits of each
 * of the 16 characters (`sc_build_pin`, issues 674 and 1152; hex since b9cf7436 of 2016, released in 0.16.0);
 * `C_InitToken` sets the user PIN to the first six bytes (`sc_hsm_init_token`); a login as SO is not checked against the
 * token (issues 889 and 1318).
 */

export type SoPinSpelling = "hex" | "characters" | "opensc-before-0.16";

export interface SoPinReading {
  readonly spelling: SoPinSpelling;
  /** The 8 bytes as 16 hex digits: what hsmadm, sc-hsm-tool and pkcs11-tool want typed. */
  readonly hex: string;
  /** The same bytes as 8 characters, where they are printable ASCII. */
  readonly characters: string | null;
  /** Who reads the text like this: one sentence. */
  readonly meaning: string;
  /**
   * The user PIN that `pkcs11-tool --init-token` leaves behind with this SO-PIN until `--init-pin`: the first six bytes,
   * hex, and as characters where printable.
   */
  readonly userPinAfterInitToken: { readonly hex: string; readonly characters: string | null };
}

export interface SoPinExplanation {
  /** The likeliest first; empty when the text is no SO-PIN in any spelling. Equal bytes are not listed twice. */
  readonly readings: readonly SoPinReading[];
  /** Sentences; the first says what is wrong where there is no reading. */
  readonly warnings: readonly string[];
}

const meanings: Readonly<Record<SoPinSpelling, string>> = {
  hex: "16 hex digits are 8 bytes: so hsmadm, sc-hsm-tool, pkcs11-tool and OpenSC's PIN code read it",
  characters: "8 characters are 8 bytes, their ASCII codes: so scripts and pico-hsm's own tools pass it",
  "opensc-before-0.16":
    "OpenSC before 0.16 kept the low four bits of each character when the SO-PIN was changed through PKCS#11 (pkcs11-tool --change-pin)",
};

const hexDigits = /^[0-9a-fA-F]+$/;

export function explainSoPin(text: string): SoPinExplanation {
  const bytes = utf8Bytes(text);
  if (bytes.length === 16) return sixteen(text, bytes);
  if (bytes.length === 8) return eight(text, bytes);
  return { readings: [], warnings: [wrongLength(text, bytes.length)] };
}

function sixteen(text: string, bytes: Uint8Array): SoPinExplanation {
  const packed = reading("opensc-before-0.16", lowNibbles(bytes));
  if (!hexDigits.test(text)) {
    return {
      readings: [packed],
      warnings: [
        "these 16 characters are not all hex digits: every program of today refuses them as an SO-PIN",
        "if OpenSC before 0.16 accepted them in a change of the SO-PIN through PKCS#11, the bytes shown are what the token holds",
        ...oneTry,
      ],
    };
  }
  const hex = reading("hex", pairs(text));
  if (hex.hex === packed.hex) return { readings: [hex], warnings: [...loginProvesNothing] };
  return {
    readings: [hex, packed],
    warnings: [
      "the letters A-F make two readings: OpenSC before 0.16 stored A-F as 1-6 when the SO-PIN was changed through PKCS#11",
      ...oneTry,
      ...loginProvesNothing,
    ],
  };
}

function eight(text: string, bytes: Uint8Array): SoPinExplanation {
  if (asciiText(bytes) === null) {
    return { readings: [], warnings: ["8 bytes, but not of printable ASCII: give an SO-PIN as 16 hex digits"] };
  }
  const characters = reading("characters", bytes);
  const warnings = [`hsmadm takes an SO-PIN as 16 hex digits only: type ${characters.hex}`];
  if (hexDigits.test(text)) {
    warnings.push(
      "8 hex digits are also half of an SO-PIN of 16: if that is what you have, the other half is missing, and the bytes shown are not yours",
    );
  }
  return { readings: [characters], warnings: [...warnings, ...loginProvesNothing] };
}

const oneTry: readonly string[] = [
  "try each reading once at most, the likelier first, and read the counter in between: 15 wrong SO-PINs block it for good",
];

const loginProvesNothing: readonly string[] = [
  "a login as SO with pkcs11-tool proves nothing: OpenSC keeps the SO-PIN and sends it only with a later command",
];

function wrongLength(text: string, length: number): string {
  const compact = text.replace(/[\s:-]/g, "");
  if (compact.length !== text.length && (compact.length === 16 || compact.length === 8)) {
    return "an SO-PIN has no blanks, colons or dashes in it: give it without them";
  }
  return `${length} ${length === 1 ? "byte is" : "bytes are"} no SO-PIN: it is typed as 16 hex digits, or was set as 8 characters`;
}

function reading(spelling: SoPinSpelling, bytes: Uint8Array): SoPinReading {
  const first = bytes.subarray(0, 6);
  return {
    spelling,
    hex: toHex(bytes),
    characters: asciiText(bytes),
    meaning: meanings[spelling],
    userPinAfterInitToken: { hex: toHex(first), characters: asciiText(first) },
  };
}

function pairs(hex: string): Uint8Array {
  return Uint8Array.from({ length: 8 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** `sc_build_pin` before 2017, BCD: two characters a byte, the low four bits of each. */
function lowNibbles(characters: Uint8Array): Uint8Array {
  const nibble = (index: number): number => (characters[index] ?? 0) & 0x0f;
  return Uint8Array.from({ length: 8 }, (_, i) => nibble(2 * i) * 16 + nibble(2 * i + 1));
}
