import { SW } from "../apdu/status-word.ts";
import { type Curve, curveByName } from "../crypto/curves/curves.ts";
import { type EcdsaHash, ecdsaSign } from "../crypto/curves/ecdsa.ts";
import { Refusal } from "./card.ts";
import type { SimulatorWorld } from "./world.ts";

/** @throws Refusal 6A81: a curve that this simulator does not have */
export function requireCurve(name: string): Curve {
  const curve = curveByName(name);
  if (curve === undefined) throw new Refusal(SW.functionNotSupported);
  return curve;
}

/** ECDSA, `r ‖ s`. `hash` is `"none"` where the digest is given. */
export function signPlain(
  curve: Curve,
  scalar: Uint8Array,
  message: Uint8Array,
  world: SimulatorWorld,
  hash: EcdsaHash = "sha256",
): Uint8Array {
  return ecdsaSign(curve, scalar, message, hash, { repeatable: world.repeatable });
}
