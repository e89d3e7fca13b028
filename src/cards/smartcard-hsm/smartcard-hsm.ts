import type { CardCommand } from "../../apdu/card-command.ts";
import type { CardChannel } from "../../apdu/channel.ts";
import { SW } from "../../apdu/status-word.ts";
import { HsmError } from "../../errors.ts";
import { type ApplicationInfo, optionBits, optionNames } from "./application.ts";
import { type Attempt, AttemptGate, type OnceCounted, type Presentation } from "./attempt.ts";
import { pinResetNotEnabled } from "./attempt-errors.ts";
import { type AttemptPolicy, defaultAttemptPolicy } from "./attempt-policy.ts";
import { fileIds } from "./file-ids.ts";
import { deleteFile, listFiles, readFile, writeFile } from "./files.ts";
import { certificatesIn, identityOf } from "./identity.ts";
import { type InitializeSettings, initializeDevice, initializeOptions } from "./initialize.ts";
import { readKeyDomains } from "./key-domains.ts";
import { KeyVerbs } from "./keys/key-verbs.ts";
import { changePin, queryPin, resetRetryCounter, verifyPin } from "./pin-commands.ts";
import { checkUserPin, type PinKind, soPinBytes } from "./pins.ts";
import { decodeTokenInfo, encodeTokenInfo } from "./pkcs15-token-info.ts";
import type { PossessionProof } from "./public-key-authentication/chip-authentication.ts";
import { PublicKeyAuthentication } from "./public-key-authentication/public-key-authentication.ts";
import { refusal } from "./refusals.ts";
import { type LoggedIn, Session } from "./session.ts";
import {
  type DeviceEvidence,
  type PinState,
  type TokenIdentity,
  type TokenStatus,
  tokenState,
} from "./token-status.ts";

/**
 * A SmartCard-HSM with its applet selected: one verb for each thing it can do. PINs are bytes; an SO-PIN is the 8 raw
 * bytes that `checkSoPin` gives. Every verb that presents a PIN goes through the {@link AttemptGate}.
 */
export class SmartCardHsm extends KeyVerbs {
  readonly #session: Session;
  readonly #gate: AttemptGate;
  readonly #policy: AttemptPolicy;
  #admitted: Promise<void> | undefined;
  #identity: TokenIdentity | undefined;
  #certificates: Uint8Array = new Uint8Array(0);
  /** `undefined`: not read yet. */
  #label: string | null | undefined;
  /** This driver initialised the token, without key domains: what domain 0 says is all there is. */
  #withoutKeyDomains = false;

  private constructor(session: Session, policy: AttemptPolicy) {
    super(session);
    this.#session = session;
    this.#policy = policy;
    this.#gate = new AttemptGate(
      session,
      policy,
      async () => (await this.identity()).key,
      () => this.admit(),
    );
  }

  /**
   * Selects the applet (one exchange), which ends every login there was.
   * @throws HsmError `NOT_A_SMARTCARD_HSM` (not-supported)
   */
  static async open(channel: CardChannel, options: { readonly policy?: AttemptPolicy } = {}): Promise<SmartCardHsm> {
    return new SmartCardHsm(await Session.open(channel), options.policy ?? defaultAttemptPolicy);
  }

  get channel(): CardChannel {
    return this.#session.channel;
  }

  get application(): ApplicationInfo {
    return this.#session.application;
  }

  /** What this driver presented with success and still believes in: a PIN, or enough custodians' signatures. */
  get loggedIn(): LoggedIn | null {
    return this.#session.loggedIn;
  }

  /** From now on the login there is serves every verb: no PIN is asked for or presented while it holds. */
  keepLogin(): void {
    this.#session.keepsLogin = true;
  }

  /** Login by custodians' keys. */
  get publicKeys(): PublicKeyAuthentication {
    return new PublicKeyAuthentication(this.#session, () => this.identity());
  }

  /** Throws where the policy wants a token of proved identity and this is none. Looked at once. */
  async admit(): Promise<void> {
    const { admit } = this.#policy;
    if (admit === undefined) return;
    this.#admitted ??= this.evidence().then((evidence) => admit(evidence, () => this.proveDeviceKey()));
    return this.#admitted;
  }

  /** What the token gives of itself. */
  async evidence(): Promise<DeviceEvidence> {
    const identity = await this.identity();
    const { application, channel } = this.#session;
    let certificates: DeviceEvidence["certificates"] = null;
    try {
      if (this.#certificates.length > 0) certificates = certificatesIn(this.#certificates);
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
    }
    return { identity, certificates, application, where: channel.where };
  }

  /** Has the token prove that it has the key of its device certificate. Ends every login. */
  async proveDeviceKey(): Promise<PossessionProof> {
    const { certificates } = await this.evidence();
    if (certificates === null) return { status: "not-proved", reason: "it has no device certificate" };
    // Loaded when it is asked for: it brings elliptic curves along.
    const { proveDeviceKey } = await import("./public-key-authentication/chip-authentication.ts");
    return proveDeviceKey(this.#session, certificates.device.publicKey);
  }

  /** Who the token is. Reads the device certificate once. */
  async identity(): Promise<TokenIdentity> {
    if (this.#identity === undefined) {
      this.#certificates = await this.#readIfThere(fileIds.deviceCertificates);
      const identity = identityOf(this.#certificates);
      this.#identity = identity;
      if (identity.serial !== "") this.#session.token = identity.serial;
    }
    return this.#identity;
  }

  /** The label, or `null` when none was ever written or what is there is no TokenInfo. Read once. */
  async label(): Promise<string | null> {
    if (this.#label === undefined) this.#label = labelIn(await this.#readIfThere(fileIds.tokenInfo));
    return this.#label;
  }

  /**
   * SO-PIN, user PIN and DKEK in three exchanges, no login needed, no try spent. A token seen to have key domains is
   * asked for all of them; with `keyDomains` any token is.
   */
  async status(options: { readonly keyDomains?: boolean } = {}): Promise<TokenStatus> {
    const soPin = await this.pinState("so-pin");
    const userPin = await this.pinState("user-pin");
    const empty = soPin.state === "uninitialised" && userPin.state === "uninitialised";
    const settled = empty || this.#withoutKeyDomains;
    const wanted = options.keyDomains === true ? "all" : settled ? "first" : "where-seen";
    const { dkek, keyDomains } = await readKeyDomains(this.#session, wanted);
    return { state: tokenState(userPin, soPin, keyDomains ?? [dkek]), userPin, soPin, dkek, keyDomains };
  }

  /** Asks for the state of a PIN without presenting it. */
  async pinState(which: PinKind): Promise<PinState> {
    return this.#session.send(queryPin(which, this.#session.application.options === null));
  }

  /** Logs in as user. @throws see {@link AttemptGate.run} */
  async verifyUserPin(pin: OnceCounted<Uint8Array>): Promise<void> {
    const { keepsLogin, loggedIn } = this.#session;
    if (keepsLogin && (loggedIn === "user-pin" || loggedIn === "public-keys")) return;
    await this.#present("user-pin", pin, (value) => {
      checkUserPin(value, "current");
      return { pin: value, command: verifyPin("user-pin", value) };
    });
    this.#session.noteLogin("user-pin");
  }

  /** Logs in as security officer. */
  async verifySoPin(soPin: OnceCounted<Uint8Array>): Promise<void> {
    await this.#present("so-pin", soPin, (value) => {
      const pin = soPinBytes(value);
      return { pin, command: verifyPin("so-pin", pin) };
    });
    this.#session.noteLogin("so-pin");
  }

  /** Changes the user PIN, which also ends a transport PIN. Afterwards nobody counts as logged in. */
  async changeUserPin(change: OnceCounted<PinChange>): Promise<void> {
    const present = ({ current, next }: PinChange) => {
      checkUserPin(current, "current");
      checkUserPin(next, "new");
      return { pin: current, command: changePin("user-pin", current, next) };
    };
    await this.#present("user-pin", change, present, "transport");
  }

  async changeSoPin(change: OnceCounted<PinChange>): Promise<void> {
    await this.#present("so-pin", change, ({ current, next }) => {
      const pin = soPinBytes(current);
      return { pin, command: changePin("so-pin", pin, soPinBytes(next)) };
    });
  }

  /**
   * Resets the tries of the user PIN with the SO-PIN, and sets a new user PIN.
   * @throws HsmError `PIN_RESET_NOT_ENABLED` (not-supported), before anything is sent where the token tells its options
   */
  async unblockUserPin(unblock: OnceCounted<PinUnblock>): Promise<void> {
    const checked = ({ soPin, next }: PinUnblock) => {
      if (next !== undefined) checkUserPin(next, "new");
      return soPinBytes(soPin);
    };
    const present = (given: PinUnblock) => {
      const pin = checked(given);
      this.#refuseReset(given.next === undefined);
      return { pin, command: resetRetryCounter(pin, given.next) };
    };
    if (!isAsked(unblock)) checked(unblock);
    // Its serial goes into the refusal.
    await this.identity();
    this.#refuseReset(false);
    await this.#present("so-pin", unblock, present);
    await this.#gate.forget("user-pin");
  }

  /** Says at once what the token was not initialised for, where it tells its options. */
  #refuseReset(counterOnly: boolean): void {
    const { options } = this.#session.application;
    if (options === null) return;
    if ((options & optionBits.pinReset) === 0) throw pinResetNotEnabled(this.#session, false);
    if (counterOnly && (options & optionBits.counterReset) === 0) throw pinResetNotEnabled(this.#session, true);
  }

  /**
   * Erases the token and sets it up anew: all keys, certificates and data on it are lost. The SO-PIN of a token that
   * was initialised before is judged like every other PIN that is presented.
   * @returns the settings it was set up with
   * @throws HsmError `SETTINGS_INVALID`, `PIN_MALFORMED`, `SO_PIN_MALFORMED` (usage), before anything is sent
   */
  async initialize(settings: OnceCounted<InitializeSettings>): Promise<InitializeSettings> {
    const present = (wanted: InitializeSettings) => ({
      pin: soPinBytes(wanted.soPin),
      command: initializeDevice(wanted),
    });
    const chosen = await this.#present("so-pin", settings, present, "uninitialised");
    await this.#gate.forget("user-pin");
    this.#label = null;
    this.#withoutKeyDomains = chosen.dkek.kind !== "key-domains";
    const session = this.#session;
    if (session.application.options !== null) {
      const options = initializeOptions(chosen);
      session.application = { ...session.application, options, optionNames: optionNames(options) };
    }
    // A genuine token keeps its device key. An independent one may have made a new key and certificate.
    if (session.application.profile !== "genuine") {
      this.#identity = undefined;
      this.#admitted = undefined;
    }
    return chosen;
  }

  /**
   * A value that is there is checked before anything is sent; one that is asked for, as soon as it is known.
   * @returns the value
   */
  async #present<Value>(
    which: PinKind,
    given: OnceCounted<Value>,
    make: (value: Value) => Presentation,
    alsoIn?: Attempt["alsoIn"],
  ): Promise<Value> {
    if (!isAsked(given)) {
      const ready = make(given);
      await this.#gate.run({ which, alsoIn, present: async () => ready });
      return given;
    }
    const asked: Value[] = [];
    await this.#gate.run({
      which,
      alsoIn,
      present: async (counter) => {
        const value = await given(counter);
        asked.push(value);
        return make(value);
      },
    });
    return asked[0] as Value;
  }

  /** Names the token. Needs a login. @throws HsmError `LABEL_MALFORMED` (usage) */
  async writeLabel(label: string): Promise<void> {
    // In place, so that there is never no label; readers stop at the end of the object.
    await writeFile(this.#session, fileIds.tokenInfo, encodeTokenInfo(label));
    this.#label = label;
  }

  /** Selects the applet again: every login ends. */
  async logout(): Promise<void> {
    await this.#session.select();
  }

  /** Random bytes of the token, in pieces of at most 256. */
  async random(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let offset = 0; offset < length; ) {
      const piece = await this.#session.send(this.#challenge(Math.min(256, length - offset)));
      bytes.set(piece, offset);
      offset += piece.length;
    }
    return bytes;
  }

  async listFiles(): Promise<number[]> {
    return listFiles(this.#session);
  }

  /** @throws HsmError `FILE_NOT_FOUND` */
  async readFile(fid: number): Promise<Uint8Array> {
    return readFile(this.#session, fid);
  }

  /** Replaces a file. Needs a login. */
  async writeFile(fid: number, bytes: Uint8Array): Promise<void> {
    // Genuine cards keep the tail of a longer file when a shorter one is written over it.
    await deleteFile(this.#session, fid);
    await writeFile(this.#session, fid, bytes);
  }

  /** Needs a login. @throws HsmError `FILE_NOT_FOUND` */
  async deleteFile(fid: number): Promise<void> {
    if (!(await deleteFile(this.#session, fid))) throw refusal("DELETE FILE", SW.fileNotFound, this.#session.token);
  }

  async #readIfThere(fid: number): Promise<Uint8Array> {
    try {
      return await readFile(this.#session, fid);
    } catch (error) {
      if (error instanceof HsmError && error.code === "FILE_NOT_FOUND") return new Uint8Array(0);
      throw error;
    }
  }

  #challenge(length: number): CardCommand<Uint8Array> {
    const { token } = this.#session;
    return {
      name: "GET CHALLENGE",
      apdu: { cla: 0x00, ins: 0x84, p1: 0x00, p2: 0x00, le: length },
      parse({ data, sw }) {
        if (sw !== SW.ok) throw refusal("GET CHALLENGE", sw, token);
        if (data.length !== length) {
          throw new HsmError(
            "RANDOM_INCOMPLETE",
            "unexpected",
            `${token} gave ${data.length} random bytes, not ${length}`,
            {
              token,
            },
          );
        }
        return data;
      },
    };
  }
}

export interface PinChange {
  readonly current: Uint8Array;
  readonly next: Uint8Array;
}

export interface PinUnblock {
  readonly soPin: Uint8Array;
  /** The new user PIN; without it the counter only is reset, which the token must have been initialised for. */
  readonly next?: Uint8Array | undefined;
}

function isAsked<Value>(given: OnceCounted<Value>): given is (counter: PinState) => Promise<Value> {
  return typeof given === "function";
}

function labelIn(tokenInfo: Uint8Array): string | null {
  if (tokenInfo.length === 0) return null;
  try {
    return decodeTokenInfo(tokenInfo).label;
  } catch (error) {
    if (error instanceof HsmError) return null;
    throw error;
  }
}
