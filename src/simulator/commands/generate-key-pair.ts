import { SW } from "../../apdu/status-word.ts";
import { asciiText } from "../../bytes/bytes.ts";
import { findTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import { type Curve, curveByParameters, curveByPrime } from "../../crypto/curves/curves.ts";
import { privateScalar } from "../../crypto/curves/ec-keys.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse, requireLogin } from "../card.ts";
import { readRules, requireRoomFor } from "../key-rules.ts";
import { type KeyPair, keyRequest, storeKey } from "../key-store.ts";
import { rsaSizes } from "../rsa.ts";
import type { DeviceIdentity, KeyRules } from "../token-state.ts";

/**
 * GENERATE ASYMMETRIC KEY PAIR: makes key P1 and answers its authenticated request, which is stored in CExx too
 * (reference 02 section 2.11, 04 section 4.3).
 */
export const generateKeyPair: CommandHandler = async (card, command) => {
  requireLogin(card);
  const { state, profile } = card;
  const id = command.p1;
  const device = state.device ?? refuse(SW.conditionsNotSatisfied);
  if (profile.name === "genuine" && command.p2 !== 0) refuse(SW.wrongP1P2);
  const template = readTlvs(dataOf(command), "key generation template");
  const publicKey = readTlvs(required(card, template, 0x7f49), "public key template");
  const car = nameOf(card, template, 0x42, device);
  const chr = nameOf(card, template, 0x5f20, device);
  const rules = readRules(card, template);
  requireRoomFor(card, id);
  const key = await makeKey(card, publicKey, rules);
  const answer = keyRequest(card, key, { car, chr });
  storeKey(card, id, key, answer);
  return ok(answer);
};

function makeKey(card: Card, template: readonly Tlv[], rules: KeyRules): KeyPair | Promise<KeyPair> {
  const prime = findTlv(template, 0x81)?.value;
  return prime === undefined ? makeRsaKey(card, template, rules) : makeEcKey(card, template, prime, rules);
}

async function makeRsaKey(card: Card, template: readonly Tlv[], rules: KeyRules): Promise<KeyPair> {
  const size = required(card, template, 0x02);
  const bits = size.reduce((sum, byte) => sum * 256 + byte, 0);
  if (!rsaSizes.includes(bits)) refuse(SW.functionNotSupported);
  const exponent = findTlv(template, 0x82)?.value;
  if (exponent !== undefined && exponent.reduce((sum, byte) => sum * 256 + byte, 0) !== 65_537) {
    refuse(SW.functionNotSupported);
  }
  const key = await card.world.rsaKey(bits);
  return { kind: "rsa", pkcs8: new Uint8Array(key.export({ format: "der", type: "pkcs8" })), rules };
}

function makeEcKey(card: Card, template: readonly Tlv[], prime: Uint8Array, rules: KeyRules): KeyPair {
  const curve = curveOf(card, template, prime) ?? refuse(SW.functionNotSupported);
  return { kind: "ec", curve: curve.name, scalar: privateScalar(curve, card.world.random), rules };
}

/** A pico looks at the prime alone. */
function curveOf(card: Card, template: readonly Tlv[], prime: Uint8Array): Curve | undefined {
  if (card.profile.name === "pico") return curveByPrime(prime);
  const [a, b, g, n] = [0x82, 0x83, 0x84, 0x85].map((tag) => required(card, template, tag));
  if (a === undefined || b === undefined || g === undefined || n === undefined) return undefined;
  return curveByParameters({ p: prime, a, b, g, n });
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
