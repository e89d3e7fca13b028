import { equal } from "../../bytes/bytes.ts";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import {
  checkPart,
  type PasswordSplit,
  partCheck,
  type SplitPart,
  splitBytes,
  type TypedPart,
} from "./password-split.ts";

/** What a custodian writes down or prints: sc-hsm-tool's three lines, and a check figure beside them. */
export function splitCard(split: PasswordSplit, part: SplitPart, shareFile: string): string {
  const hexId = toHex(Uint8Array.of(part.id)).toLowerCase();
  return [
    `DKEK share password, part ${part.id} of ${split.parts.length}; any ${split.threshold} parts open the share`,
    `Share file  : ${shareFile.replace(/\p{Cc}/gu, "?")}`,
    `Prime       : ${colons(split.prime)}`,
    `Share ID    : ${part.id}${part.id > 9 ? `   (sc-hsm-tool reads hexadecimal: type ${hexId} there)` : ""}`,
    `Share value : ${colons(part.value)}`,
    `Check       : ${partCheck(split.prime, part)}`,
    "",
  ].join("\n");
}

/** What was read from one or more cards. */
export interface ReadParts {
  readonly prime: Uint8Array;
  readonly parts: readonly TypedPart[];
  /** Part numbers without a check figure: cards of sc-hsm-tool have none. */
  readonly unchecked: readonly string[];
}

const maxText = 64 * 1024;

/**
 * Reads the cards in a text, of ours or as sc-hsm-tool prints them, in any order. The prime may stand once.
 * @throws HsmError `SPLIT_CARD_INVALID` (usage), `SPLIT_PART_MISTYPED` (check-failed)
 */
export function readSplitCards(text: string): ReadParts {
  if (text.length > maxText) throw invalid("the text is too long");
  let prime: Uint8Array | undefined;
  const parts: { id: string; value?: Uint8Array; check?: string }[] = [];
  for (const line of text.split(/\r?\n/)) {
    const field = /^\s*(Prime|Share ID|Share value|Check)\s*:\s*([0-9A-Fa-f: ]+?)\s*(?:\(.*)?$/i.exec(line);
    if (field === null) continue;
    const [name, value] = [(field[1] as string).toLowerCase(), field[2] as string];
    const last = parts.at(-1);
    if (name === "prime") {
      const given = typedValue(value, "the prime");
      if (prime !== undefined && toHex(prime) !== toHex(given)) throw invalid("these cards belong to different splits");
      prime = given;
    } else if (name === "share id") parts.push({ id: value.trim() });
    else if (last === undefined) throw invalid("a value stands before its part's number");
    else if (name === "share value") last.value = typedValue(value, `the value of part ${last.id}`);
    else last.check = value.trim();
  }
  if (prime === undefined) throw invalid("the prime is missing");
  const whole = prime;
  const read = parts.map(({ id, value, check }): TypedPart => {
    if (value === undefined) throw invalid(`the value of part ${id} is missing`);
    if (check !== undefined) checkPart(whole, { id: Number.parseInt(id, 10), value }, check);
    return { id, value };
  });
  if (read.length === 0) throw invalid("it holds no part");
  return { prime, parts: read, unchecked: parts.filter(({ check }) => check === undefined).map(({ id }) => id) };
}

/**
 * Bytes as a custodian types them: hex with colons, spaces or nothing between, leading zeros there or not.
 * @returns 8 bytes
 * @throws HsmError `SPLIT_CARD_INVALID` (usage) that names `subject`, never the value
 */
export function typedValue(text: string, subject: string): Uint8Array {
  // sc-hsm-tool drops leading zero bytes, so fewer than eight are as good as eight.
  const digits = text.replace(/[:\s]/g, "");
  if (!/^[0-9A-Fa-f]{1,16}$/.test(digits)) throw invalid(`${subject} is not up to ${splitBytes} bytes in hex`);
  return fromHex(digits.padStart(2 * splitBytes, "0"));
}

/**
 * The read-back of a card that was just written: everything is typed again from the paper.
 * @throws HsmError `SPLIT_PART_MISTYPED` (check-failed), `SPLIT_CARD_INVALID` (usage)
 */
export function checkReadBack(
  split: PasswordSplit,
  part: SplitPart,
  typed: { readonly value: string; readonly check: string },
): void {
  const value = typedValue(typed.value, `the value of part ${part.id}`);
  checkPart(split.prime, part, typed.check);
  if (!equal(value, part.value)) {
    throw new HsmError("SPLIT_PART_MISTYPED", "check-failed", `part ${part.id} was not written down as it is`, {
      advice: "correct the card and read it back once more",
      details: { part: part.id },
    });
  }
}

function colons(bytes: Uint8Array): string {
  return toHex(bytes, ":").toLowerCase();
}

function invalid(problem: string): HsmError {
  return new HsmError("SPLIT_CARD_INVALID", "usage", `the parts of the share password cannot be read: ${problem}`);
}
