import { join } from "node:path";
import { fileExists } from "../../services/atomic-file.ts";
import type { Anchor } from "../../services/vault/anchor.ts";
import type { HostState } from "../../services/vault/host-state.ts";
import type { OpenVault, SaveOutcome } from "../../services/vault/open-vault.ts";
import type { CommandContext } from "../context.ts";
import { namedDevices } from "./vault-devices.ts";
import { type SourceOptions, type VaultSources, withSources } from "./vault-sources.ts";

/** A vault that is open, and what opened it or may be enrolled. */
export interface VaultSession {
  readonly vault: OpenVault;
  readonly sources: VaultSources;
  /** Writes the next generation; what could not be noted is said. */
  save(): Promise<SaveOutcome>;
}

export interface SessionOptions extends SourceOptions {
  /** Takes the vault's lock first. */
  readonly write: boolean;
  readonly only?: readonly number[] | undefined;
  readonly except?: readonly number[] | undefined;
}

/**
 * Opens the vault with what the command line names, and nothing else.
 * @throws HsmError `DEVICE_POLICY` (device) when nothing is named: no device was touched; what `openVault` throws
 */
export async function withVault<T>(
  context: CommandContext,
  options: SessionOptions,
  work: (session: VaultSession) => Promise<T>,
): Promise<T> {
  const path = context.args.required("FILE");
  await refuseUnnamed(context);
  return withSources(context, options, async (sources) => {
    const { openVault } = await import("../../services/vault/vault.ts");
    const { write, only, except } = options;
    const anchor = await vaultAnchor(context, path, sources);
    const vault = await openVault(path, sources.sources, {
      ...(await pinOptions(context)),
      anchor,
      write,
      only,
      except,
    });
    try {
      tellTrust(context, vault);
      return await work({ vault, sources, save: () => save(context, vault) });
    } finally {
      await vault.close();
    }
  });
}

/** What the cards at hand remember of the vault, where there are any: one exchange more. */
async function vaultAnchor(
  { args }: CommandContext,
  path: string,
  { tokens }: VaultSources,
): Promise<Anchor | undefined> {
  if (tokens.length === 0) return undefined;
  const [{ cardAnchor }, { lockedVault }] = await Promise.all([
    import("../../services/vault/openers/card-anchor.ts"),
    import("../../services/vault/locked-vault.ts"),
  ]);
  const { header } = await lockedVault(path);
  const cards = () => tokens.flatMap(({ opened }) => opened?.card ?? []);
  return cardAnchor(cards, { id: header.vaultId, begin: args.flag("anchor") });
}

/** What this host and the caller know of the vault. */
export async function pinOptions(context: CommandContext) {
  const { args, io } = context;
  return {
    state: await vaultState(context),
    expectId: args.text("expect-id"),
    allowRollback: args.flag("allow-rollback"),
    now: io.now,
  };
}

export async function vaultState({ paths }: Pick<CommandContext, "paths">): Promise<HostState> {
  const { hostState } = await import("../../services/vault/host-state.ts");
  return hostState(join(paths.state, "vaults"));
}

/**
 * No device, no passphrase and no recovery key was named: says what would open it, having read the header alone. For who
 * reads standard input first: nobody is to type a secret for nothing.
 * @throws HsmError `DEVICE_POLICY` (device)
 */
export async function refuseUnnamed(context: CommandContext): Promise<void> {
  const { args } = context;
  const given = ["passphrase", "recovery"].some((option) => args.text(option) !== undefined);
  if (given || namedDevices(context).length > 0) return;
  const { policyRefusal } = await import("./vault-refusal.ts");
  throw await policyRefusal(context, args.required("FILE"));
}

function tellTrust({ output }: CommandContext, vault: OpenVault): void {
  for (const note of vault.notes) output.warn(note);
  if (vault.outcome.rolledBack) {
    output.warn(`an older file was taken: generation ${vault.generation} counts from now on, as --allow-rollback says`);
  }
  if (vault.outcome.trust !== "first-met") return;
  output.note(
    `first seen here: vault ${vault.id}, generation ${vault.generation}; compare the id with the one you noted`,
  );
}

async function save({ args, output }: CommandContext, vault: OpenVault): Promise<SaveOutcome> {
  const backup = !args.flag("no-backup");
  const outcome = await vault.save({ backup });
  for (const note of outcome.notes) output.warn(note);
  const bak = `${vault.path}.bak`;
  if (!backup && (await fileExists(bak))) {
    output.warn(
      `${bak} is left as an earlier write made it, with the secrets and slots of then; remove it to be rid of them`,
    );
  }
  return outcome;
}
