import { randomBytes } from "node:crypto";
import type { CtapChannel, CtapSendOptions } from "../../apdu/ctap-channel.ts";
import { TransportError } from "../../apdu/transport-error.ts";
import { HsmError } from "../../errors.ts";
import { hidCapabilities, hidCommands, hidErrorName, hidErrors } from "./ctaphid-codes.ts";
import { CtapHidLink, channelBusy, closedAlready, type HidDevice, type HidTiming, now } from "./ctaphid-link.ts";
import { brokenAnswer, patienceOver, portFailure } from "./hid-failures.ts";
import type { PacketPort } from "./packet-port.ts";

const usualTiming: HidTiming = { silenceMs: 3000, deadlineMs: 30_000, busyPauseMs: 100 };

export interface HidChannelOptions {
  readonly where: string;
  readonly timing?: Partial<HidTiming> | undefined;
  /** Gives the nonces. */
  readonly random?: ((length: number) => Uint8Array) | undefined;
  /** A channel that was given out already: recordings can begin in the middle. */
  readonly channel?: number | undefined;
}

const statusCancelled = 0x2d;
const waitingForTouch = 2;
/** authenticatorConfig. */
const ctapConfig = 0x0d;

/**
 * CTAP2 messages over CTAPHID (CTAP 2.1, 11.2). After a failure in the middle of an exchange the next message begins
 * with an INIT on the channel, which makes the device forget the rest.
 */
export class CtapHidChannel implements CtapChannel {
  readonly where: string;
  readonly #link: CtapHidLink;
  /** A message was sent and no answer began: the device works, or waits for a touch. */
  #pending = false;
  #busy = false;
  #closed: Promise<void> | undefined;

  private constructor(port: PacketPort, { where, timing, random, channel }: HidChannelOptions) {
    this.where = where;
    this.#link = new CtapHidLink(port, where, { ...usualTiming, ...timing }, random ?? randomNonce, channel);
  }

  /**
   * Asks the device for a channel. The port is the channel's from now on, also when this fails.
   * @throws TransportError; HsmError `FIDO_NO_CTAP2` (not-supported) when the device speaks U2F only
   */
  static async open(port: PacketPort, options: HidChannelOptions): Promise<CtapHidChannel> {
    const hid = new CtapHidChannel(port, options);
    try {
      await hid.#alone(() => hid.#link.getInStep(now() + hid.#link.timing.deadlineMs));
      const { device } = hid;
      if (device !== undefined && (device.capabilities & hidCapabilities.cbor) === 0) {
        throw new HsmError("FIDO_NO_CTAP2", "not-supported", `${options.where} speaks U2F only, not CTAP2`, {
          advice: "use an authenticator that knows FIDO2",
        });
      }
      return hid;
    } catch (error) {
      await hid.close().catch(() => undefined);
      throw error;
    }
  }

  /** What the device said of itself; `undefined` where the channel was given out before. */
  get device(): HidDevice | undefined {
    return this.#link.device;
  }

  async send(message: Uint8Array, options: CtapSendOptions = {}): Promise<Uint8Array> {
    return this.#sendOver(hidCommands.cbor, message, options);
  }

  /**
   * The same device, its messages under a CTAPHID command of the maker's (40 to 7F, without bit 80). Closing it closes
   * nothing.
   */
  vendorChannel(command: number): CtapChannel {
    return {
      where: this.where,
      send: (message, options = {}) => this.#sendOver(command, message, options),
      close: async () => undefined,
    };
  }

  /** The device sends back what it is sent. */
  async ping(data: Uint8Array): Promise<Uint8Array> {
    return this.#alone(() => this.#message(hidCommands.ping, data, {}));
  }

  /** A command that is under way is cancelled, so that the device does not go on blinking. */
  close(): Promise<void> {
    this.#closed ??= this.#giveBack();
    return this.#closed;
  }

  async #sendOver(command: number, message: Uint8Array, options: CtapSendOptions): Promise<Uint8Array> {
    const answer = await this.#alone(() => this.#message(command, message, options));
    if (answer.length === 0) throw brokenAnswer(this.where, "the answer is empty, not even a status");
    return answer;
  }

  async #giveBack(): Promise<void> {
    // A device that is gone need not be told, and is given back all the same.
    if (this.#pending) await this.#link.write(hidCommands.cancel).catch(() => undefined);
    await this.#link.close();
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw closedAlready(this.where);
    if (this.#busy)
      throw new TransportError("CHANNEL_BUSY", `two messages at once for ${this.where}, one was not sent`);
    this.#busy = true;
    try {
      return await work();
    } catch (error) {
      throw error instanceof HsmError ? error : portFailure(this.where, error);
    } finally {
      this.#busy = false;
    }
  }

  /** Sends until the device takes the message, and waits for the answer. */
  async #message(command: number, payload: Uint8Array, options: CtapSendOptions): Promise<Uint8Array> {
    const patience = Math.max(this.#link.timing.deadlineMs, options.patienceMs ?? 0);
    const deadline = now() + patience;
    for (let attempts = 1; ; attempts++) {
      // What was never sent is cancelled just as well.
      if (options.signal?.aborted === true) return Uint8Array.of(statusCancelled);
      await this.#link.getInStep(deadline);
      const answer = await this.#exchange(command, payload, options, { deadline, patience });
      if (answer !== channelBusy) return answer;
      await this.#link.pauseWhileBusy(deadline, attempts, options.signal);
    }
  }

  async #exchange(
    command: number,
    payload: Uint8Array,
    { signal, onKeepAlive }: CtapSendOptions,
    { deadline, patience }: { deadline: number; patience: number },
  ): Promise<Uint8Array | typeof channelBusy> {
    const link = this.#link;
    const { silenceMs } = link.timing;
    let limit = deadline;
    let cancelled: "by-signal" | "late" | undefined;
    let touch = false;
    const cancel = (why: "by-signal" | "late") => {
      if (cancelled !== undefined || !this.#pending) return;
      cancelled = why;
      limit = now() + silenceMs;
      // Where it cannot be written the next read fails, and tells why.
      link.write(hidCommands.cancel).catch(() => undefined);
    };
    const bySignal = () => cancel("by-signal");
    link.outOfStep = true;
    this.#pending = true;
    try {
      await link.write(command, payload);
      if (signal?.aborted === true) bySignal();
      signal?.addEventListener("abort", bySignal, { once: true });
      for (let heard = now(); ; heard = now()) {
        const packet = await link.next(heard + silenceMs, () => limit);
        if (packet === "late") {
          if (cancelled !== undefined) throw patienceOver(this.where, patience, touch);
          cancel("late");
          continue;
        }
        if (packet.kind === "continuation") continue;
        if (packet.command === hidCommands.keepAlive) {
          const [status = 0] = packet.data;
          touch = status === waitingForTouch;
          onKeepAlive?.(status);
          continue;
        }
        this.#pending = false;
        if (packet.command === hidCommands.error) return this.#refused(packet.data[0] ?? 0, command, payload[0]);
        if (packet.command !== command) throw brokenAnswer(this.where, "answered another command than was sent");
        const answer = await link.rest(packet);
        link.outOfStep = false;
        // An answer that was faster than the cancellation is an answer.
        if (cancelled === "late" && answer[0] === statusCancelled) throw patienceOver(this.where, patience, touch);
        return answer;
      }
    } finally {
      signal?.removeEventListener("abort", bySignal);
    }
  }

  /**
   * An ERROR packet in place of an answer. Some firmware (pico-fido) sends CTAP statuses that way: all of them, or those
   * of vendor and config commands, whose low ones are told from CTAPHID's own by nothing but the command.
   * @throws TransportError unless the message can be sent again
   */
  #refused(code: number, command: number, firstByte: number | undefined): Uint8Array | typeof channelBusy {
    const { channelBusy: busy, invalidChannel } = hidErrors;
    const statusAlways = command >= hidCommands.firstVendor || firstByte === ctapConfig;
    const isStatus = command !== hidCommands.ping && (code > invalidChannel || statusAlways);
    if (code === busy || (isStatus && code !== invalidChannel)) {
      this.#link.outOfStep = false;
      return code === busy ? channelBusy : Uint8Array.of(code);
    }
    if (code === invalidChannel) this.#link.forgetChannel();
    throw brokenAnswer(this.where, `refused the message: ${hidErrorName(code)}`);
  }
}

function randomNonce(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}
