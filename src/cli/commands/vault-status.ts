import { formatX25519Recipient } from "../../crypto/age/x25519.ts";
import { lockedVault } from "../../services/vault/locked-vault.ts";
import { vaultPolicy } from "../../services/vault/policy.ts";
import type { CommandContext } from "../context.ts";
import type { Document } from "../output.ts";
import { slotFacts } from "../vaults/vault-facts.ts";
import { policyLines } from "../vaults/vault-lines.ts";

/** What anybody sees of a vault. Nothing of it is verified before a slot has opened, and this says so. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, output } = context;
  const { header, target, image } = await lockedVault(args.required("FILE"));
  const { slots, vaultId, generation } = header;
  const policy = vaultPolicy(slots);
  const document: Document = {
    vault: { file: target, id: vaultId, generation },
    bytes: image.bytes.length,
    verified: false,
    fileRecipient: formatX25519Recipient(header.fileRecipient),
    slots: slots.map(slotFacts),
    policy,
  };
  const lines = [
    `${target}: vault ${vaultId}, generation ${generation} (as the file says; verified when it is opened)`,
    ...policyLines(slots),
    ...policy.warnings.map(({ text }) => `note: ${text}`),
  ];
  if (!args.flag("probe")) {
    output.result({ ...document, probe: null }, lines);
    return undefined;
  }
  const { probe } = await import("../vaults/vault-probe.ts");
  const { facts, words, opens } = await probe(context, slots);
  output.result({ ...document, probe: facts }, [...lines, "", ...words]);
  return opens ? undefined : 3;
}
