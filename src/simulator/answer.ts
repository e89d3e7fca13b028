import type { CommandApdu } from "../apdu/command.ts";
import type { ResponseApdu } from "../apdu/response.ts";
import { SW } from "../apdu/status-word.ts";
import { concat } from "../bytes/bytes.ts";
import { type Card, ok, refuse } from "./card.ts";

/** How commands and answers fit through the link: Le, command chaining, GET RESPONSE (reference 02 section 2.22). */

const nothing = new Uint8Array(0);
const chainingBit = 0x10;
export const getResponseInstruction = 0xc0;

/** Cuts an answer to what the host asked for. A card with GET RESPONSE keeps the rest, another one forgets it. */
export function fitAnswer(card: Card, command: CommandApdu, response: ResponseApdu): ResponseApdu {
  const { data, sw } = response;
  const wanted = Math.min(command.le ?? 0, card.profile.maxResponse);
  if (data.length <= wanted) return response;
  if (!card.profile.chaining || sw !== SW.ok) return { data: data.subarray(0, wanted), sw };
  const rest = data.slice(wanted);
  card.session.pendingAnswer = rest;
  return { data: data.subarray(0, wanted), sw: 0x6100 + (rest.length > 0xff ? 0 : rest.length) };
}

export function getResponse(card: Card, command: CommandApdu): ResponseApdu {
  const pending = card.session.pendingAnswer;
  if (pending.length === 0) refuse(SW.conditionsNotSatisfied);
  card.session.pendingAnswer = nothing;
  return fitAnswer(card, { ...command, le: command.le ?? 256 }, ok(pending));
}

/**
 * Collects a chained command.
 * @returns the whole command after its last part, `null` before
 * @throws Refusal 6884 where the card does not chain, 6700 when it grows too long
 */
export function joinChain(card: Card, command: CommandApdu): CommandApdu | null {
  const { session, profile } = card;
  const last = (command.cla & chainingBit) === 0;
  if (!last && !profile.chaining) refuse(0x6884);
  const cla = command.cla & ~chainingBit;
  const header = ((cla * 256 + command.ins) * 256 + command.p1) * 256 + command.p2;
  const begun = session.chain !== null && session.chain.header === header ? session.chain.data : null;
  session.chain = null;
  if (last && begun === null) return command;
  const data = concat(begun ?? nothing, command.data ?? nothing);
  if (data.length > maxChained) refuse(SW.wrongLength);
  if (last) return { ...command, cla, data };
  session.chain = { header, data };
  return null;
}

/** pico-keys-sdk's buffer (reference 01 section 1.6). */
const maxChained = 2038;
