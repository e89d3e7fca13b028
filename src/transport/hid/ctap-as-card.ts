import type { CardChannel } from "../../apdu/channel.ts";
import { type CommandApdu, decodeCommand } from "../../apdu/command.ts";
import type { CtapChannel } from "../../apdu/ctap-channel.ts";
import { encodeResponse } from "../../apdu/response.ts";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";

const sw = { ok: 0x9000, poll: 0x9100, conditions: 0x6985, unknownInstruction: 0x6d00 } as const;
const mostShort = 256;

/**
 * An authenticator behind HID as if it lay in a reader (CTAP 2.1, 11.3): so that what is said to it can be recorded in
 * the trace format, which knows APDUs, with its secrets masked by the same rules, and replayed without the device.
 *
 * SELECT is answered here; NFCCTAP_MSG goes on as a CTAP message. Each KEEPALIVE becomes one 9100 where the command
 * allows for it, NFCCTAP_GETRESPONSE waits for the next, and with P1 11 cancels.
 */
export function ctapAsCard(ctap: CtapChannel): CardChannel {
  let message: Uint8Array[] = [];
  let pending: PendingAnswer | undefined;
  let rest: Uint8Array = new Uint8Array(0);

  function partOf(answer: Uint8Array, le: number | undefined): Uint8Array {
    const most = Math.min(le ?? mostShort, answer.length);
    rest = answer.slice(most);
    const status = rest.length === 0 ? sw.ok : 0x6100 | (rest.length >= mostShort ? 0 : rest.length);
    return encodeResponse({ data: answer.slice(0, most), sw: status });
  }

  async function awaited(le: number | undefined): Promise<Uint8Array> {
    if (pending === undefined) return only(sw.conditions);
    const news = await pending.news();
    if (typeof news === "number") return encodeResponse({ data: Uint8Array.of(news), sw: sw.poll });
    pending = undefined;
    return partOf(news, le);
  }

  async function handle(command: CommandApdu, patienceMs: number | undefined): Promise<Uint8Array> {
    const { cla, ins, p1, le } = command;
    const data = command.data ?? new Uint8Array(0);
    if (ins === 0xa4) return encodeResponse({ data: utf8Bytes("FIDO_2_0"), sw: sw.ok });
    if (ins === 0xc0) return partOf(rest, le);
    if (ins === 0x12) return only(sw.ok);
    if (ins === 0x11) {
      if (p1 === 0x11) pending?.cancel();
      return awaited(le);
    }
    if (ins !== 0x10) return only(sw.unknownInstruction);
    // Copied: what may carry something made of a PIN is overwritten by whoever sends it.
    message.push(data.slice());
    if ((cla & 0x10) !== 0) return only(sw.ok);
    const whole = concat(...message);
    message = [];
    pending = new PendingAnswer(ctap, whole, patienceMs, (p1 & 0x80) !== 0);
    return awaited(le);
  }

  return {
    atr: new Uint8Array(0),
    where: ctap.where,
    transceive: (command, options) => handle(decodeCommand(command), options?.patienceMs),
    async reset() {
      message = [];
      rest = new Uint8Array(0);
    },
    close: () => ctap.close(),
  };
}

/** A CTAP message under way: its KEEPALIVEs one by one, then its answer. */
class PendingAnswer {
  readonly #stop = new AbortController();
  readonly #answer: Promise<Uint8Array>;
  readonly #statuses: number[] = [];
  #told: () => void = () => undefined;

  constructor(ctap: CtapChannel, message: Uint8Array, patienceMs: number | undefined, polled: boolean) {
    const onKeepAlive = (status: number) => {
      this.#statuses.push(status);
      this.#told();
    };
    this.#answer = ctap.send(message, {
      signal: this.#stop.signal,
      patienceMs,
      ...(polled ? { onKeepAlive } : {}),
    });
    // Whoever polls next hears of it.
    this.#answer.catch(() => undefined);
  }

  async news(): Promise<number | Uint8Array> {
    if (this.#statuses.length === 0) {
      const told = new Promise<void>((resolve) => {
        this.#told = resolve;
      });
      await Promise.race([this.#answer, told]);
    }
    return this.#statuses.shift() ?? this.#answer;
  }

  cancel(): void {
    this.#statuses.length = 0;
    this.#stop.abort();
  }
}

function only(status: number): Uint8Array {
  return encodeResponse({ data: new Uint8Array(0), sw: status });
}
