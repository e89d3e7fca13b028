import type { OpenVault } from "../../services/vault/open-vault.ts";
import type { Document } from "../output.ts";
import { vaultFacts } from "./vault-facts.ts";

/** What opened the vault, and how sure its id is. */
export function openedFacts(vault: OpenVault): Document {
  const { slot, sources } = vault.openedBy;
  return {
    vault: vaultFacts(vault),
    slot: slot.id,
    by: sources.map(({ title }) => title),
    trust: vault.outcome.trust,
    rolledBack: vault.outcome.rolledBack,
    created: vault.created,
    updated: vault.updated,
    secrets: vault.list().length,
    fileRecipient: vault.fileRecipient,
    retired: vault.retired,
  };
}

const trustWords = {
  "first-met": "never seen here before",
  remembered: "as this computer knew it",
  expected: "as expected",
  anchored: "as the card knew it",
  unknown: "nothing to compare it with",
} as const;

export function openedLines(vault: OpenVault): string[] {
  const { slot, sources } = vault.openedBy;
  const secrets = vault.list().length;
  return [
    `${vault.path} opens with slot ${slot.id}, ${sources.map(({ title }) => title).join(" and ")}`,
    `vault ${vault.id}, generation ${vault.generation}: ${trustWords[vault.outcome.trust]}`,
    `${secrets} ${secrets === 1 ? "secret" : "secrets"}, last written ${vault.updated}`,
    `recipient of sealed files: ${vault.fileRecipient}`,
    ...vault.retired.map(({ id, retired }) => `retired: ${id}, since ${retired}`),
  ];
}
