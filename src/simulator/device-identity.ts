import { concat } from "../bytes/bytes.ts";
import { fromHex } from "../bytes/hex.ts";
import { encodeTlv } from "../bytes/tlv.ts";
import { privateScalar, publicPointOf } from "../crypto/curves/ec-keys.ts";
import { type CvcPublicKey, cvcTags, ecdsaSha256Oid } from "../crypto/cvc/cvc.ts";
import { buildAuthenticatedRequest } from "../crypto/cvc/cvc-build.ts";
import { issueSimulatedDevice, simulatorIssuer, simulatorPkiCurve } from "../crypto/cvc/simulator-pki.ts";
import { requireCurve, signPlain } from "./ec-signing.ts";
import { buildCompactCvc } from "./self-made-request.ts";
import type { DeviceIdentity } from "./token-state.ts";
import type { SimulatorWorld } from "./world.ts";

const serialLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/**
 * The identity a genuine token leaves the factory with: a serial of its own, and a device certificate under the
 * simulator's issuer.
 */
export function factoryIdentity(world: SimulatorWorld): DeviceIdentity {
  const letters = Array.from(world.random(6), (byte) => serialLetters[byte % serialLetters.length]).join("");
  const chr = `UTSIM${letters}00000`;
  const curve = requireCurve(simulatorPkiCurve);
  const scalar = privateScalar(curve, world.random);
  const publicPoint = publicPointOf(curve, scalar);
  const device = issueSimulatedDevice({ chr, publicPoint, repeatable: world.repeatable });
  return { chr, curve: curve.name, scalar, certificates: concat(device.raw, simulatorIssuer) };
}

/** The same for every pico-hsm: its serials collide. */
const picoName = "ESPICOHSMTR00001";
const picoCurve = "secp256k1";
const picoRole = encodeTlv(0x06, fromHex("04007F000703010202"));
const picoEffective = Uint8Array.of(2, 3, 0, 3, 2, 1);
const picoExpiry = Uint8Array.of(7, 0, 1, 2, 3, 1);

/**
 * What a pico-hsm writes when it is initialised: a request signed by itself, and a certificate signed by itself
 * (reference 04 section 4.6, recordings 02). Nobody vouches for it.
 */
export function selfMadeIdentity(world: SimulatorWorld): DeviceIdentity {
  const curve = requireCurve(picoCurve);
  const scalar = privateScalar(curve, world.random);
  const sign = (bytes: Uint8Array) => signPlain(curve, scalar, bytes, world);
  const publicKey: CvcPublicKey = {
    kind: "ec",
    oid: ecdsaSha256Oid,
    point: publicPointOf(curve, scalar),
    curve: curve.name,
  };
  const content = { car: picoName, chr: picoName, publicKey };
  // Its outer CAR is empty: the device has no name yet (recordings 05).
  const request = buildAuthenticatedRequest(buildCompactCvc(content, sign), "", sign);
  const certificate = buildCompactCvc(content, sign, [
    encodeTlv(cvcTags.chat, picoRole, encodeTlv(0x53, Uint8Array.of(0))),
    encodeTlv(cvcTags.effective, picoEffective),
    encodeTlv(cvcTags.expiry, picoExpiry),
  ]);
  return { chr: picoName, curve: curve.name, scalar, certificates: concat(request, certificate) };
}
