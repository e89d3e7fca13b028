import { equal } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";

/** What an answer to reset says of the hardware. It separates neither generations nor makers: see {@link recogniseAtr}. */
export interface RecognisedAtr {
  /** `SmartCard-HSM (JCOP 3 or 4) or Nitrokey HSM 2`. */
  readonly name: string;
  readonly contactless: boolean;
}

const known: readonly { readonly atr: Uint8Array; readonly name: string; readonly contactless?: boolean }[] = [
  {
    atr: fromHex("3BFE18000081 31FE4580318154 48534D317380214081 07FA"),
    name: "SmartCard-HSM (JCOP 2.4), Nitrokey HSM 1 or Pico HSM",
  },
  { atr: fromHex("3B8E80018031815448534D31738021408107 18"), name: "SmartCard-HSM, contactless", contactless: true },
  {
    atr: fromHex("3BDE18FF8191FE1FC38031815448534D317380214081071C"),
    name: "SmartCard-HSM (JCOP 3 or 4) or Nitrokey HSM 2",
  },
  {
    atr: fromHex("3BDE96FF8191FE1FC38031815448534D3173802140810792"),
    name: "SmartCard-HSM (JCOP 3 or 4) or Nitrokey HSM 2",
  },
  { atr: fromHex("3BF81300008131FE454A434F5076323431B7"), name: "JCOP 41 development card" },
  { atr: fromHex("3B80800101"), name: "SoC sample card", contactless: true },
];

// Category 80, card service data, and initial access data holding the ASCII letters "HSM1".
const historicalBytes = fromHex("8031815448534D31738021408107");
const goId = fromHex("476F4944");

/**
 * Names the card behind an answer to reset (reference 01, section 1.2), or `null` when it says nothing.
 * A hint for lists and for `doctor`: whether the applet is there only SELECT tells, and the same ATR comes from
 * genuine and from independent cards.
 */
export function recogniseAtr(atr: Uint8Array): RecognisedAtr | null {
  const exact = known.find((entry) => equal(entry.atr, atr));
  if (exact !== undefined) return { name: exact.name, contactless: exact.contactless === true };
  const [ts, t0] = atr;
  if (ts === 0x3b && t0 !== undefined && t0 >= 0x84 && t0 <= 0x8f && equal(atr.subarray(4, 8), goId)) {
    return { name: "GoID", contactless: true };
  }
  return holds(atr, historicalBytes) ? { name: "a card that calls itself HSM1", contactless: false } : null;
}

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let i = 0; i + part.length <= bytes.length; i++) {
    if (equal(bytes.subarray(i, i + part.length), part)) return true;
  }
  return false;
}
