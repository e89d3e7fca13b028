import { refuseTaken, vaultTarget } from "../../services/vault/file/vault-store.ts";
import { closeEnrolments, type EnrolledSlot, provenSlot } from "../../services/vault/openers/proven-slot.ts";
import { vaultPolicy } from "../../services/vault/policy.ts";
import { createVault } from "../../services/vault/vault.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { Enroller } from "../vaults/enrol-slots.ts";
import { parseAllOf, parseSlotWish, parseThreshold, type SlotWish } from "../vaults/slot-wish.ts";
import { namedDevices } from "../vaults/vault-devices.ts";
import { slotFacts, vaultFacts } from "../vaults/vault-facts.ts";
import { policyLines } from "../vaults/vault-lines.ts";
import { pinOptions } from "../vaults/vault-session.ts";
import { withSources } from "../vaults/vault-sources.ts";

/** Makes a vault. Every slot has opened it before the file is there. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const path = args.required("FILE");
  const wishes = readWishes(context);
  const labels = args.texts("label");
  if (labels.length > wishes.length) throw usage("OPTION_VALUE", "there are more --label than slots");
  await refuseTaken(await vaultTarget(path));
  await withSources(context, { withoutPassphrase: true }, async (sources) => {
    const enroller = new Enroller(context, sources, []);
    if (wishes.some((wish) => leavesIn(wish).some(({ kind }) => kind === "recovery"))) await enroller.recovery.ready();
    if (globals.dryRun) {
      output.result({ dryRun: true, file: path, slots: wishes.length }, [
        `would make ${path} with ${wishes.length} slots; nothing was touched or written`,
      ]);
      return;
    }
    const enrolled: EnrolledSlot[] = [];
    try {
      for (const [i, wish] of wishes.entries()) {
        const alike = wishes.slice(i).filter((other) => JSON.stringify(other) === JSON.stringify(wish)).length;
        enrolled.push(await enroller.enrol(wish, labels[i], alike));
      }
      const slots = [];
      for (const slot of enrolled) slots.push(await provenSlot(slot));
      const recoveryOut = await enroller.recovery.handOver(path);
      const { state, now } = await pinOptions(context);
      const vault = await createVault(path, slots, { state, now });
      try {
        for (const note of vault.notes) output.warn(note);
        const policy = vaultPolicy(vault.slots);
        for (const { text } of policy.warnings) output.warn(text);
        output.result(
          { vault: vaultFacts(vault), slots: vault.slots.map(slotFacts), policy, recoveryOut, dryRun: false },
          [
            `${path}: vault ${vault.id}`,
            ...policyLines(vault.slots),
            ...(recoveryOut === null ? [] : [`Recovery key: ${recoveryOut}; keep it away from this computer`]),
            "Note the id: on another computer it tells this vault from another one.",
          ],
        );
      } finally {
        await vault.close();
      }
    } finally {
      await closeEnrolments(enrolled);
    }
  });
}

/** Slots in the order of `--slot`, `--all-of`, `--threshold`; a recovery key last, unless there is one or none is wanted. */
function readWishes(context: CommandContext): SlotWish[] {
  const { args } = context;
  const devices = namedDevices(context);
  const wishes = [
    ...args.texts("slot").map((text) => parseSlotWish(text, devices)),
    ...args.texts("all-of").map((text) => parseAllOf(text, devices)),
    ...args.texts("threshold").map((text) => parseThreshold(text, devices)),
  ];
  if (wishes.length === 0) {
    throw usage(
      "OPTION_MISSING",
      "--slot is missing: something has to open the vault",
      "give --slot card:KEY, fido, passphrase or recovery",
    );
  }
  const recovery = wishes.some((wish) => wish.kind === "one" && wish.leaf.kind === "recovery");
  if (!recovery && !args.flag("no-recovery")) wishes.push({ kind: "one", leaf: { kind: "recovery" } });
  if (recovery && args.flag("no-recovery")) {
    throw usage("OPTIONS_CONFLICT", "--slot recovery and --no-recovery contradict each other", "give one of them");
  }
  return wishes;
}

function leavesIn(wish: SlotWish) {
  return wish.kind === "one" ? [wish.leaf] : wish.legs;
}
