import type { CardCommand } from "../../../apdu/card-command.ts";
import { SW } from "../../../apdu/status-word.ts";
import { isTransportFault } from "../../../apdu/transport-error.ts";
import { bitLength } from "../../../crypto/curves/integers.ts";
import { HsmError, messageOf } from "../../../errors.ts";
import { fileIds } from "../file-ids.ts";
import { listFiles, readFileIfThere, writeFile } from "../files.ts";
import { decodeKeyDescription, encodeKeyDescription, type KeyUsage } from "../pkcs15-key-description.ts";
import { refusal } from "../refusals.ts";
import type { Session } from "../session.ts";
import { deleteKey } from "./describe.ts";
import { freeKeyReference, keyFrom } from "./key-list.ts";
import {
  aesSizes,
  aesTemplate,
  defaultAesAlgorithms,
  type KeyLimits,
  type KeyPairType,
  keyPairTemplate,
  knownCurve,
} from "./key-template.ts";
import { bitsOfKey, parseKeyCertificate, type TokenPublicKey } from "./public-key.ts";
import { checkKeyReference, defaultKeyId, type TokenKey } from "./token-key.ts";

export interface NewKey extends KeyLimits {
  readonly label: string;
  /** CKA_ID; the key reference as one byte when absent. */
  readonly id?: Uint8Array | undefined;
  /** Key reference 1-255 that must be free; the first free one when absent. */
  readonly ref?: number | undefined;
}

export interface NewKeyPair extends NewKey {
  readonly type: KeyPairType;
  readonly usage?: readonly KeyUsage[] | undefined;
}

export interface NewAesKey extends NewKey {
  readonly bits: 128 | 192 | 256;
}

const minute = 60_000;
/** A card looks for primes at random; the sizes a person waits for are an order of magnitude apart. */
function patienceFor(type: KeyPairType): number {
  if (type.kind === "ec") return minute;
  return type.bits <= 1024
    ? 2 * minute
    : type.bits <= 2048
      ? 5 * minute
      : type.bits <= 3072
        ? 15 * minute
        : 30 * minute;
}

/**
 * GENERATE ASYMMETRIC KEY PAIR: the answer is the request that EF CExx is to hold.
 * @param extended `false` where only short answers come through: none is asked for then, and the card may have left the
 *   request in EF CExx
 */
export function generateKeyPairCommand(
  ref: number,
  template: Uint8Array,
  options: { readonly extended: boolean; readonly patienceMs: number; readonly token: string },
): CardCommand<Uint8Array> {
  const name = "GENERATE ASYMMETRIC KEY PAIR";
  return {
    name,
    apdu: {
      cla: 0x00,
      ins: 0x46,
      p1: ref,
      p2: 0x00,
      data: template,
      ...(options.extended ? { le: 65_536, extended: true } : {}),
    },
    patienceMs: options.patienceMs,
    parse({ data, sw }) {
      if (sw !== SW.ok) throw refusal(name, sw, options.token, `key ${ref}`);
      return data;
    },
  };
}

/** GENERATE SYMMETRIC KEY, for the three sizes of AES. */
export function generateAesKeyCommand(
  ref: number,
  bits: 128 | 192 | 256,
  data: Uint8Array,
  token: string,
): CardCommand<void> {
  const name = "GENERATE SYMMETRIC KEY";
  return {
    name,
    apdu: { cla: 0x80, ins: 0x48, p1: ref, p2: aesSizes[bits], data },
    patienceMs: minute,
    parse({ sw }) {
      if (sw !== SW.ok) throw refusal(name, sw, token, `key ${ref}`);
    },
  };
}

/**
 * Makes a key pair, keeps its request in EF CExx and describes it so that PKCS#11 programs find it: four exchanges for
 * an EC key, five for long RSA requests. Needs a login.
 * @throws HsmError `KEY_REFERENCE_TAKEN` (conflict) before anything is made: Pico HSM would overwrite the other key
 */
export async function generateKeyPair(session: Session, chrPrefix: string, wish: NewKeyPair): Promise<TokenKey> {
  const { type, usage } = wish;
  const bits = type.kind === "rsa" ? type.bits : bitLength(knownCurve(type.curve).p);
  // All that can be wrong with the wish is found before a key is made.
  const describe = (ref: number): Uint8Array =>
    encodeKeyDescription({
      kind: type.kind,
      label: wish.label,
      id: wish.id ?? defaultKeyId(ref),
      bits,
      keyReference: ref,
      usage,
    });
  describe(wish.ref ?? 1);
  keyPairTemplate(type, chrPrefix, wish);
  const ref = await placeFor(session, wish.ref);
  const template = keyPairTemplate(type, chrPrefix + String(ref).padStart(5, "0"), wish);
  const { extended, token } = session;
  const answer = await session.send(
    generateKeyPairCommand(ref, template, { extended, patienceMs: patienceFor(type), token }),
    "login",
  );
  return described(session, ref, async () => {
    const request = answer.length > 0 ? answer : await readFileIfThere(session, fileIds.certificate + ref);
    const { raw, publicKey } = parseKeyCertificate(request);
    checkMade(session, type, publicKey);
    if (answer.length > 0) await writeFile(session, fileIds.certificate + ref, raw);
    return { certificate: raw, description: describe(ref), limits: wish };
  });
}

/** Makes an AES key and describes it: three exchanges. Needs a login and a token of version 3 or later. */
export async function generateAesKey(session: Session, wish: NewAesKey): Promise<TokenKey> {
  const { bits } = wish;
  if (!Object.hasOwn(aesSizes, bits)) {
    throw new HsmError("KEY_TYPE_INVALID", "usage", `AES keys have 128, 192 or 256 bits, not ${bits}`);
  }
  const describe = (ref: number): Uint8Array =>
    encodeKeyDescription({ kind: "aes", label: wish.label, id: wish.id ?? defaultKeyId(ref), bits, keyReference: ref });
  describe(wish.ref ?? 1);
  const template = aesTemplate(wish);
  const ref = await placeFor(session, wish.ref);
  await session.send(generateAesKeyCommand(ref, bits, template, session.token), "login");
  const limits = { ...wish, algorithms: wish.algorithms ?? defaultAesAlgorithms };
  return described(session, ref, async () => ({ certificate: new Uint8Array(0), description: describe(ref), limits }));
}

/** A free key reference, looked up now: another program may have made a key since the last time. */
export async function placeFor(session: Session, wanted: number | undefined): Promise<number> {
  if (wanted !== undefined) checkKeyReference(wanted);
  const files = await listFiles(session);
  if (wanted === undefined) return freeKeyReference(files, session.token);
  if (!files.includes(fileIds.key + wanted)) return wanted;
  throw new HsmError("KEY_REFERENCE_TAKEN", "conflict", `${session.token} has a key with reference ${wanted} already`, {
    advice: "delete it first, or leave the choice to hsmadm",
    token: session.token,
  });
}

/** A key that was made but could not be described is taken away again; where that fails too, that is told. */
async function described(
  session: Session,
  ref: number,
  work: () => Promise<{ certificate: Uint8Array; description: Uint8Array; limits: KeyLimits }>,
): Promise<TokenKey> {
  try {
    const { certificate, description, limits } = await work();
    await writeFile(session, fileIds.keyDescription + ref, description);
    const { algorithms = null, useCounter = null, domain = null } = limits;
    return keyFrom({
      ref,
      description: decodeKeyDescription(description),
      descriptionBytes: description,
      certificateBytes: certificate,
      metadata: { algorithms, usesLeft: useCounter, domain },
    });
  } catch (error) {
    try {
      if (isTransportFault(error)) throw error;
      await deleteKey(session, ref);
    } catch {
      throw new HsmError(
        "KEY_NOT_DESCRIBED",
        "partial",
        `key ${ref} was made on ${session.token}, but not described: ${messageOf(error)}`,
        {
          advice: `\`hsmadm key rename ref:${ref} NAME\` describes it, \`hsmadm key delete ref:${ref}\` removes it`,
          token: session.token,
          details: { ref },
          cause: error,
        },
      );
    }
    throw error;
  }
}

function checkMade({ token }: Session, type: KeyPairType, key: TokenPublicKey): void {
  const same =
    type.kind === "rsa"
      ? key.kind === "rsa" && bitsOfKey(key) === type.bits
      : key.kind === "ec" && key.curve === type.curve;
  if (same) return;
  throw new HsmError("KEY_NOT_AS_ASKED", "check-failed", `${token} made another kind of key than was asked for`, {
    advice: "`hsmadm doctor` shows what the token answers; a report of it helps us",
    token,
  });
}
