import { tokenSeal } from "../../../crypto/pico-fido/token-seal.ts";
import { HsmError } from "../../../errors.ts";
import type { Fido2Authenticator } from "../authenticator.ts";
import { type CborMap, type CborValue, cborMap, invalidAnswer } from "../cbor.ts";
import { ctapStatusOf } from "../ctap-status.ts";
import type { FidoPin } from "../pin-gate.ts";
import { platformRandomness } from "../shared-secret.ts";
import { type PicoFidoFirmware, picoFidoFirmware } from "./firmware.ts";
import {
  agreedPoint,
  backupParts,
  bytesParameter,
  keyParameter,
  savedBlob,
  vendorCommands,
  vendorMap,
} from "./vendor-commands.ts";
import { vendorDeadlineMs, withinDeadline } from "./vendor-deadline.ts";

export interface PicoFidoOptions {
  /** A P-256 scalar for one key agreement, overwritten after use; a test injects what a recording used. */
  readonly ephemeralKey?: (() => Uint8Array) | undefined;
  readonly deadlineMs?: number | undefined;
}

/** What BACKUP gives. */
export type BackupAnswer =
  /** Never enabled, or enabled and not unlocked since power came: the token does not tell which. */
  | { readonly kind: "closed" }
  | { readonly kind: "blob"; readonly blob: Uint8Array }
  /** After disable or reset without a power cycle: status 00, and not one byte. */
  | { readonly kind: "empty" };

/** `not-enabled` and `other-key` are answers, not failures. */
export type UnlockAnswer = "unlocked" | "not-enabled" | "other-key";

export type DisableAnswer = "disabled" | "not-enabled" | "locked";

const status = {
  invalidParameter: 0x02,
  notAllowed: 0x30,
  pinAuthInvalid: 0x33,
  integrityFailure: 0x3d,
} as const;

/**
 * The lock and backup of a Pico FIDO: one verb for each vendor command, and nothing decided. The token checks next to
 * nothing itself; what makes these verbs safe is in `services/pico-fido`.
 */
export class PicoFidoToken {
  readonly authenticator: Fido2Authenticator;
  readonly firmware: PicoFidoFirmware;
  readonly #ephemeralKey: () => Uint8Array;
  readonly #deadlineMs: number;

  /** Sends nothing. @throws HsmError `PICO_FIDO_NOT_SUPPORTED` (not-supported) for any other token */
  constructor(authenticator: Fido2Authenticator, options: PicoFidoOptions = {}) {
    this.authenticator = authenticator;
    this.firmware = picoFidoFirmware(authenticator.info, authenticator.where);
    this.#ephemeralKey = options.ephemeralKey ?? platformRandomness.ephemeralKey;
    this.#deadlineMs = options.deadlineMs ?? vendorDeadlineMs;
  }

  get where(): string {
    return this.authenticator.where;
  }

  /** BACKUP save: the device key under the host key. Harmless, and no PIN is asked for. */
  async backup(): Promise<BackupAnswer> {
    try {
      const answer = await this.#vendor("BACKUP save", vendorCommands.backup, vendorMap(backupParts.save));
      const blob = savedBlob(answer);
      return blob.length === 0 ? { kind: "empty" } : { kind: "blob", blob };
    } catch (error) {
      if (ctapStatusOf(error) === status.pinAuthInvalid) return { kind: "closed" };
      throw error;
    }
  }

  /** BACKUP load: the device key is overwritten at once, unchecked. @param blob 60 bytes */
  async load(blob: Uint8Array): Promise<void> {
    await this.#vendor("BACKUP load", vendorCommands.backup, vendorMap(backupParts.load, bytesParameter(blob)));
  }

  /**
   * UNLOCK. With a wrong key on an unlocked token it zeroes the key in memory: only after {@link backup} said `closed`,
   * or with a host key that opens what it gave.
   */
  async unlock(hostKey: Uint8Array): Promise<UnlockAnswer> {
    const sealed = await this.#sealed(hostKey);
    try {
      await this.#vendor("UNLOCK", vendorCommands.unlock, vendorMap(0x01, bytesParameter(sealed)));
      return "unlocked";
    } catch (error) {
      switch (ctapStatusOf(error)) {
        case status.integrityFailure:
          return "not-enabled";
        case status.invalidParameter:
          return "other-key";
        default:
          throw error;
      }
    }
  }

  /** AUT_ENABLE. @returns false where the lock is enabled already */
  async enable(hostKey: Uint8Array, pin: FidoPin): Promise<boolean> {
    const sealed = await this.#sealed(hostKey);
    const parameters = cborMap([0x01, this.firmware.enableId], [0x02, sealed]);
    return (await this.#config("AUT_ENABLE", parameters, pin)) !== status.notAllowed;
  }

  /** AUT_DISABLE: what is in memory becomes the device key again, whatever it is. */
  async disable(pin: FidoPin): Promise<DisableAnswer> {
    const refusal = await this.#config("AUT_DISABLE", cborMap([0x01, this.firmware.disableId]), pin);
    if (refusal === undefined) return "disabled";
    return refusal === status.notAllowed ? "not-enabled" : "locked";
  }

  /** The host key under a key agreement made for it: each serves one command. */
  async #sealed(hostKey: Uint8Array): Promise<Uint8Array> {
    const seal = tokenSeal(this.#ephemeralKey());
    try {
      const tokenPoint = agreedPoint(await this.#keyAgreement(vendorMap(0x01, keyParameter(seal.point))));
      try {
        return seal.seal(tokenPoint, hostKey);
      } catch (error) {
        throw invalidAnswer("the key agreement key of the token", "it is no point of P-256", error);
      }
    } finally {
      seal.wipe();
    }
  }

  /** v8.0 drops an agreement that is open and refuses the new one; a second time it takes it. */
  async #keyAgreement(parameters: CborMap): Promise<CborValue> {
    const agree = () => this.#vendor("MSE", vendorCommands.keyAgreement, parameters);
    try {
      return await agree();
    } catch (error) {
      if (ctapStatusOf(error) !== status.notAllowed) throw error;
      return agree();
    }
  }

  #vendor(name: string, command: number, parameters: CborMap): Promise<CborMap> {
    return withinDeadline(this.where, name, this.#deadlineMs, (waiting) =>
      this.authenticator.vendor(command, parameters, waiting),
    );
  }

  /** @returns the status by which the token says in which state it is; `undefined` when it did what was asked */
  async #config(name: string, parameters: CborMap, pin: FidoPin): Promise<number | undefined> {
    const subCommand = this.firmware.vendorPrototype;
    try {
      await withinDeadline(this.where, name, this.#deadlineMs, (waiting) =>
        this.authenticator.config({ subCommand, parameters, pin, ...waiting }),
      );
      return undefined;
    } catch (error) {
      const refusal = ctapStatusOf(error);
      const ofConfig = error instanceof HsmError && error.details?.["command"] === "authenticatorConfig";
      const locked = refusal === status.pinAuthInvalid && name === "AUT_DISABLE";
      if (ofConfig && (refusal === status.notAllowed || locked)) return refusal;
      throw error;
    }
  }
}
