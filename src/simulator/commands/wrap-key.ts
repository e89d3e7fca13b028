import { SW } from "../../apdu/status-word.ts";
import { equal } from "../../bytes/bytes.ts";
import { openKeyBlob, parseKeyBlob, sealKeyBlob } from "../../crypto/keys/key-blob.ts";
import { deriveDkekKeys, keyCheckValue } from "../../crypto/shares/dkek.ts";
import { HsmError } from "../../errors.ts";
import { type Card, type CommandHandler, dataOf, ok, Refusal, refuse, requireLogin } from "../card.ts";
import { domainAt, requireRoomFor } from "../key-rules.ts";
import { keyRequest, storeKey } from "../key-store.ts";
import { permittedKey } from "../key-use.ts";
import { fid, type KeyDomain, prefix, type StoredKey } from "../token-state.ts";
import { blobStyles, plainKeyOf, storedKeyOf } from "../wrapped-key.ts";

const wrapAlgorithm = 0x92;
const unwrapAlgorithm = 0x93;

/** WRAP KEY: key P1 as a blob under the key of its domain. It costs no use (reference 02 section 2.17, 05 section 5.4). */
export const wrapKey: CommandHandler = (card, command) => {
  if (command.p2 !== wrapAlgorithm) refuse(SW.wrongP1P2);
  const key = permittedKey(card, command.p1, wrapAlgorithm);
  const domain = domainAt(card, key.rules.domain);
  // Whoever does not know a key kind looks into its description, and refuses without one.
  if (card.profile.writesDescriptions && !card.state.files.has(prefix.description * 256 + command.p1)) {
    refuse(SW.fileNotFound);
  }
  if (domain === null) return refuse(SW.referencedDataNotFound);
  if (domain.outstanding > 0) refuse(card.profile.sw.domainPending);
  return ok(
    sealKeyBlob(plainKeyOf(key), deriveDkekKeys(domain.key), {
      allowedAlgorithms: key.rules.algorithms,
      style: blobStyles[card.profile.name],
      random: card.world.random,
    }),
  );
};

/** UNWRAP KEY: the blob in the data, or without data the one in EF 2F10, becomes key P1 of the domain it fits. */
export const unwrapKey: CommandHandler = (card, command) => {
  if (command.p2 !== unwrapAlgorithm) refuse(SW.wrongP1P2);
  requireLogin(card);
  const given = dataOf(command);
  const blob = given.length > 0 ? given : (card.state.files.get(fid.scratch) ?? refuse(SW.fileNotFound));
  requireRoomFor(card, command.p1);
  const key = unwrapped(card, blob);
  storeKey(card, command.p1, key, requestOf(card, key));
  // Used up: a shorter blob written over it later must not keep its tail.
  if (given.length === 0) card.state.files.delete(fid.scratch);
  return ok();
};

/** A pico makes a request for what it takes in, under its own name. */
function requestOf(card: Card, key: StoredKey): Uint8Array | undefined {
  if (!card.profile.writesDescriptions || key.kind === "aes") return undefined;
  const name = card.state.device?.chr ?? "";
  return keyRequest(card, key, { car: name, chr: name });
}

function unwrapped(card: Card, bytes: Uint8Array): StoredKey {
  try {
    const blob = parseKeyBlob(bytes);
    const { index, domain } = domainFor(card, blob.kcv);
    const key = openKeyBlob(blob, deriveDkekKeys(domain.key));
    return storedKeyOf(key, { usesLeft: undefined, algorithms: blob.allowedAlgorithms.slice(), domain: index });
  } catch (error) {
    if (error instanceof Refusal) throw error;
    return refuse(statusOf(card, error));
  }
}

/** Of what `crypto/`, or OpenSSL, said of the blob. */
function statusOf(card: Card, error: unknown): number {
  const code = error instanceof HsmError ? error.code : "";
  if (code === "CURVE_UNKNOWN") return card.profile.sw.unknownCurve;
  // What was made under another DKEK and what was damaged cannot be told apart.
  return card.profile.sw.malformedBlob;
}

/** The domain with this check value. */
function domainFor(card: Card, kcv: Uint8Array): { index: number; domain: KeyDomain } {
  const { keyDomains } = card.state;
  for (const [index, domain] of keyDomains.entries()) {
    if (domain === null || domain.outstanding > 0) continue;
    if (equal(kcv, keyCheckValue(domain.key))) return { index, domain };
  }
  if (card.profile.name === "genuine") {
    if (keyDomains.every((domain) => domain === null)) refuse(SW.referencedDataNotFound);
    if (keyDomains.some((domain) => domain !== null && domain.outstanding > 0)) refuse(card.profile.sw.domainPending);
  }
  return refuse(card.profile.sw.malformedBlob);
}
