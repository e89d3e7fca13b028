import { clearKeyDomain, createKeyDomain, deleteKeyDomain, importDkekShare } from "../domain-commands.ts";
import { fileIds } from "../file-ids.ts";
import { listFiles, readFileIfThere } from "../files.ts";
import { readKeyDomain, readKeyDomains } from "../key-domains.ts";
import type { NewKeyDescription } from "../pkcs15-key-description.ts";
import type { Session } from "../session.ts";
import type { DkekState, TokenIdentity } from "../token-status.ts";
import { aesCmac, aesDecrypt, aesDerive, aesEncrypt } from "./aes.ts";
import { type DecryptScheme, decrypt } from "./decrypt.ts";
import { deleteKey, renameKey, writeKeyCertificate, writeKeyDescription } from "./describe.ts";
import { deriveEcdh } from "./ecdh.ts";
import { generateAesKey, generateKeyPair, type NewAesKey, type NewKeyPair } from "./generate.ts";
import { freeKeyReference, listKeys, readKey } from "./key-list.ts";
import { type KeyMetadata, selectKey } from "./key-metadata.ts";
import { parseKeyCertificate, type TokenPublicKey } from "./public-key.ts";
import { type SignScheme, sign } from "./sign.ts";
import { checkKeyReference, type KeyInUse, keyNamed, type TokenKey } from "./token-key.ts";
import { unwrapKey, wrapKey } from "./wrap.ts";

/**
 * What a SmartCard-HSM does with keys and key domains; `SmartCardHsm` is one of these. Everything that makes, changes,
 * deletes or uses a key needs a login, reading needs none.
 */
export abstract class KeyVerbs {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  abstract identity(): Promise<TokenIdentity>;

  // Keys

  /** All keys but the device's own. @param wanted `metadata`: one exchange more for each key */
  async listKeys(wanted: { readonly metadata?: boolean } = {}): Promise<TokenKey[]> {
    return listKeys(this.#session, { metadata: wanted.metadata ?? false });
  }

  /**
   * The key that a label, a CKA_ID in hex or a key reference names, with its metadata.
   * @throws HsmError `KEY_NOT_FOUND`, `KEY_AMBIGUOUS` (usage), which lists the candidates
   */
  async findKey(identifier: string): Promise<TokenKey> {
    const key = keyNamed(await this.listKeys(), identifier, this.#session.token);
    return { ...key, metadata: await this.keyMetadata(key.ref) };
  }

  /** One key by its reference, with its metadata: three exchanges. @throws HsmError `KEY_NOT_FOUND` (usage) */
  async readKey(ref: number): Promise<TokenKey> {
    return readKey(this.#session, ref);
  }

  /** Use counter, algorithm list and domain; `null` where the card does not tell them. */
  async keyMetadata(ref: number): Promise<KeyMetadata | null> {
    return this.#session.send(selectKey(checkKeyReference(ref)));
  }

  /**
   * The public half, from the request or certificate beside the key; `null` where there is none.
   * @throws HsmError `KEY_CERTIFICATE_INVALID` and others (check-failed) for one that cannot be read
   */
  async publicKey(ref: number): Promise<TokenPublicKey | null> {
    const bytes = await readFileIfThere(this.#session, fileIds.certificate + checkKeyReference(ref));
    return bytes.length === 0 ? null : parseKeyCertificate(bytes).publicKey;
  }

  /** The first key reference with neither key, description nor certificate. */
  async freeKeyReference(): Promise<number> {
    return freeKeyReference(await listFiles(this.#session), this.#session.token);
  }

  /** See {@link generateKeyPair}. RSA-4096 takes minutes on a card. */
  async generateKeyPair(wish: NewKeyPair): Promise<TokenKey> {
    const { serial } = await this.identity();
    // Country and name of a holder reference have 11 characters at most, which serials have.
    return generateKeyPair(this.#session, serial === "" ? "UTHSMADM" : serial.slice(0, 11), wish);
  }

  async generateAesKey(wish: NewAesKey): Promise<TokenKey> {
    return generateAesKey(this.#session, wish);
  }

  async writeKeyDescription(ref: number, description: NewKeyDescription | Uint8Array): Promise<void> {
    return writeKeyDescription(this.#session, ref, description);
  }

  /** Puts a certificate, or the request again, beside a key. */
  async writeKeyCertificate(ref: number, bytes: Uint8Array): Promise<void> {
    return writeKeyCertificate(this.#session, ref, bytes);
  }

  async renameKey(ref: number, label: string): Promise<void> {
    return renameKey(this.#session, ref, label);
  }

  async deleteKey(ref: number): Promise<void> {
    return deleteKey(this.#session, ref);
  }

  async sign(key: KeyInUse, scheme: SignScheme, input: Uint8Array): Promise<Uint8Array> {
    return sign(this.#session, key, scheme, input);
  }

  async decrypt(key: KeyInUse, scheme: DecryptScheme, ciphertext: Uint8Array): Promise<Uint8Array> {
    return decrypt(this.#session, key, scheme, ciphertext);
  }

  /** The shared secret with another public key, an uncompressed point of the same curve. */
  async deriveEcdh(key: KeyInUse, point: Uint8Array): Promise<Uint8Array> {
    return deriveEcdh(this.#session, key, point);
  }

  /** AES-CBC of whole blocks; without `iv` it is zeros. */
  async aesEncrypt(key: KeyInUse, plaintext: Uint8Array, iv?: Uint8Array): Promise<Uint8Array> {
    return aesEncrypt(this.#session, key, plaintext, iv);
  }

  async aesDecrypt(key: KeyInUse, ciphertext: Uint8Array, iv?: Uint8Array): Promise<Uint8Array> {
    return aesDecrypt(this.#session, key, ciphertext, iv);
  }

  async aesCmac(key: KeyInUse, message: Uint8Array): Promise<Uint8Array> {
    return aesCmac(this.#session, key, message);
  }

  async aesDerive(key: KeyInUse, input: Uint8Array): Promise<Uint8Array> {
    return aesDerive(this.#session, key, input);
  }

  /** The key encrypted under the DKEK of its domain: what a backup is made of. */
  async wrapKey(ref: number): Promise<Uint8Array> {
    return wrapKey(this.#session, ref);
  }

  /** Puts a wrapped key in a free place and returns its reference. Description and certificate are still to be written. */
  async unwrapKey(blob: Uint8Array, ref?: number): Promise<number> {
    return unwrapKey(this.#session, blob, ref);
  }

  // Key domains; 0 is the DKEK of a token without them

  /** All key domains; the DKEK alone on a token that has none. */
  async keyDomains(): Promise<readonly DkekState[]> {
    const { dkek, keyDomains } = await readKeyDomains(this.#session, "all");
    return keyDomains ?? [dkek];
  }

  /** One key domain: one exchange. */
  async keyDomain(domain: number): Promise<DkekState> {
    return readKeyDomain(this.#session, domain);
  }

  async importDkekShare(share: Uint8Array, domain = 0): Promise<DkekState> {
    return importDkekShare(this.#session, share, domain);
  }

  async createKeyDomain(domain: number, shares: number): Promise<DkekState> {
    return createKeyDomain(this.#session, domain, shares);
  }

  async deleteKeyDomain(domain: number): Promise<DkekState> {
    return deleteKeyDomain(this.#session, domain);
  }

  async clearKeyDomain(domain: number): Promise<DkekState> {
    return clearKeyDomain(this.#session, domain);
  }
}
