import type { CardChannel } from "../../apdu/channel.ts";
import { standardStack } from "../../apdu/standard-stack.ts";
import type { ApplicationInfo } from "../../cards/smartcard-hsm/application.ts";
import { type ExtendedLength, tryExtendedLength } from "../../cards/smartcard-hsm/extended-length.ts";
import { smartCardHsmRedactor } from "../../cards/smartcard-hsm/redactor.ts";
import { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../errors.ts";
import { type DeviceReport, reportDevice } from "../../services/device-report.ts";
import { TraceRecorder } from "../../transport/trace/recorder.ts";
import type { CommandContext } from "../context.ts";
import type { DeviceSpec } from "../devices/device-spec.ts";
import type { RawDevice } from "../devices/raw-device.ts";
import { reachDevice } from "../devices/reach-device.ts";
import { interruptible } from "../interruption.ts";

/** Anything that may be a card. */
export type CardSpec = Exclude<DeviceSpec, { readonly kind: "none" }>;

/** The card as `doctor` climbs to it: each step apart, so that a failure has its rung. Steps are taken in this order. */
export class CardOnLadder {
  readonly #context: CommandContext;
  readonly #spec: CardSpec;
  #recorder: TraceRecorder | undefined;
  #raw: RawDevice | undefined;
  #channel: CardChannel | undefined;
  #card: SmartCardHsm | undefined;
  #report: DeviceReport | undefined;

  constructor(context: CommandContext, spec: CardSpec) {
    this.#context = context;
    this.#spec = spec;
  }

  /** Before anything is looked at: a trace that cannot be written is the command line's fault. */
  async record(): Promise<void> {
    const { globals, io } = this.#context;
    if (globals.trace === undefined) return;
    const header = { tool: `hsmadm ${io.version()}` };
    this.#recorder = await TraceRecorder.create(globals.trace, { overwrite: globals.yes, header, now: io.now });
  }

  /** Reaches the card and powers it. */
  async connect(): Promise<string> {
    this.#raw = await reachDevice(this.#context, this.#spec, "shared", this.#recorder);
    const { channel, deadlineMs } = this.#raw;
    const seen = this.#recorder === undefined ? channel : this.#recorder.record(channel, smartCardHsmRedactor());
    this.#channel = interruptible(standardStack(seen, { deadlineMs }), this.#context.signal);
    return this.#channel.where;
  }

  get atr(): Uint8Array {
    return this.#connected().atr;
  }

  async select(): Promise<ApplicationInfo> {
    this.#card = await SmartCardHsm.open(this.#connected());
    return this.#card.application;
  }

  extendedLength(): Promise<ExtendedLength> {
    return tryExtendedLength(this.#connected());
  }

  /** Read once: identity, label, PINs, key domains. */
  async report(): Promise<DeviceReport> {
    if (this.#card === undefined) throw new Error("the applet was not selected");
    if (this.#report === undefined) {
      const report = await reportDevice(this.#card);
      const expected = this.#raw?.expected?.serial;
      if (expected !== undefined && report.serial !== expected) {
        const where = this.#connected().where;
        throw new HsmError("DEVICE_EXCHANGED", "device", `${where} holds ${report.serial} now, not ${expected}`, {
          advice: "somebody changed the card; look with `hsmadm device list`",
        });
      }
      this.#report = { ...report, simulated: report.simulated || this.#raw?.simulated === true };
    }
    return this.#report;
  }

  /** @param whole every step was taken: then a replayed trace must be used up */
  async close(whole: boolean): Promise<void> {
    try {
      await this.#channel?.close();
      await this.#raw?.close();
      if (whole) this.#raw?.complete?.();
    } finally {
      await (this.#channel === undefined ? this.#recorder?.abandon() : this.#recorder?.finish());
    }
  }

  #connected(): CardChannel {
    if (this.#channel === undefined) throw new Error("the card was not connected");
    return this.#channel;
  }
}
