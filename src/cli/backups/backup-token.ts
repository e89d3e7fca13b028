import { join } from "node:path";
import type { BackupManifest } from "../../crypto/backup/backup-manifest.ts";
import { exitCodes } from "../../errors.ts";
import { type BackupFacts, backupWarnings, collectBackup } from "../../services/backup/backup.ts";
import { requireSameDkek } from "../../services/backup/backup-domains.ts";
import { keysToUnwrap, planRestore, type RestorePlan } from "../../services/backup/backup-plan.ts";
import { requireNoConflict, runRestore } from "../../services/backup/backup-restore.ts";
import { fileKeyMemory } from "../../services/keys/keys-memory.ts";
import type { CommandContext } from "../context.ts";
import type { OpenDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import type { Document } from "../output.ts";
import type { Secret } from "../secrets/secrets.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { refuseLastOpener } from "../vaults/vault-guarded.ts";
import { stakeWords, tokenName, tokenTitle } from "../wording.ts";
import { fileFacts, outcomeLines, planLines, plannedFacts } from "./backup-report.ts";

/** Presents the user PIN, once. */
export async function login(device: OpenDevice, pin: Secret): Promise<void> {
  const title = await tokenTitle(device);
  await device.card.verifyUserPin((counter) => pin.value({ token: title, stake: stakeWords("user-pin", counter) }));
}

export function backupFacts({ io }: CommandContext, { simulated }: OpenDevice): BackupFacts {
  return { created: io.now().toISOString(), createdBy: `hsmadm ${io.version()}`, simulated };
}

/** Logs in and wraps every key of the token. What a person has to know of the result is said. */
export async function collectFrom(context: CommandContext, device: OpenDevice, pin: Secret): Promise<BackupManifest> {
  const { output } = context;
  await login(device, pin);
  const facts = backupFacts(context, device);
  const manifest = await collectBackup(device.card, facts, ({ number, of, label }) =>
    output.progress(`wrapping key ${number} of ${of}${label === "" ? "" : ` "${label}"`} …`),
  );
  for (const warning of backupWarnings(manifest, await device.card.keyDomains())) output.warn(warning);
  if (manifest.keys.length === 0) output.warn(`${await tokenName(device)} has no key that a backup could hold`);
  return manifest;
}

/**
 * Brings the keys of a backup onto the token: plan, confirmation where something is to go, login, work.
 * Under `--dry-run` the plan alone, and no PIN is asked for.
 * @param facts of the command, for its document
 */
export async function restoreOnto(
  context: CommandContext,
  device: OpenDevice,
  manifest: BackupManifest,
  pin: Secret | undefined,
  facts: Document,
): Promise<number | undefined> {
  const { args, globals, output } = context;
  const { card } = device;
  const name = await tokenName(device);
  const { serial, key } = await card.identity();
  const token = await tokenFacts(device);
  const plan = await planRestore(card, manifest, args.flag("replace"));
  if (pin === undefined || globals.dryRun) {
    const domains = (await card.keyDomains()).filter(({ kcvNote }) => kcvNote !== "before-login");
    // A token that shows its check value after a login only is compared then.
    if (domains.length > 0) requireSameDkek(keysToUnwrap(plan), domains, serial || name);
    output.result(document(plan, { ...facts, token, dryRun: true }), [
      `would restore onto ${name}; nothing was sent`,
      ...planLines(plan, output.columns),
    ]);
    return undefined;
  }
  requireNoConflict(plan, serial || name);
  const losses = plan.keys.flatMap(({ inTheWay }) => inTheWay.map((key) => `key ${key.ref} "${key.label}" on ${name}`));
  const files = plan.files.filter(({ action }) => action === "replace");
  losses.push(...files.map(({ fid }) => `file ${fid.toString(16).toUpperCase()} on ${name}`));
  const going = plan.keys.flatMap(({ inTheWay }) => inTheWay);
  if (going.length > 0) losses.push(...(await refuseLastOpener(context, card, name, going)));
  if (losses.length > 0) {
    await confirmDestruction(context, {
      losses: [...new Set(losses)],
      serial: serial || card.channel.where,
      exact: device.exact,
    });
  }
  if (plan.keys.every(({ action }) => action === "skip") && plan.files.every(({ action }) => action === "skip")) {
    output.result(document(plan, { ...facts, token, dryRun: false }), [
      ...planLines(plan, output.columns),
      "",
      `${name} holds all of this already; nothing was sent`,
    ]);
    return undefined;
  }
  await login(device, pin);
  const memory = fileKeyMemory(join(context.paths.state, "keys.json"));
  try {
    const outcome = await runRestore(card, plan, ({ number, of, label }) =>
      output.progress(`restoring key ${number} of ${of}${label === null ? "" : ` "${label}"`} …`),
    );
    const failed = outcome.keys.filter(({ done }) => done === "failed").length;
    const skipped = outcome.keys.filter(({ done }) => done === "skipped").length;
    const restored = outcome.keys.length - failed - skipped;
    output.result(document(plan, { ...facts, token, dryRun: false }, outcome.keys), [
      ...outcomeLines(outcome.keys, output.columns),
      "",
      `${name}: ${restored} restored, ${skipped} there already, ${failed} failed`,
    ]);
    return failed > 0 ? exitCodes.partial : undefined;
  } finally {
    await memory.forget(key);
  }
}

function document(
  plan: RestorePlan,
  facts: Document,
  outcomes: Awaited<ReturnType<typeof runRestore>>["keys"] = [],
): Document {
  return {
    ...facts,
    keys: plan.keys.map((planned) =>
      plannedFacts(
        planned,
        outcomes.find((each) => each.planned === planned),
      ),
    ),
    files: fileFacts(plan),
  };
}
