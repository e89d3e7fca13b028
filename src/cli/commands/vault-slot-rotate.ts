import type { Leaf, Slot } from "../../crypto/vault/leaf.ts";
import { lockedVault } from "../../services/vault/locked-vault.ts";
import { vaultPolicy } from "../../services/vault/policy.ts";
import { slotNumbered } from "../../services/vault/vault-slots.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { Enroller } from "../vaults/enrol-slots.ts";
import { addedSlot, newPassphraseOnly } from "../vaults/new-slot.ts";
import { slotId } from "../vaults/slot-id.ts";
import { type LeafWish, parseSlotWish, type SlotWish } from "../vaults/slot-wish.ts";
import { namedDevices } from "../vaults/vault-devices.ts";
import { slotFacts, vaultFacts } from "../vaults/vault-facts.ts";
import { policyLines } from "../vaults/vault-lines.ts";
import { withVault } from "../vaults/vault-session.ts";

/** A new key, credential or phrase in the place of a slot's old one, in one generation. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const id = slotId(args.required("ID"));
  const { header } = await lockedVault(args.required("FILE"));
  const old = slotNumbered(header.slots, id);
  const text = args.text("slot");
  const wish = text === undefined ? sameKind(old) : parseSlotWish(text, namedDevices(context));
  // The passphrase of the slot may be what opens it: then the new one has an option of its own.
  const options = {
    write: !globals.dryRun,
    withoutPassphrase: newPassphraseOnly(context, wish) && old.holder.kind !== "one",
  };
  await withVault(context, options, async (session) => {
    const { vault, save } = session;
    if (globals.dryRun) {
      output.result({ vault: vaultFacts(vault), replaced: id, slot: null, dryRun: true }, [
        `would rotate slot ${id}; nothing was touched or written`,
      ]);
      return;
    }
    const others = vault.slots.filter((slot) => slot.id !== id || wish.kind === "one");
    const enroller = new Enroller(context, session.sources, others);
    const { fresh, recoveryOut } = await addedSlot(enroller, wish, args.text("label") ?? old.label, async (slot) => {
      const number = vault.rotateSlot(id, slot);
      const out = await enroller.recovery.handOver(vault.path);
      await save();
      return { fresh: number, recoveryOut: out };
    });
    const slot = vault.slots.find((each) => each.id === fresh);
    const policy = vaultPolicy(vault.slots);
    for (const { text: warning } of policy.warnings) output.warn(warning);
    output.warn(`copies of the file made before still open with the old slot ${id}`);
    output.result(
      {
        vault: vaultFacts(vault),
        replaced: id,
        slot: slot === undefined ? null : slotFacts(slot),
        policy,
        recoveryOut,
        dryRun: false,
      },
      [
        `slot ${fresh} takes the place of slot ${id} in ${vault.path}, generation ${vault.generation}`,
        ...policyLines(vault.slots),
        ...(recoveryOut === null ? [] : [`Recovery key: ${recoveryOut}; keep it away from this computer`]),
      ],
    );
  });
}

function sameKind({ id, holder }: Slot): SlotWish {
  if (holder.kind === "one") {
    const leaf = leafWish(holder.leaf);
    if (leaf !== undefined) return { kind: "one", leaf };
  }
  throw usage(
    "OPTION_MISSING",
    `--slot is missing: slot ${id} needs to be told its new key`,
    "give --slot card:KEY or as with `vault slot add`",
  );
}

/** A card has many keys: which is the new one has to be said. */
function leafWish({ kind }: Leaf): LeafWish | undefined {
  if (kind === "fido2") return { kind: "fido", device: undefined };
  return kind === "passphrase" || kind === "recovery" ? { kind } : undefined;
}
