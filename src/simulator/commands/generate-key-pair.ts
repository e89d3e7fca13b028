import { SW } from "../../apdu/status-word.ts";
import { asciiText, bigEndian } from "../../bytes/bytes.ts";
import { encodeTlv, findTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import { type Curve, curveByParameters, curveByPrime } from "../../crypto/curves.ts";
import { type CvcPublicKey, ecdsaSha256Oid, rsaSha256Oid } from "../../crypto/cvc.ts";
import { buildAuthenticatedRequest, buildCvc } from "../../crypto/cvc-build.ts";
import { privateScalar, publicPointOf } from "../../crypto/ec-keys.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse, requireCompleteDomains, requireLogin } from "../card.ts";
import { requireCurve, signPlain } from "../ec-signing.ts";
import { digestInfo, hashOf, rsaPkcs1, rsaPublicKey } from "../rsa.ts";
import { buildCompactCvc } from "../self-made-request.ts";
import { type DeviceIdentity, type KeyRules, prefix, type StoredKey } from "../token-state.ts";

const rsaSizes: readonly number[] = [1024, 1536, 2048, 3072, 4096];

/** A new key with everything that its request says. */
interface NewKey {
  readonly key: StoredKey;
  readonly publicKey: CvcPublicKey;
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Modulus or field size in bits. */
  readonly bits: number;
}

/**
 * GENERATE ASYMMETRIC KEY PAIR: makes key P1 and answers its authenticated request, which is stored in CExx too
 * (reference 02 section 2.11, 04 section 4.3).
 */
export const generateKeyPair: CommandHandler = async (card, command) => {
  requireLogin(card);
  requireCompleteDomains(card);
  const { state, profile } = card;
  const id = command.p1;
  const device = state.device ?? refuse(SW.conditionsNotSatisfied);
  if (id === 0) refuse(SW.wrongP1P2);
  if (profile.name === "genuine" && command.p2 !== 0) refuse(SW.wrongP1P2);
  const template = readTlvs(dataOf(command), "key generation template");
  const publicKey = readTlvs(required(card, template, 0x7f49), "public key template");
  const car = nameOf(card, template, 0x42, device);
  const chr = nameOf(card, template, 0x5f20, device);
  const rules = rulesOf(card, template);
  if (state.keys.has(id) && !profile.overwritesKeys) refuse(SW.fileExists);
  const made = await makeKey(card, publicKey, rules);
  const build = profile.name === "pico" ? buildCompactCvc : buildCvc;
  const request = build({ car, chr, publicKey: made.publicKey }, made.sign);
  const curve = requireCurve(device.curve);
  const answer = buildAuthenticatedRequest(request, device.chr, (part) =>
    signPlain(curve, device.scalar, part, card.world),
  );
  state.keys.set(id, made.key);
  state.files.set(prefix.certificate * 256 + id, answer);
  if (profile.writesDescriptions) state.files.set(prefix.description * 256 + id, description(id, made));
  card.changed();
  return ok(answer);
};

function makeKey(card: Card, template: readonly Tlv[], rules: KeyRules): NewKey | Promise<NewKey> {
  const prime = findTlv(template, 0x81)?.value;
  return prime === undefined ? makeRsaKey(card, template, rules) : makeEcKey(card, template, prime, rules);
}

async function makeRsaKey(card: Card, template: readonly Tlv[], rules: KeyRules): Promise<NewKey> {
  const size = required(card, template, 0x02);
  const bits = size.reduce((sum, byte) => sum * 256 + byte, 0);
  if (!rsaSizes.includes(bits)) refuse(SW.functionNotSupported);
  const exponent = findTlv(template, 0x82)?.value;
  if (exponent !== undefined && exponent.reduce((sum, byte) => sum * 256 + byte, 0) !== 65_537) {
    refuse(SW.functionNotSupported);
  }
  const key = await card.world.rsaKey(bits);
  const { modulus, exponent: e } = rsaPublicKey(key);
  const pkcs8 = new Uint8Array(key.export({ format: "der", type: "pkcs8" }));
  return {
    key: { kind: "rsa", pkcs8, rules },
    publicKey: { kind: "rsa", oid: rsaSha256Oid, modulus, exponent: e },
    sign: (message) => rsaPkcs1(key, digestInfo("sha256", hashOf("sha256", message))),
    bits,
  };
}

function makeEcKey(card: Card, template: readonly Tlv[], prime: Uint8Array, rules: KeyRules): NewKey {
  const curve = curveOf(card, template, prime) ?? refuse(SW.functionNotSupported);
  const scalar = privateScalar(curve, card.world.random);
  const point = publicPointOf(curve, scalar);
  return {
    key: { kind: "ec", curve: curve.name, scalar, rules },
    publicKey: { kind: "ec", oid: ecdsaSha256Oid, point, curve: curve.name },
    sign: (message) => signPlain(curve, scalar, message, card.world),
    bits: 8 * curve.fieldBytes,
  };
}

/** A pico looks at the prime alone. */
function curveOf(card: Card, template: readonly Tlv[], prime: Uint8Array): Curve | undefined {
  if (card.profile.name === "pico") return curveByPrime(prime);
  const [a, b, g, n] = [0x82, 0x83, 0x84, 0x85].map((tag) => required(card, template, tag));
  if (a === undefined || b === undefined || g === undefined || n === undefined) return undefined;
  return curveByParameters({ p: prime, a, b, g, n });
}

/** Tags 90, 91, 92 (reference 03 section 3.9). */
function rulesOf(card: Card, template: readonly Tlv[]): KeyRules {
  const { malformed } = card.profile.sw;
  const counter = findTlv(template, 0x90)?.value;
  const algorithms = findTlv(template, 0x91)?.value ?? new Uint8Array(0);
  const domain = findTlv(template, 0x92)?.value ?? Uint8Array.of(0);
  if ((counter !== undefined && counter.length !== 4) || algorithms.length > 16 || domain.length !== 1)
    refuse(malformed);
  const uses = counter?.reduce((sum, byte) => sum * 256 + byte, 0);
  const index = domain[0] as number;
  if (index > 0 && (card.state.keyDomains[index] ?? null) === null) refuse(SW.referencedDataNotFound);
  return { usesLeft: uses === 0xffff_ffff ? undefined : uses, algorithms: algorithms.slice(), domain: index };
}

function required(card: Card, objects: readonly Tlv[], tag: number): Uint8Array {
  return findTlv(objects, tag)?.value ?? refuse(card.profile.sw.malformed);
}

/** CAR and CHR as the host gave them; a pico puts its own name where there is none. */
function nameOf(card: Card, template: readonly Tlv[], tag: number, device: DeviceIdentity): string {
  const value = findTlv(template, tag)?.value;
  if (value === undefined) return card.profile.name === "pico" ? device.chr : refuse(card.profile.sw.malformed);
  const name = asciiText(value);
  if (name === null || name.length === 0 || name.length > 16) return refuse(card.profile.sw.malformed);
  return name;
}

/** What a pico writes to C4xx: no label, the key id in ASCII digits as ID (reference 03 section 3.4). */
function description(id: number, { key, bits }: NewKey): Uint8Array {
  const digits = Uint8Array.from(String(id), (digit) => digit.charCodeAt(0));
  const usage = key.kind === "rsa" ? Uint8Array.of(0x02, 0x74) : Uint8Array.of(0x07, 0x20, 0x80);
  const size = encodeTlv(0x30, encodeTlv(0x30, encodeTlv(0x04)), encodeTlv(0x02, bigEndian(bits, 2)));
  return encodeTlv(
    key.kind === "rsa" ? 0x30 : 0xa0,
    encodeTlv(0x30, encodeTlv(0x0c)),
    encodeTlv(0x30, encodeTlv(0x04, digits), encodeTlv(0x03, usage)),
    encodeTlv(0xa1, size),
  );
}
