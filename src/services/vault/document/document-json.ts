import { equal, utf8Text } from "../../../bytes/bytes.ts";
import { fromHex, toHex } from "../../../bytes/hex.ts";
import { HsmError, messageOf } from "../../../errors.ts";
import { base64Length, readBase64, writeBase64 } from "./base64-bytes.ts";
import { type JsonNode, readJsonBytes, space, textOf } from "./json-bytes.ts";
import {
  documentInvalid,
  documentLimits,
  isNote,
  isSecretName,
  isVaultDate,
  type RetiredSeed,
  type SecretType,
  type VaultDocument,
  type VaultSecret,
  wipeDocument,
} from "./vault-document.ts";

/**
 * The payload: JSON for whoever has the recovery key, `age` and `jq`, in one canonical form. Fields stand in the order of
 * their names, there is no white space but the padding at the end, bytes are standard base64.
 */
const version = 1;

/**
 * The document as bytes, padded.
 * @throws HsmError `VAULT_TOO_LARGE` (refused)
 */
export function encodeDocument(document: VaultDocument): Uint8Array {
  const parts = documentParts(document);
  const length = parts.reduce((sum, part) => sum + (typeof part === "string" ? part.length : size(part)), 0);
  const padded = Math.ceil(length / documentLimits.padding) * documentLimits.padding;
  if (padded > documentLimits.payload) {
    throw new HsmError(
      "VAULT_TOO_LARGE",
      "refused",
      "the secrets do not fit into one vault: its payload ends at 4 MiB",
      {
        advice: "keep large things in files of their own with `hsmadm vault seal`",
      },
    );
  }
  const bytes = new Uint8Array(padded).fill(space);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "string") for (let i = 0; i < part.length; i++) bytes[at++] = part.charCodeAt(i);
    else at = writeBase64(part, bytes, at);
  }
  return bytes;
}

/** ASCII as text, and byte strings that are to be written as base64. */
type Part = string | Uint8Array;

function size(secret: Uint8Array): number {
  return base64Length(secret.length);
}

function documentParts(document: VaultDocument): Part[] {
  const secrets = [...document.secrets].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    `{"created":${quoted(document.created)},"gen":${document.generation},"hsmadm_vault":${version}`,
    `,"id":${quoted(document.id)},"prev":${document.previous === null ? "null" : quoted(toHex(document.previous).toLowerCase())}`,
    `,"retired":[`,
    ...joined(document.retired.map(retiredParts)),
    `],"secrets":{`,
    ...joined(secrets.map(([name, secret]) => [`${quoted(name)}:`, ...secretParts(secret)])),
    `},"seed":"`,
    document.seed,
    `","updated":${quoted(document.updated)}}`,
  ];
}

function retiredParts({ id, retired, seed }: RetiredSeed): Part[] {
  return [`{"id":${quoted(id)},"retired":${quoted(retired)},"seed":"`, seed, `"}`];
}

function secretParts({ created, note, revision, type, updated, value }: VaultSecret): Part[] {
  const noted = note === undefined ? "" : `,"note":${quoted(note)}`;
  return [
    `{"created":${quoted(created)}${noted},"rev":${revision},"type":"${type}","updated":${quoted(updated)},"value":"`,
    value,
    `"}`,
  ];
}

function joined(items: readonly Part[][]): Part[] {
  return items.flatMap((parts, i) => (i === 0 ? parts : [",", ...parts]));
}

/** JSON's own quotes, everything beyond ASCII escaped: so a part has as many bytes as characters. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * Reads a payload that was authenticated. Only the very form that {@link encodeDocument} writes is taken: two readers
 * must not see different secrets in one file. That the id belongs to the seed is the caller's to check.
 * @throws HsmError `VAULT_DOCUMENT_INVALID` (check-failed), `VAULT_VERSION` (not-supported)
 */
export function parseDocument(bytes: Uint8Array): VaultDocument {
  const document = readDocument(bytes);
  const again = encodeDocument(document);
  const canonical = equal(again, bytes);
  again.fill(0);
  if (canonical) return document;
  wipeDocument(document);
  throw documentInvalid("it is not in its canonical form");
}

function readDocument(bytes: Uint8Array): VaultDocument {
  if (bytes.length > documentLimits.payload) throw documentInvalid("it is larger than 4 MiB");
  let root: JsonNode;
  try {
    root = readJsonBytes(bytes);
  } catch (cause) {
    throw documentInvalid(messageOf(cause));
  }
  const fields = record(root, "the payload");
  const found = fields.get("hsmadm_vault");
  if (found?.type !== "number") throw documentInvalid("it does not say that it is a vault of hsmadm");
  if (found.value !== version) {
    throw new HsmError("VAULT_VERSION", "not-supported", `a vault of version ${found.value}; only 1 is known`, {
      advice: "a newer hsmadm may know it",
    });
  }
  const previous = fields.get("prev");
  return {
    id: text(fields.get("id"), "id"),
    generation: count(fields.get("gen"), "gen"),
    previous: previous?.type === "null" ? null : digest(text(previous, "prev")),
    created: date(fields.get("created"), "created"),
    updated: date(fields.get("updated"), "updated"),
    seed: seed(fields.get("seed"), "seed"),
    secrets: readSecrets(record(fields.get("secrets"), "secrets")),
    retired: readRetired(fields.get("retired")),
  };
}

function readSecrets(fields: ReadonlyMap<string, JsonNode>): Map<string, VaultSecret> {
  if (fields.size > documentLimits.secrets) throw documentInvalid("too many secrets");
  return new Map(
    [...fields].map(([name, node]) => {
      if (!isSecretName(name)) throw documentInvalid("a secret's name is not in the grammar");
      return [name, readSecret(record(node, "a secret"))];
    }),
  );
}

function readSecret(fields: ReadonlyMap<string, JsonNode>): VaultSecret {
  const type = text(fields.get("type"), "type");
  if (!isSecretType(type)) throw documentInvalid("a secret is neither raw nor text");
  const value = base64(fields.get("value"), "value");
  if (type === "text" && utf8Text(value) === null) throw documentInvalid("a text is not UTF-8");
  const note = fields.has("note") ? text(fields.get("note"), "note") : undefined;
  if (note !== undefined && !isNote(note)) throw documentInvalid("a note is too long or not printable");
  return {
    type,
    value,
    revision: count(fields.get("rev"), "rev"),
    created: date(fields.get("created"), "created"),
    updated: date(fields.get("updated"), "updated"),
    ...(note === undefined ? {} : { note }),
  };
}

function isSecretType(type: string): type is SecretType {
  return type === "raw" || type === "text";
}

function readRetired(node: JsonNode | undefined): RetiredSeed[] {
  if (node?.type !== "list" || node.items.length > documentLimits.retired) throw documentInvalid("retired is no list");
  return node.items.map((item) => {
    const fields = record(item, "a retired seed");
    return {
      id: text(fields.get("id"), "id"),
      seed: seed(fields.get("seed"), "a retired seed"),
      retired: date(fields.get("retired"), "retired"),
    };
  });
}

function record(node: JsonNode | undefined, what: string): ReadonlyMap<string, JsonNode> {
  if (node?.type !== "object") throw documentInvalid(`${what} is no object`);
  return node.fields;
}

function text(node: JsonNode | undefined, what: string): string {
  const value = node?.type === "string" ? textOf(node.raw) : null;
  if (value === null) throw documentInvalid(`${what} is no text`);
  return value;
}

function date(node: JsonNode | undefined, what: string): string {
  const value = text(node, what);
  if (!isVaultDate(value)) throw documentInvalid(`${what} is no date`);
  return value;
}

function count(node: JsonNode | undefined, what: string): number {
  if (node?.type !== "number" || node.value < 1 || node.value > 0xffff_ffff)
    throw documentInvalid(`${what} is no count`);
  return node.value;
}

function seed(node: JsonNode | undefined, what: string): Uint8Array {
  const value = base64(node, what);
  if (value.length !== 32) throw documentInvalid(`${what} has not 32 bytes`);
  return value;
}

function digest(value: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(value)) throw documentInvalid("prev is no SHA-256");
  return fromHex(value);
}

function base64(node: JsonNode | undefined, what: string): Uint8Array {
  const value = node?.type === "string" ? readBase64(node.raw) : null;
  if (value === null) throw documentInvalid(`${what} is no base64`);
  return value;
}
