import { SW } from "../../apdu/status-word.ts";
import { toHex } from "../../bytes/hex.ts";
import { publicPointOf } from "../../crypto/curves/ec-keys.ts";
import { type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { requireCurve } from "../ec-signing.ts";
import { requireRoomFor } from "../key-rules.ts";
import { storeKey } from "../key-store.ts";
import { countUse, keyFor, orMalformed } from "../key-use.ts";

const additive = 0x98;

/**
 * DERIVE EC KEY: key P2 becomes key P1 plus the given number, on the same curve (reference 02 section 2.16). A pico
 * reduces the sum by the field prime instead of the order, most likely a slip; it is imitated. The new key is in the
 * domain of the old one, without limits of its own (choice).
 */
export const deriveKey: CommandHandler = (card, command) => {
  const { p1: source, p2: target } = command;
  const [algorithm, ...parameter] = dataOf(command);
  const key = keyFor(card, source, additive);
  if (key.kind !== "ec") return refuse(card.profile.sw.wrongKeyType);
  if (algorithm !== additive || parameter.length === 0) refuse(SW.wrongLength);
  requireRoomFor(card, target);
  const curve = requireCurve(key.curve);
  if (parameter.length > curve.orderBytes) refuse(SW.wrongLength);
  const modulus = number(card.profile.name === "pico" ? curve.p : curve.n);
  const sum = (number(key.scalar) + number(Uint8Array.from(parameter))) % modulus;
  const digits = sum.toString(16).padStart(2 * curve.orderBytes, "0");
  const scalar = Uint8Array.from(digits.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  // The sum may be no private key: zero, or with a pico's reduction not below the order.
  orMalformed(card, () => publicPointOf(curve, scalar));
  const { domain } = key.rules;
  storeKey(card, target, {
    kind: "ec",
    curve: curve.name,
    scalar,
    rules: { usesLeft: undefined, algorithms: new Uint8Array(0), domain },
  });
  countUse(card, key);
  return ok();
};

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}
