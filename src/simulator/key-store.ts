import { SW } from "../apdu/status-word.ts";
import { publicPointOf } from "../crypto/curves/ec-keys.ts";
import { type CvcPublicKey, ecdsaSha256Oid, rsaSha256Oid } from "../crypto/cvc/cvc.ts";
import { buildAuthenticatedRequest, buildCvc } from "../crypto/cvc/cvc-build.ts";
import { type Card, refuse } from "./card.ts";
import { keyDescription } from "./description.ts";
import { requireCurve, signPlain } from "./ec-signing.ts";
import { requireMemory, sizeOfKey } from "./memory.ts";
import { digestInfo, hashOf, rsaKeyOf, rsaPkcs1, rsaPublicKey } from "./rsa.ts";
import { buildCompactCvc } from "./self-made-request.ts";
import { prefix, type StoredKey } from "./token-state.ts";

/** A stored key with a public half. */
export type KeyPair = Exclude<StoredKey, { kind: "aes" }>;

/**
 * Puts the key in its place; a pico describes it too. Files that were there under its id stay.
 * @param request goes to CExx with it
 * @throws Refusal when there is no room
 */
export function storeKey(card: Card, id: number, key: StoredKey, request?: Uint8Array): void {
  requireMemory(card, sizeOfKey(key) + (request?.length ?? 0));
  if (request !== undefined) card.state.files.set(prefix.certificate * 256 + id, request);
  card.state.keys.set(id, key);
  if (card.profile.writesDescriptions) {
    card.state.files.set(prefix.description * 256 + id, keyDescription(id, key.kind, bitsOf(key)));
  }
  card.changed();
}

/** Length of the modulus, the field or the AES key. */
function bitsOf(key: StoredKey): number {
  switch (key.kind) {
    case "rsa":
      return rsaPublicKey(rsaKeyOf(key.pkcs8)).bits;
    case "ec":
      return 8 * requireCurve(key.curve).fieldBytes;
    case "aes":
      return 8 * key.value.length;
  }
}

/**
 * The authenticated request of a key: its public half and names signed by itself, and all of it by the device
 * (reference 04 section 4.3).
 */
export function keyRequest(
  card: Card,
  key: KeyPair,
  names: { readonly car: string; readonly chr: string },
): Uint8Array {
  const device = card.state.device ?? refuse(SW.conditionsNotSatisfied);
  const build = card.profile.name === "pico" ? buildCompactCvc : buildCvc;
  const { publicKey, sign } = publicHalf(card, key);
  const deviceCurve = requireCurve(device.curve);
  return buildAuthenticatedRequest(build({ ...names, publicKey }, sign), device.chr, (part) =>
    signPlain(deviceCurve, device.scalar, part, card.world),
  );
}

function publicHalf(card: Card, key: KeyPair): { publicKey: CvcPublicKey; sign: (message: Uint8Array) => Uint8Array } {
  if (key.kind === "ec") {
    const curve = requireCurve(key.curve);
    return {
      publicKey: { kind: "ec", oid: ecdsaSha256Oid, point: publicPointOf(curve, key.scalar), curve: curve.name },
      sign: (message) => signPlain(curve, key.scalar, message, card.world),
    };
  }
  const rsa = rsaKeyOf(key.pkcs8);
  const { modulus, exponent } = rsaPublicKey(rsa);
  return {
    publicKey: { kind: "rsa", oid: rsaSha256Oid, modulus, exponent },
    sign: (message) => rsaPkcs1(rsa, digestInfo("sha256", hashOf("sha256", message))),
  };
}
