import { toHex } from "../../bytes/hex.ts";
import { type Leaf, leavesOf, type Slot } from "../../crypto/vault/leaf.ts";
import { HsmError } from "../../errors.ts";
import { lockedVault } from "../../services/vault/locked-vault.ts";
import type { CommandContext } from "../context.ts";
import { openerWords, slotFacts } from "./vault-facts.ts";

/**
 * Nothing was named that may open the vault, and no device is touched unasked: which slots could, and the words to add for
 * each.
 */
export async function policyRefusal(context: CommandContext, path: string): Promise<HsmError> {
  const { header, target } = await lockedVault(path);
  const serials = await simulatedSerials(context);
  const lines = header.slots.map((slot) => `  slot ${slot.id}: ${openerWords(slot)}: add ${flagsOf(slot, serials)}`);
  return new HsmError(
    "DEVICE_POLICY",
    "device",
    `no device was contacted, and nothing else was given to open ${target}`,
    {
      advice: ["any one of these opens it:", ...lines, "or `--device auto` for whatever is attached"].join("\n"),
      details: { slots: header.slots.map(slotFacts) },
    },
  );
}

/** What to add to the command line for this slot: every device once, however many keys it holds. */
function flagsOf({ holder, label }: Slot, serials: ReadonlyMap<string, string>): string {
  const leaves = leavesOf(holder);
  const devices = new Set(leaves.flatMap((leaf) => deviceOf(leaf, label, serials) ?? []));
  const flags = devices.size === 0 ? [] : [`--device ${[...devices].join(",")}`];
  if (leaves.some(({ kind }) => kind === "passphrase")) flags.push("--passphrase prompt");
  if (leaves.some(({ kind }) => kind === "recovery")) flags.push("--recovery file:PATH");
  return flags.join(" ");
}

function deviceOf(leaf: Leaf, label: string, serials: ReadonlyMap<string, string>): string | undefined {
  switch (leaf.kind) {
    case "card-ec":
    case "card-rsa":
    case "card-aes": {
      const { serial } = leaf.card;
      return serial === undefined ? "auto" : (serials.get(serial) ?? serial);
    }
    case "fido2":
      // A simulated one goes by its name, which is the label unless somebody chose another.
      return /^sim-fido:[\w.-]+$/.test(label) ? label : `fido:${toHex(leaf.credential.aaguid).toLowerCase()}`;
    default:
      return undefined;
  }
}

/** Simulated tokens go by their names, not by their serials. */
async function simulatedSerials(context: CommandContext): Promise<ReadonlyMap<string, string>> {
  const { listSimulated } = await import("../devices/simulated-tokens.ts");
  const found = new Map<string, string>();
  for (const { name, serial } of await listSimulated(context)) if (serial !== null) found.set(serial, `sim:${name}`);
  return found;
}
