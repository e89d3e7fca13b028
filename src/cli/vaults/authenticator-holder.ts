import { Fido2Authenticator } from "../../cards/fido2/authenticator.ts";
import type { FidoPin } from "../../cards/fido2/pin-gate.ts";
import { refuseWithoutKey } from "../../services/pico-fido/keyless.ts";
import type { FidoSourceOptions } from "../../services/vault/openers/fido-source.ts";
import type { TraceRecorder } from "../../transport/trace/recorder.ts";
import type { CommandContext } from "../context.ts";
import { parseAuthenticatorSpec } from "../devices/authenticator-spec.ts";
import { watchedAuthenticator } from "../devices/authenticator-watch.ts";
import { reachAuthenticator } from "../devices/reach-authenticator.ts";
import { simulatedMark } from "../wording.ts";

/** An authenticator that is open, and what its source wants to know. */
export interface OpenAuthenticator {
  readonly authenticator: Fido2Authenticator;
  readonly options: FidoSourceOptions;
}

/** A FIDO2 authenticator named on the command line, opened when it is first needed. */
export class AuthenticatorHolder {
  readonly name: string;
  readonly #context: CommandContext;
  readonly #recorder: () => TraceRecorder | undefined;
  readonly #pin: (title: string) => FidoPin;
  #open: Promise<OpenAuthenticator & { readonly close: () => Promise<void> }> | undefined;
  #title: string;
  #opened = false;

  constructor(
    context: CommandContext,
    name: string,
    recorder: () => TraceRecorder | undefined,
    pin: (title: string) => FidoPin,
  ) {
    this.name = name;
    this.#title = name;
    this.#context = context;
    this.#recorder = recorder;
    this.#pin = pin;
  }

  get title(): string {
    return this.#title;
  }

  async hold(): Promise<OpenAuthenticator> {
    this.#open ??= this.#reach();
    const open = await this.#open;
    this.#opened = true;
    return open;
  }

  /** Whether it was opened and turned out to be one; opens none. */
  get opened(): boolean {
    return this.#opened;
  }

  async release(): Promise<void> {
    const open = await this.#open?.catch(() => undefined);
    this.#open = undefined;
    this.#opened = false;
    await open?.close();
  }

  async #reach() {
    const { globals, output, signal } = this.#context;
    const raw = await reachAuthenticator(this.#context, parseAuthenticatorSpec(this.name), this.#recorder());
    try {
      const title = `${raw.product ?? this.name}${raw.simulated ? ` (${simulatedMark})` : ""}`;
      this.#title = title;
      const { ctap, vendorChannel: vendor } = raw;
      const onTouch = () => output.say(`Touch ${title} now …`);
      const policy = { minTries: globals.minTries };
      const vendorChannel = vendor === undefined ? undefined : watchedAuthenticator(vendor, { signal, onTouch });
      const watched = watchedAuthenticator(ctap, { signal, onTouch });
      const authenticator = await Fido2Authenticator.open(watched, { policy, signal, vendorChannel });
      await refuseWithoutKey(authenticator);
      return {
        authenticator,
        options: { title, pin: this.#pin(title) },
        async close() {
          await authenticator.close();
          await raw.close();
          raw.complete?.();
        },
      };
    } catch (error) {
      await raw.close();
      throw error;
    }
  }
}
