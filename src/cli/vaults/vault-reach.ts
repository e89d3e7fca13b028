import type { FidoPin } from "../../cards/fido2/pin-gate.ts";
import type { PinState } from "../../cards/smartcard-hsm/token-status.ts";
import { HsmError } from "../../errors.ts";
import type { KeySource } from "../../services/vault/key-source.ts";
import type { TraceRecorder } from "../../transport/trace/recorder.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, recordedBy, startRecorder, useDevice } from "../devices/device-session.ts";
import { parseDeviceSpec } from "../devices/device-spec.ts";
import { reachDevice } from "../devices/reach-device.ts";
import type { Secret, SecretReader, SecretWish } from "../secrets/secrets.ts";
import type { AuthenticatorHolder } from "./authenticator-holder.ts";
import type { TokenHolder } from "./token-holder.ts";

/** How devices are reached: one recording for all of them, PINs from where the command line says. */
export class VaultReach {
  readonly #context: CommandContext;
  readonly #secrets: SecretReader;
  readonly #thorough: boolean;
  readonly #recorder: TraceRecorder | undefined;
  readonly #pins: readonly Secret[];
  readonly #fidoPins: readonly Secret[];
  #recorded = false;

  private constructor(
    context: CommandContext,
    secrets: SecretReader,
    parts: { thorough: boolean; recorder: TraceRecorder | undefined; pins: Secret[]; fidoPins: Secret[] },
  ) {
    this.#context = context;
    this.#secrets = secrets;
    this.#thorough = parts.thorough;
    this.#recorder = parts.recorder;
    this.#pins = parts.pins;
    this.#fidoPins = parts.fidoPins;
  }

  /** PINs that need nobody to be asked are read now, before a device is touched. */
  static async open(context: CommandContext, secrets: SecretReader, thorough: boolean): Promise<VaultReach> {
    const given = async (wish: SecretWish) => {
      const found: Secret[] = [];
      for (const text of context.args.texts(wish.option)) found.push(await secrets.openFrom(wish, text));
      return found;
    };
    const pins = await given(await userPinWish());
    const fidoPins = await given(fidoPinWish);
    return new VaultReach(context, secrets, { thorough, recorder: await startRecorder(context), pins, fidoPins });
  }

  async close(): Promise<void> {
    await (this.#recorded ? this.#recorder?.finish() : this.#recorder?.abandon());
  }

  async token(name: string, place: number): Promise<TokenHolder> {
    const { TokenHolder } = await import("./token-holder.ts");
    return new TokenHolder(
      name,
      (work) => this.#useToken(name, work),
      (device, counter) => this.#pin(place, device, counter),
    );
  }

  async authenticator(name: string, place: number): Promise<AuthenticatorHolder> {
    const { AuthenticatorHolder } = await import("./authenticator-holder.ts");
    const secret = this.#fidoPins[place] ?? this.#fidoPins[0];
    const recorder = () => {
      this.#recorded = true;
      return this.#recorder;
    };
    return new AuthenticatorHolder(this.#context, name, recorder, (title): FidoPin => {
      return async ({ retries }) => {
        const giver = secret ?? (await this.#secrets.openFrom(fidoPinWish, undefined));
        const stake = `${retries} ${retries === 1 ? "try" : "tries"} left, a wrong one costs one`;
        // The driver's caller overwrites it; the next device may be given the same one.
        return (await giver.value({ token: title, stake })).slice();
      };
    });
  }

  async source(token: TokenHolder | undefined, authenticator: AuthenticatorHolder | undefined): Promise<KeySource> {
    const { deviceSource } = await import("./device-source.ts");
    return deviceSource(token, authenticator, this.#thorough);
  }

  async #useToken(name: string, work: (device: OpenDevice) => Promise<void>): Promise<void> {
    const raw = await reachDevice(this.#context, parseDeviceSpec(name), "exclusive", this.#recorder);
    this.#recorded = true;
    await useDevice(this.#context, this.#recorder === undefined ? raw : await recordedBy(this.#recorder, raw), work);
    raw.complete?.();
  }

  async #pin(place: number, device: OpenDevice, counter: PinState): Promise<Uint8Array> {
    const secret = this.#pins[place] ?? this.#pins[0] ?? (await this.#secrets.openFrom(await userPinWish(), undefined));
    const { stakeWords, tokenTitle } = await import("../wording.ts");
    return secret.value({ token: await tokenTitle(device), stake: stakeWords("user-pin", counter) });
  }
}

async function userPinWish(): Promise<SecretWish> {
  return (await import("../secrets/pin-wishes.ts")).pinWishes.pin;
}

const fidoPinWish: SecretWish = {
  option: "fido-pin",
  unprovable: true,
  name: "FIDO2 PIN",
  isNew: false,
  check(bytes) {
    if (bytes.length >= 4 && bytes.length <= 63) return bytes;
    throw new HsmError("FIDO_PIN_MALFORMED", "usage", `a FIDO2 PIN has 4 to 63 bytes, this one has ${bytes.length}`, {
      advice: "nothing was sent to the authenticator, so no try was used",
    });
  },
};
