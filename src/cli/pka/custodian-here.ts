import { keyNamed } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { HsmError } from "../../errors.ts";
import { answerChallenge, type CustodianKey, custodianKey } from "../../services/pka/custodian.ts";
import type { LoginAnswer, LoginChallenge } from "../../services/pka/login-files.ts";
import type { Custodian } from "../../services/pka/pka-login.ts";
import type { OpenDevice } from "../devices/device-session.ts";
import type { Secret } from "../secrets/secrets.ts";
import { type Held, hold } from "../vaults/held.ts";
import { stakeWords, tokenName, tokenTitle } from "../wording.ts";

/** A custodian whose token is in a reader of this computer. It is opened when it is needed, and kept open until it has signed. */
export class CustodianHere implements Custodian {
  readonly title: string;
  readonly #open: (work: (device: OpenDevice) => Promise<void>) => Promise<void>;
  readonly #pin: Secret;
  readonly #wanted: string | undefined;
  #held: Held<OpenDevice> | undefined;
  #key: CustodianKey | undefined;

  /**
   * @param device as the command line names it
   * @param wanted `--custodian-key`
   */
  constructor(
    device: string,
    open: (work: (device: OpenDevice) => Promise<void>) => Promise<void>,
    pin: Secret,
    wanted: string | undefined,
  ) {
    this.title = device;
    this.#open = open;
    this.#pin = pin;
    this.#wanted = wanted;
  }

  async holder(isRegistered: (chr: string) => Promise<boolean>): Promise<string> {
    this.#held = await hold(this.#open);
    const device = this.#held.thing;
    const { card } = device;
    const keys = await card.listKeys();
    const name = await tokenName(device);
    const candidates = this.#wanted === undefined ? keys : [keyNamed(keys, this.#wanted, name)];
    for (const candidate of candidates) {
      const key = await custodianKey(card, candidate);
      if (key === null || !(await isRegistered(key.chr))) continue;
      const metadata = await card.keyMetadata(candidate.ref);
      this.#key = { ...key, key: { ...candidate, metadata } };
      return key.chr;
    }
    throw new HsmError("PKA_NOT_REGISTERED", "conflict", `${name} has no key that is registered for the login`, {
      advice: "`hsmadm pka status` shows who is registered; who has signed already counts once",
      token: name,
    });
  }

  async answer(challenge: LoginChallenge): Promise<LoginAnswer> {
    if (this.#held === undefined || this.#key === undefined) throw new Error("the custodian's key was not looked for");
    const device = this.#held.thing;
    const title = await tokenTitle(device);
    await device.card.verifyUserPin((counter) =>
      this.#pin.value({ token: title, stake: stakeWords("user-pin", counter) }),
    );
    const answer = await answerChallenge(device.card, this.#key, challenge);
    await this.release();
    return answer;
  }

  /** Gives the token back. */
  async release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    await held?.release();
  }
}
