import type { CborMap, MapFields } from "./cbor-map.ts";
import { isPointOf, vaultCurve } from "./curve-agreement.ts";
import { scryptProblem } from "./derived-key.ts";
import type { CardHints, FidoLeaf, Leaf, ScryptParameters } from "./leaf.ts";
import { publicKeyBytes } from "./leaf-fields.ts";
import { limits } from "./names.ts";
import { isLabel } from "./text.ts";

/**
 * A leaf as a CBOR map: 1 kind, 2 public key, 3 curve or exponent, 4 card hints, 5 FIDO2 credential, 6 salt of card-aes,
 * 7 scrypt. docs/vault-format.md has the table.
 */
export function leafMap(leaf: Leaf): CborMap {
  switch (leaf.kind) {
    case "card-ec":
      return { 1: leaf.kind, 2: leaf.point, 3: leaf.curve, 4: hintsMap(leaf.card) };
    case "card-rsa":
      return { 1: leaf.kind, 2: leaf.modulus, 3: leaf.exponent, 4: hintsMap(leaf.card) };
    case "card-aes":
      return { 1: leaf.kind, 2: leaf.publicKey, 4: hintsMap(leaf.card), 6: leaf.salt };
    case "fido2": {
      const { id, rpId, salt, aaguid, uv, credProtect, alg } = leaf.credential;
      return {
        1: leaf.kind,
        2: leaf.publicKey,
        5: { 1: id, 2: rpId, 3: salt, 4: aaguid, 5: uv, 6: credProtect, 7: alg },
      };
    }
    case "passphrase": {
      const { logN, r, p, salt } = leaf.scrypt;
      return { 1: leaf.kind, 2: leaf.publicKey, 7: { 1: logN, 2: r, 3: p, 4: salt } };
    }
    case "recovery":
      return { 1: leaf.kind, 2: leaf.publicKey };
  }
}

/** @throws HsmError `VAULT_HEADER_INVALID` (check-failed) */
export function readLeaf(fields: MapFields): Leaf {
  const leaf = leafOf(fields);
  fields.end();
  return leaf;
}

function leafOf(fields: MapFields): Leaf {
  const kind = fields.text(1);
  switch (kind) {
    case "card-ec": {
      const curve = vaultCurve(fields.text(3));
      if (curve === undefined) throw fields.invalid(3, "no curve of this format");
      const point = fields.bytes(2, 1 + 2 * curve.fieldBytes);
      if (!isPointOf(curve, point)) throw fields.invalid(2, `no point of ${curve.name}`);
      return { kind, curve: curve.name, point, card: readHints(fields) };
    }
    case "card-rsa": {
      const modulus = fields.bytes(2, limits.rsaBitsMin / 8, limits.rsaBitsMax / 8);
      const exponent = fields.bytes(3, 1, 8);
      if (!isOddNumber(modulus) || !isOddNumber(exponent)) throw fields.invalid(2, "no RSA key");
      return { kind, modulus, exponent, card: readHints(fields) };
    }
    case "card-aes":
      return { kind, publicKey: fields.bytes(2, 32), salt: fields.bytes(6, 16), card: readHints(fields) };
    case "fido2":
      return { kind, publicKey: fields.bytes(2, 32), credential: readCredential(fields.map(5, "credential")) };
    case "passphrase":
      return { kind, publicKey: fields.bytes(2, 32), scrypt: readScrypt(fields.map(7, "scrypt")) };
    case "recovery":
      return { kind, publicKey: fields.bytes(2, 32) };
    default:
      throw fields.invalid(1, "no kind of key that this version knows");
  }
}

/** Without leading zeros, and odd: what every modulus and exponent is. */
function isOddNumber(bytes: Uint8Array): boolean {
  return bytes[0] !== 0 && ((bytes.at(-1) ?? 0) & 1) === 1 && !(bytes.length === 1 && bytes[0] === 1);
}

function hintsMap(hints: CardHints): CborMap | undefined {
  const { serial, keyLabel, keyRef, ckaId, deviceKeyHash } = hints;
  const map = { 1: serial, 2: keyLabel, 3: keyRef, 4: ckaId, 5: deviceKeyHash };
  return Object.values(map).every((value) => value === undefined) ? undefined : map;
}

function readHints(fields: MapFields): CardHints {
  if (!fields.has(4)) return {};
  const map = fields.map(4, "hints");
  const hints: CardHints = {
    ...(map.has(1) && { serial: label(map, 1) }),
    ...(map.has(2) && { keyLabel: label(map, 2) }),
    ...(map.has(3) && { keyRef: map.integer(3, 0, 0xff) }),
    ...(map.has(4) && { ckaId: map.bytes(4, 1, 64) }),
    ...(map.has(5) && { deviceKeyHash: map.bytes(5, 16) }),
  };
  map.end();
  if (Object.keys(hints).length === 0) throw fields.invalid(4, "an empty map, which is left out");
  return hints;
}

function readCredential(map: MapFields): FidoLeaf["credential"] {
  const credential = {
    id: map.bytes(1, 1, limits.credentialIdBytes),
    rpId: label(map, 2),
    salt: map.bytes(3, 32),
    aaguid: map.bytes(4, 16),
    uv: map.boolean(5),
    credProtect: map.integer(6, 1, 3),
    alg: map.integer(7, -0xffff, 0xffff),
  };
  map.end();
  return credential;
}

function readScrypt(map: MapFields): ScryptParameters {
  const parameters = {
    logN: map.integer(1, 1, 63),
    r: map.integer(2, 1, 0xffff),
    p: map.integer(3, 1, 0xffff),
    salt: map.bytes(4, 16),
  };
  map.end();
  const problem = scryptProblem(parameters);
  if (problem !== null) throw map.invalid(1, problem);
  return parameters;
}

function label(map: MapFields, key: number): string {
  const text = map.text(key);
  if (!isLabel(text)) throw map.invalid(key, "not a printable text of this length");
  return text;
}

/** Two legs of one key are one leg. */
export function distinctKeys(legs: readonly Leaf[]): boolean {
  const keys = legs.map((leaf) => publicKeyBytes(leaf).join());
  return new Set(keys).size === keys.length;
}
