import { setTimeout as sleep } from "node:timers/promises";
import { exchange } from "../../apdu/card-command.ts";
import type { CardChannel, ExchangeOptions } from "../../apdu/channel.ts";
import { encodeCommand } from "../../apdu/command.ts";
import type { CtapChannel, CtapSendOptions } from "../../apdu/ctap-channel.ts";
import { withGetResponse } from "../../apdu/get-response.ts";
import { decodeResponse, type ResponseApdu } from "../../apdu/response.ts";
import { SW } from "../../apdu/status-word.ts";
import { isTransportFault, TransportError } from "../../apdu/transport-error.ts";
import { HsmError } from "../../errors.ts";
import { ctapCommands } from "./ctap-command.ts";
import { apduRefused, selectFido } from "./fido2-application.ts";

export interface CtapOverCardOptions {
  /**
   * Whole messages in extended APDUs, where reader and card are known to take them. A card that refuses the first one
   * gets short ones from then on. Default: short ones, chained, which every reader takes.
   */
  readonly extended?: boolean | undefined;
  /** Message bytes in one short APDU of a chain, 255 at most. */
  readonly chunk?: number | undefined;
  /** Tells the card that it may answer "not yet" (9100) where a touch is awaited. Off for cards that choke on P1 80. */
  readonly keepAlive?: boolean | undefined;
  /** Milliseconds from one "not yet" to the next question. */
  readonly pollMs?: number | undefined;
  /** The clock, for tests. */
  readonly wait?: ((ms: number) => Promise<void>) | undefined;
}

const cla = 0x80;
const moreFollows = 0x10;
const ins = { message: 0x10, getResponse: 0x11 } as const;
const p1 = { keepAlive: 0x80, cancel: 0x11 } as const;
/** "Not yet", with a CTAP keep-alive status as data. */
const notYet = 0x9100;
const defaultPatienceMs = 120_000;
/** Questions after a cancellation until the card is given up. */
const mostAfterCancel = 10;

/**
 * CTAP2 messages in APDUs (CTAP 2.1 section 11.3, "ISO 7816, ISO 14443 and NFC"). The applet is selected before the first
 * message, and again after whatever ends the selection: a reset by another program, authenticatorReset, an answer that
 * is empty.
 * @throws HsmError `NOT_A_FIDO2_TOKEN` (not-supported) from the first `send` when the applet is not there
 */
export function ctapOverCard(card: CardChannel, options: CtapOverCardOptions = {}): CtapChannel {
  const { chunk = 250, keepAlive = true, pollMs = 100, wait = (ms) => sleep(ms) } = options;
  const channel = withGetResponse(card);
  const where = card.where;
  let extended = options.extended === true;
  let proved = false;
  let selected = false;

  async function transceive(
    apdu: Parameters<typeof encodeCommand>[0],
    patience: ExchangeOptions,
  ): Promise<ResponseApdu> {
    const bytes = encodeCommand(apdu);
    try {
      return decodeResponse(await channel.transceive(bytes, patience));
    } catch (error) {
      if (isTransportFault(error, "CARD_RESET")) selected = false;
      throw error;
    } finally {
      // A message may carry what was made of a PIN.
      bytes.fill(0);
    }
  }

  async function sendMessage(message: Uint8Array, patience: ExchangeOptions): Promise<ResponseApdu> {
    const header = { cla, ins: ins.message, p1: keepAlive ? p1.keepAlive : 0, p2: 0 };
    if (extended) {
      const answer = await transceive({ ...header, data: message, le: 65_536, extended: true }, patience);
      // Only the first, which is getInfo: a message that may have cost a try is not sent a second time.
      if (proved || !refusesLength(answer)) return answer;
      extended = false;
    }
    let rest = message;
    for (; rest.length > chunk; rest = rest.subarray(chunk)) {
      const part = { ...header, cla: cla | moreFollows, data: rest.subarray(0, chunk) };
      const answer = await transceive(part, patience);
      if (answer.sw !== SW.ok || answer.data.length > 0) return answer;
    }
    return transceive({ ...header, data: rest, le: 256 }, patience);
  }

  /** Asks until the answer is there. It ends by itself, by being cancelled, or at the end of patience. */
  async function poll(first: ResponseApdu, send: CtapSendOptions, patience: ExchangeOptions): Promise<ResponseApdu> {
    const most = Math.ceil((send.patienceMs ?? defaultPatienceMs) / Math.max(pollMs, 1));
    let answer = first;
    let afterCancel = 0;
    for (let round = 0; answer.sw === notYet; round++) {
      send.onKeepAlive?.(answer.data[0] ?? 0);
      await wait(pollMs);
      const cancels = afterCancel === 0 && (round >= most || isAborted(send));
      if (cancels || afterCancel > 0) afterCancel++;
      if (afterCancel > mostAfterCancel) throw stillWaiting(where);
      answer = await transceive({ cla, ins: ins.getResponse, p1: cancels ? p1.cancel : 0, p2: 0, le: 256 }, patience);
    }
    return answer;
  }

  return {
    where,
    async send(message, send = {}) {
      const patience = { patienceMs: send.patienceMs };
      if (!selected) {
        await exchange(channel, selectFido(where));
        selected = true;
      }
      const answer = await poll(await sendMessage(message, patience), send, patience);
      if (answer.sw !== SW.ok) {
        selected = false;
        throw apduRefused(where, answer.sw);
      }
      if (answer.data.length === 0) {
        selected = false;
        throw nothingCame(where);
      }
      proved = true;
      // Some want a new SELECT after it, and none minds one.
      if (message[0] === ctapCommands.reset) selected = false;
      return answer.data;
    },
    close: () => card.close(),
  };
}

// Called anew each time: the signal changes while the card is waited for.
function isAborted({ signal }: CtapSendOptions): boolean {
  return signal?.aborted === true;
}

function refusesLength({ sw }: ResponseApdu): boolean {
  return sw === SW.wrongLength || sw === SW.insNotSupported || sw === SW.claNotSupported;
}

function stillWaiting(where: string): TransportError {
  return new TransportError("TIMEOUT", `${where} did not end its waiting for a touch, not even when it was told to`, {
    advice: "take the token out and insert it again",
    layer: "ctap",
  });
}

function nothingCame(where: string): HsmError {
  return new HsmError("FIDO_SESSION_ENDED", "service", `the FIDO2 session with ${where} was ended by another program`, {
    advice: "stop the other program, then run the command again",
  });
}
