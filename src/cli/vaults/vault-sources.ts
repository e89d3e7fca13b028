import type { KeySource } from "../../services/vault/key-source.ts";
import type { CommandContext } from "../context.ts";
import { type Secret, SecretReader, type SecretWish } from "../secrets/secrets.ts";
import { namedDevices, type VaultDevices } from "./vault-devices.ts";

/** What the command line offers to open a vault with, and to enrol on. */
export interface VaultSources extends VaultDevices {
  readonly secrets: SecretReader;
}

export interface SourceOptions {
  /** Looks at every key of a card, not only until one opens the vault. */
  readonly thorough?: boolean;
  /** `--passphrase` is the new one of a slot that is made, no opener. */
  readonly withoutPassphrase?: boolean;
}

const wishes = {
  passphrase: { option: "passphrase", name: "passphrase", isNew: false, check: (bytes) => bytes },
  recovery: { option: "recovery", name: "recovery key", isNew: false, check: (bytes) => bytes },
} as const satisfies Record<string, SecretWish>;

/**
 * Gathers what may open the vault: the devices of `--device`, a passphrase, a recovery key; nothing that was not named.
 * No device is opened before the vault has a slot for it. All are given back at the end, their secrets erased.
 */
export async function withSources<T>(
  context: CommandContext,
  options: SourceOptions,
  work: (sources: VaultSources) => Promise<T>,
): Promise<T> {
  const secrets = new SecretReader(context);
  const named = namedDevices(context);
  const passphrase = options.withoutPassphrase ? undefined : await secrets.openIfGiven(wishes.passphrase);
  const recovery = await secrets.openIfGiven(wishes.recovery);
  const closing: (() => Promise<void>)[] = [];
  try {
    let devices: VaultDevices = { sources: [], tokens: [], authenticators: [] };
    if (named.length > 0) {
      const [{ VaultReach }, { vaultDevices }] = [await import("./vault-reach.ts"), await import("./vault-devices.ts")];
      const reach = await VaultReach.open(context, secrets, options.thorough === true);
      closing.push(() => reach.close());
      devices = await vaultDevices(context, reach, named);
      for (const { close } of devices.sources) closing.push(close);
    }
    const others = await phraseSources(context, passphrase, recovery);
    for (const { close } of others) closing.push(close);
    return await work({ ...devices, sources: [...devices.sources, ...others], secrets });
  } finally {
    await closeAll(closing);
  }
}

async function phraseSources(
  context: CommandContext,
  passphrase: Secret | undefined,
  recovery: Secret | undefined,
): Promise<KeySource[]> {
  const sources: KeySource[] = [];
  const token = context.args.required("FILE");
  if (passphrase !== undefined) {
    const { passphraseSource } = await import("../../services/vault/openers/passphrase-source.ts");
    sources.push(
      passphraseSource(async () => (await passphrase.value({ token, stake: "no tries are counted" })).slice()),
    );
  }
  if (recovery !== undefined) {
    const { recoverySource } = await import("../../services/vault/openers/recovery-source.ts");
    sources.push(recoverySource(await recovery.value({ token, stake: "AGE-SECRET-KEY-1…" })));
  }
  return sources;
}

/** The last first: the recording is finished when the devices are closed. Every one, also where another cannot be. */
async function closeAll(closing: (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closing.reverse()) await close().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
