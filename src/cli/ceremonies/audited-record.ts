import type { CeremonyRecord } from "../../services/ceremony/ceremony-chain.ts";
import { readCeremony } from "../../services/ceremony/ceremony-file.ts";
import { type CeremonySignature, checkClosing } from "../../services/ceremony/ceremony-signature.ts";
import { originWords, signerWords } from "../../services/ceremony/ceremony-words.ts";
import { pinnedRoots } from "../../services/identity/device-roots.ts";
import type { CommandContext } from "../context.ts";
import type { Document } from "../output.ts";
import { ceremonyMemory } from "./ceremony-recording.ts";

/** A record that holds. */
export interface AuditedRecord {
  readonly record: CeremonyRecord;
  /** `null`: it is open. */
  readonly signature: CeremonySignature | null;
}

/** @throws HsmError (check-failed) with a code for each way in which it does not hold */
export async function auditedRecord(context: CommandContext, path: string): Promise<AuditedRecord> {
  const record = await readCeremony(path, await ceremonyMemory(context.paths));
  const roots = await pinnedRoots(context.paths.roots);
  return { record, signature: record.closing === null ? null : checkClosing(record.closing, roots) };
}

/** `record` of the JSON documents of `audit`. */
export function recordFacts({ record, signature }: AuditedRecord): Document {
  const { opening, entries, head, closing } = record;
  return {
    id: opening.id,
    state: closing === null ? "open" : "closed",
    begun: opening.time,
    last: entries.at(-1)?.time ?? opening.time,
    commands: entries.filter(({ kind }) => kind === "command").length,
    head,
    closing: closing === null || signature === null ? null : closingFacts(closing, signature),
  };
}

function closingFacts(closing: NonNullable<CeremonyRecord["closing"]>, signature: CeremonySignature): Document {
  const { origin, fingerprint } = signature;
  return {
    time: closing.time,
    officer: closing.officer,
    token: closing.token,
    keyLabel: closing.key.label,
    scheme: closing.scheme,
    fingerprint,
    origin: origin.status,
    device: origin.status === "attested" ? origin.chr : null,
    root: origin.status === "attested" ? origin.root.name : null,
    simulated: origin.status === "attested" ? origin.root.kind === "simulated" : null,
  };
}

/** What holds a record together, for people. */
export function stateLines({ record, signature }: AuditedRecord): string[] {
  const { closing, head } = record;
  if (closing === null || signature === null) {
    return [`open: nothing closes it yet, and its end is only what this computer remembers`, `head ${head}`];
  }
  return [
    `closed at ${closing.time} by ${signerWords(closing)}`,
    `  public key SHA-256 ${signature.fingerprint}`,
    `  the key: ${originWords(signature)}`,
    `head ${head}`,
  ];
}
