import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { GuardedVault } from "../../services/vault/guard.ts";
import type { CommandContext } from "../context.ts";
import { vaultState } from "./vault-session.ts";

/** Vaults this computer knows of which the token, or one key of it, opens a slot. */
export async function endangeredVaults(
  context: Pick<CommandContext, "paths">,
  card: SmartCardHsm,
): Promise<readonly GuardedVault[]> {
  const state = await vaultState(context);
  if ((await state.all()).length === 0) return [];
  const [{ guardedVaults }, { keyFingerprint }] = await Promise.all([
    import("../../services/vault/guard.ts"),
    import("../../services/vault/openers/key-fingerprint.ts"),
  ]);
  const { serial, key } = await card.identity();
  const keys = (await card.listKeys()).flatMap(({ publicKey }) =>
    publicKey === null ? [] : [keyFingerprint(publicKey)],
  );
  return guardedVaults(state, {
    keys,
    ...(serial === "" ? {} : { serial }),
    ...(key.length >= 32 ? { deviceKeyHash: key.slice(0, 32) } : {}),
  });
}

const roleWords = {
  only: "nothing else opens it",
  "besides-recovery": "only its recovery key would be left",
  "one-of-several": "other slots open it too",
} as const satisfies Record<GuardedVault["role"], string>;

export function guardLines(token: string, vaults: readonly GuardedVault[]): string[] {
  return vaults.map(({ path, id, role, slots, seen }) => {
    const numbers = slots.map(({ slot }) => slot).join(", ");
    const memory = seen ? "" : " (the file is not there now)";
    return `${token} opens slot ${numbers} of ${path}, vault ${id}${memory}: ${roleWords[role]}`;
  });
}
