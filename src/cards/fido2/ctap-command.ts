import type { CtapChannel, CtapSendOptions } from "../../apdu/ctap-channel.ts";
import { isTransportFault } from "../../apdu/transport-error.ts";
import { concat } from "../../bytes/bytes.ts";
import { type CborMap, decodeCbor, encodeCbor, invalidAnswer } from "./cbor.ts";
import { ctapError, ctapOk } from "./ctap-status.ts";

/** Command bytes of CTAP 2.1. */
export const ctapCommands = {
  makeCredential: 0x01,
  getAssertion: 0x02,
  getInfo: 0x04,
  clientPin: 0x06,
  reset: 0x07,
  selection: 0x0b,
  config: 0x0d,
} as const;

/** A command is two pure functions; the exchange is someone else's. */
export interface CtapCommand<Result> {
  /** As in traces and error messages: `"authenticatorGetInfo"`, `"clientPIN getPINRetries"`. */
  readonly name: string;
  /** Command byte and CBOR map. */
  readonly message: Uint8Array;
  /** Reads the map of a successful answer, which is empty where none came. */
  parse(answer: CborMap): Result;
  /** Reads only, so that it may be sent again when another program reset the card under it. */
  readonly reads?: true;
  /** See {@link CtapSendOptions.patienceMs}. */
  readonly patienceMs?: number;
}

/** Touches take as long as people do; the authenticator ends the wait itself, mostly within 30 s. */
export const touchPatienceMs = 90_000;

export function ctapMessage(command: number, parameters?: CborMap): Uint8Array {
  return parameters === undefined ? Uint8Array.of(command) : concat(Uint8Array.of(command), encodeCbor(parameters));
}

/** What came back, judged by nobody yet. */
export interface CtapAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

/** Sends the command and hands on status and body, refusals too. */
export async function sendCtap(
  channel: CtapChannel,
  command: CtapCommand<unknown>,
  options: CtapSendOptions = {},
): Promise<CtapAnswer> {
  const send = () =>
    channel.send(command.message, { ...options, patienceMs: options.patienceMs ?? command.patienceMs });
  let answer: Uint8Array;
  try {
    answer = await send();
  } catch (error) {
    if (command.reads !== true || !isTransportFault(error, "CARD_RESET")) throw error;
    answer = await send();
  }
  const [status] = answer;
  if (status === undefined) throw invalidAnswer(`the answer to ${command.name}`, "not even a status came");
  return { status, body: answer.subarray(1) };
}

/**
 * Sends the command and reads its answer.
 * @throws HsmError of `ctap-status.ts` when the authenticator refused, `CTAP_ANSWER_INVALID` when the answer makes no sense
 */
export async function exchangeCtap<Result>(
  channel: CtapChannel,
  command: CtapCommand<Result>,
  options: CtapSendOptions = {},
): Promise<Result> {
  const { status, body } = await sendCtap(channel, command, options);
  if (status !== ctapOk) throw ctapError(status, command.name, { token: channel.where });
  return command.parse(answerMap(body, command.name));
}

/** The map of an answer; one that was left out is empty. */
export function answerMap(body: Uint8Array, name: string): CborMap {
  if (body.length === 0) return new Map();
  const value = decodeCbor(body, `the answer to ${name}`);
  if (!(value instanceof Map)) throw invalidAnswer(`the answer to ${name}`, "it is no map");
  return value as CborMap;
}
