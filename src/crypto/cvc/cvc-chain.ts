import { fromHex } from "../../bytes/hex.ts";
import { type Curve, curveByName } from "../curves/curves.ts";
import { ecdsaVerify } from "../curves/ecdsa.ts";
import { type AuthenticatedRequest, type Cvc, type CvcPublicKey, ecdsaSha256Oid } from "./cvc.ts";
import { simulatorRootName, simulatorRootPoint } from "./simulator-pki.ts";

/** A key at which a chain may end. The name alone proves nothing: anybody may write it into a certificate. */
export interface TrustedRoot {
  /** CHR of the root certificate. */
  readonly name: string;
  /** Whose root it is, for people. */
  readonly title: string;
  /** `simulated`: its private keys are public, and a chain to it says only "this is our simulator". */
  readonly kind: "genuine" | "simulated";
  readonly curve: string;
  readonly point: Uint8Array;
}

/** Reference 04 section 4.5; the complete root certificates are in `test/vectors/cvc.json`. */
export const knownRoots: readonly TrustedRoot[] = [
  {
    name: "DESRCACC100001",
    title: "SmartCard-HSM and Nitrokey HSM (CardContact scheme root)",
    kind: "genuine",
    curve: "brainpoolP256r1",
    point: fromHex(
      "046D025A8026CDBA245F10DF1B72E9880FFF746DAB40A43A3D5C6BEBF27707C30F6DEA72430EE3287B0665C1EAA6EAA4FA26C46303001983F82BD1AA31E03DA062",
    ),
  },
  {
    name: "DESCHSMCVCA00001",
    title: "GoID (Bundesdruckerei)",
    kind: "genuine",
    curve: "brainpoolP256r1",
    point: fromHex(
      "040ED940FA3D560900561914EB344A80861DF1CF7BDB21BF13F490C9938A32AE8230B9D545B99F2BD857730469DADBE201AB82C7F9A2DB532DB447025E5B2E9403",
    ),
  },
  {
    name: simulatorRootName,
    title: "SIMULATED token of hsmadm, no hardware",
    kind: "simulated",
    curve: "brainpoolP256r1",
    point: simulatorRootPoint,
  },
];

/**
 * - `verified`: every signature from the device certificate up to a trusted root is good. `path` holds the CHRs from
 *   the device to the root.
 * - `not-verifiable`: it does not end at a root we know. pico-hsm signs its own certificate; that is no error.
 * - `invalid`: it claims to, and a signature or a role says otherwise.
 *
 * Validity dates are not judged: cards have no clock, and firmware outlives them (reference 04 section 4.5).
 */
export type ChainVerdict =
  | { readonly status: "verified"; readonly root: TrustedRoot; readonly path: readonly string[] }
  | { readonly status: "not-verifiable"; readonly reason: string }
  | {
      readonly status: "invalid";
      readonly reason: string;
      /** `order`: a certificate stands where one of another role belongs. */
      readonly problem: "unreadable" | "order" | "signature";
    };

/** Checks the chain of EF 2F02. Never throws. */
export function verifyDeviceChain(device: Cvc, others: readonly Cvc[], roots: readonly TrustedRoot[]): ChainVerdict {
  const path: Cvc[] = [device];
  let last = device;
  let candidates = rootsNamed(roots, last.car);
  while (candidates.length === 0) {
    if (last.car === last.chr) {
      return notVerifiable(`${quoted(last.chr)} is signed by itself, and is no root we know`);
    }
    const { car } = last;
    const issuer = others.find((other) => other.chr === car && !path.includes(other));
    if (issuer === undefined) {
      return notVerifiable(
        `the issuer ${quoted(car)} of ${quoted(last.chr)} is not on the token and is no root we know`,
      );
    }
    path.push(issuer);
    last = issuer;
    candidates = rootsNamed(roots, last.car);
  }
  const problem = roleProblem(path);
  if (problem !== undefined) return { status: "invalid", problem: "order", reason: problem };

  const root = candidates.find((candidate) => verifiedBy(candidate, path) === undefined);
  if (root !== undefined) return { status: "verified", root, path: [...path.map(({ chr }) => chr), root.name] };
  return {
    status: "invalid",
    problem: "signature",
    reason: verifiedBy(candidates[0] as TrustedRoot, path) ?? "no root fits",
  };
}

/**
 * Whether the key in the request was generated in the device with this certificate: the inner signature proves that
 * the holder of the new key asked, the outer one that this device vouches for it (reference 04 section 4.3).
 * @param deviceCurve where the device certificate inherits its parameters: `brainpoolP256r1` on genuine cards
 */
export function outerSignatureIsBy(request: AuthenticatedRequest, device: Cvc, deviceCurve: string): boolean {
  const curve = curveOf(device.publicKey, curveByName(deviceCurve));
  return (
    request.outerCar === device.chr &&
    curve !== undefined &&
    device.publicKey.kind === "ec" &&
    ecdsaVerify(curve, device.publicKey.point, request.signedPart, "sha256", request.outerSignature)
  );
}

interface Issuer {
  readonly name: string;
  /** `undefined`: a key that cannot sign certificates we can check. */
  readonly curve: Curve | undefined;
  readonly point: Uint8Array;
}

/** Walks down from the root, as parameters are inherited from above. Returns what is wrong, or `undefined`. */
function verifiedBy(root: TrustedRoot, path: readonly Cvc[]): string | undefined {
  let issuer: Issuer = { name: root.name, curve: curveByName(root.curve), point: root.point };
  for (const certificate of path.toReversed()) {
    if (issuer.curve === undefined) return `${quoted(issuer.name)} has a key that device issuers do not use`;
    if (!ecdsaVerify(issuer.curve, issuer.point, certificate.body, "sha256", certificate.signature)) {
      return `the signature of ${quoted(certificate.chr)} was not made by ${quoted(issuer.name)}`;
    }
    issuer = issuerFrom(certificate, issuer.curve);
  }
  return undefined;
}

function issuerFrom({ chr, publicKey }: Cvc, inherited: Curve): Issuer {
  return publicKey.kind === "ec" && publicKey.oid === ecdsaSha256Oid
    ? { name: chr, curve: curveOf(publicKey, inherited), point: publicKey.point }
    : { name: chr, curve: undefined, point: new Uint8Array(0) };
}

function curveOf(key: CvcPublicKey, inherited: Curve | undefined): Curve | undefined {
  if (key.kind !== "ec" || key.unknownCurve === true) return undefined;
  return key.curve === undefined ? inherited : curveByName(key.curve);
}

const issuerBit = 0x80;

// Without this any device could issue certificates for others in its own name.
function roleProblem([device, ...issuers]: readonly Cvc[]): string | undefined {
  const impostor = issuers.find(({ role }) => role === undefined || (role & issuerBit) === 0);
  if (impostor !== undefined) return `${quoted(impostor.chr)} has issued a certificate without being an issuer`;
  if (device?.role !== 0) return `${quoted(device?.chr ?? "")} does not have the role of a device`;
  return undefined;
}

function rootsNamed(roots: readonly TrustedRoot[], name: string): TrustedRoot[] {
  return roots.filter((root) => root.name === name);
}

function notVerifiable(reason: string): ChainVerdict {
  return { status: "not-verifiable", reason };
}

function quoted(name: string): string {
  return `"${name}"`;
}
