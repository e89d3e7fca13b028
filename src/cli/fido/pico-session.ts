import { join } from "node:path";
import type { PicoFidoToken } from "../../cards/fido2/pico-fido/pico-fido-token.ts";
import type { FidoPin } from "../../cards/fido2/pin-gate.ts";
import { HostKeyStore } from "../../services/pico-fido/host-key-store.ts";
import type { TokenFacts } from "../../services/pico-fido/lock.ts";
import type { CommandContext } from "../context.ts";
import type { Document } from "../output.ts";
import type { Secret } from "../secrets/secrets.ts";
import { authenticatorFacts, fidoStake } from "./authenticator-facts.ts";
import { type OpenAuthenticator, withAuthenticator } from "./authenticator-session.ts";

/** A Pico FIDO that was found, and the host keys of this computer. */
export interface OpenPicoFido {
  readonly open: OpenAuthenticator;
  readonly token: PicoFidoToken;
  readonly store: HostKeyStore;
  /** For a record of a host key. */
  readonly facts: TokenFacts;
  /** `authenticator` and `firmware` of every JSON document. */
  readonly document: Document;
}

export function hostKeyStore({ paths }: Pick<CommandContext, "paths">): HostKeyStore {
  return new HostKeyStore(join(paths.state, "pico-fido"));
}

/**
 * Opens the Pico FIDO that the command line names.
 * @throws HsmError `PICO_FIDO_NOT_SUPPORTED` (not-supported) for any other token: it was asked for getInfo alone
 */
export async function withPicoFido<T>(context: CommandContext, work: (pico: OpenPicoFido) => Promise<T>): Promise<T> {
  return withAuthenticator(context, async (open) => {
    const { PicoFidoToken } = await import("../../cards/fido2/pico-fido/pico-fido-token.ts");
    const token = new PicoFidoToken(open.authenticator);
    const { version, lock } = token.firmware;
    return work({
      open,
      token,
      store: hostKeyStore(context),
      facts: { device: open.device, product: open.product, now: context.io.now() },
      document: { authenticator: authenticatorFacts(open), firmware: { version, lock } },
    });
  });
}

/** The PIN, asked for when the counter was read; its bytes are overwritten by `wipe`. */
export function askedPin(
  secret: Secret,
  { title }: OpenAuthenticator,
): { readonly pin: FidoPin; readonly wipe: () => void } {
  const given: Uint8Array[] = [];
  return {
    pin: async ({ retries }) => {
      const bytes = await secret.value({ token: title, stake: fidoStake(retries) });
      given.push(bytes);
      return bytes;
    },
    wipe: () => {
      for (const bytes of given) bytes.fill(0);
    },
  };
}
