import { HsmError } from "../../errors.ts";
import type { KeySource, LeafRef } from "../../services/vault/key-source.ts";
import type { AuthenticatorHolder } from "./authenticator-holder.ts";
import type { TokenHolder } from "./token-holder.ts";

/**
 * The keys of one device, which is opened only where the vault has a slot for its kind. A card in a reader is looked at as
 * an HSM first, and where it is none, as a FIDO2 authenticator.
 */
export function deviceSource(
  token: TokenHolder | undefined,
  authenticator: AuthenticatorHolder | undefined,
  thorough: boolean,
): KeySource {
  let source: KeySource | undefined;
  const open = async (leaves: readonly LeafRef[]): Promise<KeySource | undefined> => {
    const wants = (kind: RegExp) => leaves.some(({ leaf }) => kind.test(leaf.kind));
    const fido = wants(/^fido2$/) ? authenticator : undefined;
    if (token !== undefined && wants(/^card-/)) {
      try {
        const { device, options } = await token.hold();
        const { cardSource } = await import("../../services/vault/openers/card-source.ts");
        return cardSource(device.card, { ...options, thorough });
      } catch (error) {
        if (fido === undefined || !(error instanceof HsmError) || error.code !== "NOT_A_SMARTCARD_HSM") throw error;
      }
    }
    if (fido === undefined) return undefined;
    const { authenticator: opened, options } = await fido.hold();
    const { fidoSource } = await import("../../services/vault/openers/fido-source.ts");
    return fidoSource(opened, options);
  };
  return {
    get title() {
      return source?.title ?? token?.title ?? authenticator?.title ?? "";
    },
    get kind() {
      return source?.kind ?? (token === undefined ? "fido2" : "card");
    },
    async match(leaves) {
      source ??= await open(leaves);
      return source?.match(leaves) ?? [];
    },
    keys: async (refs) => source?.keys(refs) ?? new Map(),
    async close() {
      await source?.close();
      await token?.release();
      await authenticator?.release();
    },
  };
}
