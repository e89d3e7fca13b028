import type { TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError, messageOf } from "../../errors.ts";
import type { EndangeredToken, GuardedVault } from "../../services/vault/guard.ts";
import type { CommandContext } from "../context.ts";
import type { OpenDevice } from "../devices/device-session.ts";
import { tokenName } from "../wording.ts";
import { vaultState } from "./vault-session.ts";

/**
 * Vaults this computer knows of which the token opens a slot. Where it knows none with a slot for a card, the token is
 * not asked anything.
 * @param going these keys of it alone, where not the whole token is to go
 */
export async function endangeredVaults(
  context: Pick<CommandContext, "paths">,
  card: SmartCardHsm,
  going?: readonly TokenKey[],
): Promise<readonly GuardedVault[]> {
  const state = await vaultState(context);
  const legs = (await state.all()).flatMap(({ slots }) => slots.flatMap((slot) => slot.legs));
  if (!legs.some(({ key }) => key.startsWith("card-"))) return [];
  const { guardedVaults } = await import("../../services/vault/guard.ts");
  return guardedVaults(state, await endangered(card, going));
}

async function endangered(card: SmartCardHsm, going: readonly TokenKey[] | undefined): Promise<EndangeredToken> {
  const { keyFingerprint } = await import("../../services/vault/openers/key-fingerprint.ts");
  const all = going ?? (await card.listKeys());
  const keys = all.flatMap(({ publicKey }) => (publicKey === null ? [] : [keyFingerprint(publicKey)]));
  if (going === undefined) return { keys, ...(await hintsOf(card)) };
  // A key without a public half is not to be recognised: then the token's own name counts, for slots of such keys.
  const nameless = going.filter(({ publicKey }) => publicKey === null);
  if (nameless.length === 0) return { keys };
  const onlyAes = nameless.every(({ kind }) => kind === "aes");
  return { keys, ...(await hintsOf(card)), ...(onlyAes ? { hintsFor: "card-aes" } : {}) };
}

/** By what a vault's slots say where their keys are. The card was asked for it already. */
async function hintsOf(card: SmartCardHsm): Promise<Pick<EndangeredToken, "serial" | "deviceKeyHash">> {
  const { serial, key } = await card.identity();
  return {
    ...(serial === "" ? {} : { serial }),
    ...(key.length >= 32 ? { deviceKeyHash: key.slice(0, 32) } : {}),
  };
}

/**
 * Before a PIN is put at risk without which the token opens nothing: says which vaults hang on it. The card is asked
 * nothing for that, and what cannot be read is no reason to refuse a PIN.
 * @param risk what would make the loss final: `a blocked SO-PIN stays blocked`
 */
export async function warnLastOpener(context: CommandContext, device: OpenDevice, risk: string): Promise<void> {
  const { output } = context;
  try {
    const state = await vaultState(context);
    if ((await state.all()).length === 0) return;
    const { guardedVaults } = await import("../../services/vault/guard.ts");
    const vaults = await guardedVaults(state, { keys: [], ...(await hintsOf(device.card)) });
    const name = await tokenName(device);
    for (const vault of vaults.filter(({ role }) => role === "only")) {
      output.warn(`${words(name, vault)}; ${risk}: first add another slot, \`hsmadm vault slot add ${vault.path}\``);
    }
  } catch (error) {
    output.warn(`whether a vault hangs on this token is not known: ${messageOf(error)}`);
  }
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
  going?: readonly TokenKey[],
): Promise<string[]> {
  return refuseUnacknowledged(context, name, await endangeredVaults(context, card, going));
}

/** @throws HsmError `VAULT_ONLY_OPENER` (refused) */
export function refuseUnacknowledged(context: CommandContext, name: string, vaults: readonly GuardedVault[]): string[] {
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
