import { createHash } from "node:crypto";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { fileIds } from "../../cards/smartcard-hsm/file-ids.ts";
import { keyFrom } from "../../cards/smartcard-hsm/keys/key-list.ts";
import type { KeyMetadata } from "../../cards/smartcard-hsm/keys/key-metadata.ts";
import { keyNamed, keysNamed, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { decodeKeyDescription } from "../../cards/smartcard-hsm/pkcs15-key-description.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../errors.ts";
import type { KeyMemory, RememberedKey } from "./keys-memory.ts";

type Card = Pick<SmartCardHsm, "identity" | "listKeys" | "keyMetadata" | "readFile" | "channel">;

/**
 * The key that a label, an id or a key reference names, with what the card ties to it. Where the list of this token is
 * remembered and names one key, its two files are read and compared: when they are the same it is the same key. Else all
 * keys are listed anew. The remembered use counter is never used.
 * @throws HsmError `KEY_NOT_FOUND`, `KEY_AMBIGUOUS` (usage), with the candidates
 */
export async function findKey(card: Card, identifier: string, memory: KeyMemory): Promise<TokenKey> {
  const { key: token, serial } = await card.identity();
  const known = token === "" ? null : await memory.recall(token);
  const [entry, ...others] = known === null ? [] : keysNamed(known.map(named), identifier);
  if (entry !== undefined && others.length === 0) {
    const confirmed = await confirm(card, entry);
    if (confirmed !== null) {
      if (entry.metadata === undefined && known !== null) await memory.keep(token, known.map(withMetadata(confirmed)));
      return confirmed;
    }
  }
  const keys = await card.listKeys();
  const found = keyNamed(keys, identifier, serial || card.channel.where);
  const key = { ...found, metadata: await card.keyMetadata(found.ref) };
  if (token !== "") await memory.keep(token, keys.map(remembered).map(withMetadata(key)));
  return key;
}

/** What is kept of a key, so that it can be recognised. */
export function remembered(key: TokenKey): RememberedKey {
  return { ref: key.ref, label: key.label, id: toHex(key.id), digest: digestOf(key) };
}

function withMetadata(found: TokenKey): (entry: RememberedKey) => RememberedKey {
  return ({ ref, label, id, digest, ...rest }) => {
    if (ref !== found.ref) return { ref, label, id, digest, ...rest };
    // A card that counts uses is asked each time.
    if (found.metadata !== null && found.metadata.usesLeft !== null) return { ref, label, id, digest };
    const { metadata } = found;
    return {
      ref,
      label,
      id,
      digest,
      metadata: metadata === null ? null : { algorithms: metadata.algorithms, domain: metadata.domain },
    };
  };
}

type Named = Omit<RememberedKey, "id"> & { readonly id: Uint8Array };

function named(entry: RememberedKey): Named {
  try {
    return { ...entry, id: fromHex(entry.id) };
  } catch {
    return { ...entry, id: new Uint8Array(0) };
  }
}

/** The key as it is now, or `null` when it is not the remembered one. */
async function confirm(card: Card, entry: Named): Promise<TokenKey | null> {
  const descriptionBytes = await readOrNone(card, fileIds.keyDescription + entry.ref);
  // Without it the list is needed: a certificate alone may be left over from another key.
  if (descriptionBytes.length === 0) return null;
  const description = readable(descriptionBytes);
  if (description === null) return null;
  const certificateBytes =
    description.kind === "aes" ? new Uint8Array(0) : await readOrNone(card, fileIds.certificate + entry.ref);
  const key = keyFrom({ ref: entry.ref, description, descriptionBytes, certificateBytes, metadata: null });
  if (digestOf(key) !== entry.digest) return null;
  return { ...key, metadata: await metadataOf(card, entry) };
}

async function metadataOf(card: Card, { ref, metadata }: Named): Promise<KeyMetadata | null> {
  if (metadata === undefined) return card.keyMetadata(ref);
  return metadata === null ? null : { ...metadata, usesLeft: null };
}

function readable(bytes: Uint8Array): ReturnType<typeof decodeKeyDescription> | null {
  try {
    return decodeKeyDescription(bytes);
  } catch (error) {
    if (error instanceof HsmError) return null;
    throw error;
  }
}

async function readOrNone(card: Card, fid: number): Promise<Uint8Array> {
  try {
    return await card.readFile(fid);
  } catch (error) {
    if (error instanceof HsmError && error.code === "FILE_NOT_FOUND") return new Uint8Array(0);
    throw error;
  }
}

function digestOf({ descriptionBytes, certificateBytes }: TokenKey): string {
  const hash = createHash("sha256");
  for (const bytes of [descriptionBytes, certificateBytes]) {
    const length = bytes?.length ?? 0;
    hash.update(Uint8Array.of(length >> 8, length & 0xff));
    if (bytes !== null) hash.update(bytes);
  }
  return hash.digest("hex");
}
