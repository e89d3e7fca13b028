import type { CtapChannel } from "../../apdu/ctap-channel.ts";
import { HsmError } from "../../errors.ts";
import { checkAuthData } from "./auth-data.ts";
import type { AuthenticatorInfo } from "./authenticator-info.ts";
import { type CborMap, cborMap, encodeCbor } from "./cbor.ts";
import { changePin, getUvRetries, type PinRetries, permissions, setPin } from "./client-pin.ts";
import { authenticatorConfig, type ConfigRequest, configMessage, vendorCommand } from "./config-commands.ts";
import { getAssertion } from "./credential-commands.ts";
import { exchangeCtap } from "./ctap-command.ts";
import { resetAuthenticator, selectByTouch } from "./device-commands.ts";
import { Fido2Session, type Waiting } from "./fido2-session.ts";
import { enrol, type HmacCredential, type HmacCredentialRequest } from "./hmac-credential.ts";
import { alwaysVerifies, withoutSecret } from "./hmac-errors.ts";
import { hmacSecretExtension, hmacSecretInput, hmacSecretOutputs, saltLength } from "./hmac-secret.ts";
import { fidoPinBytes } from "./pin-bytes.ts";
import { defaultFidoPinPolicy, type FidoPin, type FidoPinPolicy, PinGate } from "./pin-gate.ts";
import { type Holding, preflight } from "./preflight.ts";
import { type PlatformRandomness, platformRandomness } from "./shared-secret.ts";
import { unverified, type Verified, verified } from "./user-verification.ts";

export interface Fido2Options extends Waiting {
  readonly policy?: FidoPinPolicy | undefined;
  /** Ephemeral keys, IVs and client data, for replays. */
  readonly random?: PlatformRandomness | undefined;
  /** Where vendor commands go: over USB they have a CTAPHID command of their own. */
  readonly vendorChannel?: CtapChannel | undefined;
}

export interface HmacSecretRequest extends Waiting {
  readonly rpId: string;
  readonly credentialId: Uint8Array;
  /** One or two of 32 bytes. */
  readonly salts: readonly Uint8Array[];
  /**
   * A credential has two secrets: one that takes the PIN (or a finger), one that does not. Exactly the one asked for is
   * given, or an error.
   */
  readonly uv: boolean;
  readonly pin?: FidoPin | undefined;
}

/**
 * A FIDO2 authenticator: one verb for each thing it can do (CTAP 2.1). Every verb that presents a PIN goes through the
 * {@link PinGate}. PINs are UTF-8 bytes.
 */
export class Fido2Authenticator {
  readonly #session: Fido2Session;
  readonly #gate: PinGate;
  readonly #vendorChannel: CtapChannel | undefined;

  private constructor(session: Fido2Session, policy: FidoPinPolicy, vendorChannel: CtapChannel | undefined) {
    this.#session = session;
    this.#gate = new PinGate(session, policy);
    this.#vendorChannel = vendorChannel;
  }

  /** One exchange: getInfo. @throws HsmError `NOT_A_FIDO2_TOKEN`, `FIDO_NOT_SUPPORTED` (not-supported) */
  static async open(channel: CtapChannel, options: Fido2Options = {}): Promise<Fido2Authenticator> {
    const { policy = defaultFidoPinPolicy, random = platformRandomness, vendorChannel, ...waiting } = options;
    return new Fido2Authenticator(await Fido2Session.open(channel, random, waiting), policy, vendorChannel);
  }

  /** Where the authenticator is, as messages call it. */
  get where(): string {
    return this.#session.token;
  }

  /** What it says of itself; read at the start and after everything that changes it. */
  get info(): AuthenticatorInfo {
    return this.#session.info;
  }

  /** The PIN's counter; costs no try. Blocked is told by nothing but this. */
  pinRetries(): Promise<PinRetries> {
    return this.#gate.counter();
  }

  /** Tries left for the finger. @throws HsmError `FIDO_NOT_SUPPORTED` on a token without */
  uvRetries(): Promise<number> {
    return this.#session.call(getUvRetries(this.#session.protocol));
  }

  /** Sets the first PIN. @throws HsmError `FIDO_PIN_EXISTS` (conflict), `FIDO_PIN_MALFORMED` (usage) */
  async setPin(newPin: Uint8Array): Promise<void> {
    this.#checkPinSupport();
    if (this.#session.option("clientPin") === true) {
      throw new HsmError("FIDO_PIN_EXISTS", "conflict", `${this.where} has a PIN already`, {
        token: this.where,
        advice: "`hsmadm fido pin change` replaces it",
      });
    }
    const bytes = fidoPinBytes(newPin, this.info.minPinLength);
    const secret = await this.#session.agree();
    try {
      await this.#session.call(setPin(secret, bytes));
    } finally {
      bytes.fill(0);
      secret.wipe();
    }
    await this.#session.refresh();
  }

  /**
   * Changes the PIN. Every credential keeps its secrets.
   * @param next asked after the current one was
   */
  async changePin(current: FidoPin, next: Uint8Array | (() => Promise<Uint8Array>)): Promise<void> {
    this.#checkPinSupport();
    let bytes: Uint8Array | undefined;
    try {
      if (next instanceof Uint8Array) bytes = fidoPinBytes(next, this.info.minPinLength);
      const newBytes = async (): Promise<Uint8Array> => {
        bytes ??= fidoPinBytes(next instanceof Uint8Array ? next : await next(), this.info.minPinLength);
        return bytes;
      };
      const both = async (counter: PinRetries): Promise<Uint8Array> => {
        const typed = current instanceof Uint8Array ? current : await current(counter);
        await newBytes();
        return typed;
      };
      const { secret } = await this.#gate.present(both, async (under, hash) => {
        return changePin(under, hash, await newBytes());
      });
      secret.wipe();
    } finally {
      this.#gate.forget();
      bytes?.fill(0);
    }
    await this.#session.refresh();
  }

  /**
   * Whether it holds one of the credentials. Silent: no touch, no PIN, no try. One with credProtect 3 is not shown
   * without the PIN, so the answer is `not-here` all the same: ask with `pin` where the metadata say level 3.
   */
  async holds(
    rpId: string,
    credentialIds: readonly Uint8Array[],
    options: { readonly pin?: FidoPin | undefined } = {},
  ): Promise<Holding> {
    const { pin } = options;
    if (pin === undefined) return preflight(this.#session, rpId, credentialIds);
    const request = { permissions: permissions.getAssertion, rpId, pin };
    return verified(this.#session, this.#gate, request, ({ prove }) => {
      return preflight(this.#session, rpId, credentialIds, prove);
    });
  }

  /** Makes a credential for {@link hmacSecret}: nothing is stored on the token, its id is all there is to keep. */
  makeHmacCredential(request: HmacCredentialRequest): Promise<HmacCredential> {
    return enrol(this.#session, this.#gate, request);
  }

  /**
   * HMAC-SHA-256 of each salt under the credential's secret: 32 bytes each, the same for ever. The caller wipes them.
   * @throws HsmError `FIDO_UV_MISMATCH` (check-failed) when the token used the other of the two secrets
   */
  async hmacSecret(request: HmacSecretRequest): Promise<Uint8Array[]> {
    const { rpId, credentialId, salts, uv, pin, ...waiting } = request;
    this.#checkSalts(salts);
    const { clientDataHash } = this.#session.random;
    if (!uv && this.#session.option("alwaysUv") === true) throw alwaysVerifies(this.where);
    const assert = async ({ secret, prove, options }: Verified): Promise<Uint8Array[]> => {
      const command = getAssertion({
        rpId,
        clientDataHash,
        allowIds: [credentialId],
        extensions: cborMap([hmacSecretExtension, hmacSecretInput(secret, salts)]),
        options,
        auth: prove(clientDataHash),
      });
      const { authData } = await this.#session.call(command, waiting);
      checkAuthData(authData, { token: this.where, rpId, uv });
      const output = authData.extensions.get(hmacSecretExtension);
      if (output === undefined) throw withoutSecret(this.where);
      return hmacSecretOutputs(secret, output, salts.length);
    };
    if (!uv) return unverified(this.#session, assert);
    const need = { permissions: permissions.getAssertion, rpId, pin, ...waiting };
    return verified(this.#session, this.#gate, need, assert);
  }

  /** Waits for a touch that says "this one". Touches nothing else. */
  select(waiting: Waiting = {}): Promise<void> {
    return selectByTouch(this.#session, waiting);
  }

  /** Destroys every credential and the PIN. Most tokens take it within 10 seconds of power-up alone, and want a touch. */
  async reset(waiting: Waiting = {}): Promise<void> {
    await this.#session.call(resetAuthenticator, waiting);
    this.#gate.forget();
    await this.#session.refresh();
  }

  /** authenticatorConfig, authorised by the PIN where one is set. */
  async config(request: ConfigRequest & { readonly pin?: FidoPin | undefined } & Waiting): Promise<CborMap> {
    const { pin, subCommand, parameters, ...waiting } = request;
    if (this.#session.option("clientPin") !== true && this.#session.option("uv") !== true) {
      return this.#session.call(authenticatorConfig({ subCommand, parameters }), waiting);
    }
    const answer = await verified(
      this.#session,
      this.#gate,
      { permissions: permissions.config, pin, ...waiting },
      ({ prove }) => {
        const auth = prove(configMessage({ subCommand, parameters }));
        return this.#session.call(authenticatorConfig({ subCommand, parameters }, auth), waiting);
      },
    );
    await this.#session.refresh();
    return answer;
  }

  /**
   * A command of the maker's own: `command || map`. What its refusals mean is for the caller to say.
   * @throws HsmError `FIDO_NOT_SUPPORTED` where the way to the token has no vendor commands
   */
  async vendor(command: number, parameters: CborMap, waiting: Waiting = {}): Promise<CborMap> {
    if (this.#vendorChannel === undefined) {
      throw this.#session.notSupported("cannot be reached for vendor commands this way", "connect it over USB");
    }
    return exchangeCtap(this.#vendorChannel, vendorCommand(command, encodeCbor(parameters)), waiting);
  }

  /** Gives the authenticator back, and overwrites what is left of the PIN. */
  async close(): Promise<void> {
    this.#gate.forget();
    await this.#session.channel.close();
  }

  #checkPinSupport(): void {
    if (this.#session.option("clientPin") === undefined) throw this.#session.notSupported("knows no PINs");
  }

  #checkSalts(salts: readonly Uint8Array[]): void {
    if (!this.info.extensions.includes(hmacSecretExtension)) throw this.#session.notSupported("offers no hmac-secret");
    const lengths = salts.map(({ length }) => length);
    if (lengths.length < 1 || lengths.length > 2 || lengths.some((length) => length !== saltLength)) {
      throw new HsmError(
        "FIDO_SALTS_INVALID",
        "unexpected",
        `one or two salts of 32 bytes, not ${lengths.join(" and ")}`,
      );
    }
  }
}
