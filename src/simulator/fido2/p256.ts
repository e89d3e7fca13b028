import { type Curve, curveByName } from "../../crypto/curves/curves.ts";
import { privateScalar, publicPointOf } from "../../crypto/curves/ec-keys.ts";
import { ecdsaSign, plainToDer } from "../../crypto/curves/ecdsa.ts";
import type { SimulatorWorld } from "../world.ts";
import type { KeyAgreement } from "./pin-protocol.ts";

function p256(): Curve {
  const curve = curveByName("secp256r1");
  if (curve === undefined) throw new RangeError("no P-256");
  return curve;
}

/** @param random gives 40 bytes of which the scalar is made */
export function newKeyPair(random: (length: number) => Uint8Array): KeyAgreement {
  const scalar = privateScalar(p256(), random);
  return { scalar, point: publicPointOf(p256(), scalar) };
}

/** ES256, in DER as CTAP carries it. */
export function signEs256(scalar: Uint8Array, message: Uint8Array, world: SimulatorWorld): Uint8Array {
  return plainToDer(ecdsaSign(p256(), scalar, message, "sha256", { repeatable: world.repeatable }));
}
