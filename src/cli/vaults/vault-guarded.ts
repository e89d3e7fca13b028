import type { TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../errors.ts";
import type { EndangeredToken, GuardedVault } from "../../services/vault/guard.ts";
import type { CommandContext } from "../context.ts";
import { vaultState } from "./vault-session.ts";

/**
 * Vaults this computer knows of which the token opens a slot.
 * @param key that one key of it alone, where not the whole token is to go
 */
export async function endangeredVaults(
  context: Pick<CommandContext, "paths">,
  card: SmartCardHsm,
  key?: TokenKey,
): Promise<readonly GuardedVault[]> {
  const state = await vaultState(context);
  if ((await state.all()).length === 0) return [];
  const { guardedVaults } = await import("../../services/vault/guard.ts");
  return guardedVaults(state, await endangered(card, key));
}

async function endangered(card: SmartCardHsm, key: TokenKey | undefined): Promise<EndangeredToken> {
  const { keyFingerprint } = await import("../../services/vault/openers/key-fingerprint.ts");
  const fingerprints = (keys: readonly TokenKey[]) =>
    keys.flatMap(({ publicKey }) => (publicKey === null ? [] : [keyFingerprint(publicKey)]));
  if (key !== undefined && key.publicKey !== null) return { keys: fingerprints([key]) };
  // An AES key has no public half to be recognised by: then the token counts.
  const identity = await card.identity();
  return {
    keys: fingerprints(key === undefined ? await card.listKeys() : []),
    ...(identity.serial === "" ? {} : { serial: identity.serial }),
    ...(identity.key.length >= 32 ? { deviceKeyHash: identity.key.slice(0, 32) } : {}),
  };
}

/**
 * Before a token or a key is erased: a vault that nothing else opens has to be named with `--ack-vault`.
 * @returns what is lost besides, in words, for the question whether that is meant
 * @throws HsmError `VAULT_ONLY_OPENER` (refused): nothing was sent
 */
export async function refuseLastOpener(
  context: CommandContext,
  card: SmartCardHsm,
  name: string,
  key?: TokenKey,
): Promise<string[]> {
  const vaults = await endangeredVaults(context, card, key);
  const named = context.args.texts("ack-vault");
  const lost = vaults.filter(({ role, id }) => role === "only" && !named.includes(id));
  const [first] = lost;
  if (first === undefined)
    return vaults.filter(({ role }) => role !== "one-of-several").map((vault) => words(name, vault));
  throw new HsmError("VAULT_ONLY_OPENER", "refused", lost.map((vault) => words(name, vault)).join("; "), {
    advice: `nothing was sent; add another slot first (\`hsmadm vault slot add ${first.path}\`), or give ${lost.map(({ id }) => `--ack-vault ${id}`).join(" ")} to lose what is in it`,
    details: { vaults: lost },
  });
}

const roleWords = {
  only: "nothing else opens it",
  "besides-recovery": "only its recovery key would be left",
  "one-of-several": "other slots open it too",
} as const satisfies Record<GuardedVault["role"], string>;

function words(token: string, { path, id, role, slots, seen }: GuardedVault): string {
  const numbers = slots.map(({ slot }) => slot).join(", ");
  const memory = seen ? "" : " (the file is not there now)";
  return `${token} opens slot ${numbers} of ${path}, vault ${id}${memory}: ${roleWords[role]}`;
}

export function guardLines(token: string, vaults: readonly GuardedVault[]): string[] {
  return vaults.map((vault) => words(token, vault));
}
