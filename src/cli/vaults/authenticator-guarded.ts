import type { Fido2Authenticator } from "../../cards/fido2/authenticator.ts";
import { leavesOf } from "../../crypto/vault/leaf.ts";
import { HsmError } from "../../errors.ts";
import type { GuardedVault } from "../../services/vault/guard.ts";
import type { LeafRef } from "../../services/vault/key-source.ts";
import type { CommandContext } from "../context.ts";
import { vaultState } from "./vault-session.ts";

/**
 * Vaults this computer knows of which the authenticator opens a slot: it is asked for their credentials, without a touch.
 * One that tells nobody before its PIN counts as an opener. A vault whose file is away names no credentials.
 */
export async function endangeredWith(
  context: Pick<CommandContext, "paths">,
  authenticator: Fido2Authenticator,
): Promise<readonly GuardedVault[]> {
  const state = await vaultState(context);
  const known = await state.all();
  if (known.length === 0) return [];
  const [{ guardedVaults }, { lockedVault }, { leafFingerprint }, { fidoSource }] = await Promise.all([
    import("../../services/vault/guard.ts"),
    import("../../services/vault/locked-vault.ts"),
    import("../../services/vault/leaf-key.ts"),
    import("../../services/vault/openers/fido-source.ts"),
  ]);
  const source = fidoSource(authenticator, { title: "", pin: noPin });
  const keys: string[] = [];
  for (const { path } of known) {
    const vault = await lockedVault(path).catch(() => null);
    const leaves: LeafRef[] = (vault?.header.slots ?? []).flatMap(({ id, holder }) =>
      leavesOf(holder).map((leaf, leg) => ({ slot: id, leg, leaf })),
    );
    for (const { ref } of await source.match(leaves)) keys.push(leafFingerprint(ref.leaf));
  }
  return keys.length === 0 ? [] : guardedVaults(state, { keys });
}

/** A look wants none. */
async function noPin(): Promise<never> {
  throw new HsmError("UNEXPECTED", "unexpected", "a look at an authenticator asked for its PIN");
}
