import { utf8Text } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import {
  checkSecretName,
  documentLimits,
  isNote,
  type SecretType,
  type VaultDocument,
  type VaultSecret,
} from "./document/vault-document.ts";

/** The secrets a vault holds, and changes to them, each judged before it is made. */

export interface NewSecret {
  readonly value: Uint8Array;
  /** `raw` unless told otherwise. */
  readonly type?: SecretType | undefined;
  /** Kept as it is when absent, taken away when empty. */
  readonly note?: string | undefined;
}

/** A secret without its value. */
export interface SecretFacts {
  readonly name: string;
  readonly type: SecretType;
  /** Bytes of the value. */
  readonly length: number;
  readonly revision: number;
  readonly created: string;
  readonly updated: string;
  readonly note?: string;
}

/** In the order of their names. */
export function secretFacts({ secrets }: VaultDocument): SecretFacts[] {
  const facts = [...secrets].map(([name, { value, ...rest }]) => ({ name, length: value.length, ...rest }));
  return facts.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The document with a secret more, or another value of one, whose old value is wiped. The new one is copied.
 * @throws HsmError `VAULT_NAME_INVALID`, `VAULT_SECRET_INVALID` (usage)
 */
export function withSecret(document: VaultDocument, name: string, secret: NewSecret, now: string): VaultDocument {
  const before = document.secrets.get(name);
  const after = secretAfter(before, name, secret, now);
  before?.value.fill(0);
  return { ...document, secrets: new Map([...document.secrets, [name, after]]) };
}

/** The document without a secret, which is wiped. @throws HsmError `VAULT_SECRET_UNKNOWN` (usage) */
export function withoutSecret(document: VaultDocument, name: string): VaultDocument {
  secretNamed(document, name).value.fill(0);
  return { ...document, secrets: new Map([...document.secrets].filter(([each]) => each !== name)) };
}

function secretAfter(
  before: VaultSecret | undefined,
  name: string,
  { value, type = "raw", note }: NewSecret,
  now: string,
): VaultSecret {
  checkSecretName(name);
  if (type === "text" && utf8Text(value) === null) throw secretInvalid("a secret of type text is not UTF-8");
  if (note !== undefined && !isNote(note))
    throw secretInvalid(`a note has at most ${documentLimits.note} printable characters`);
  const kept = note ?? before?.note;
  return {
    type,
    value: value.slice(),
    revision: (before?.revision ?? 0) + 1,
    created: before?.created ?? now,
    updated: now,
    ...(kept === undefined || kept === "" ? {} : { note: kept }),
  };
}

function secretInvalid(problem: string): HsmError {
  return new HsmError("VAULT_SECRET_INVALID", "usage", problem);
}

/** @throws HsmError `VAULT_SECRET_UNKNOWN` (usage) */
export function secretNamed(document: VaultDocument, name: string): VaultSecret {
  const secret = document.secrets.get(name);
  if (secret !== undefined) return secret;
  checkSecretName(name);
  throw new HsmError("VAULT_SECRET_UNKNOWN", "usage", `the vault has no secret ${name}`, {
    advice: "`hsmadm vault list` names them",
  });
}
