import { createHash, createPublicKey, verify } from "node:crypto";
import { equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { parseKeyCertificate } from "../../cards/smartcard-hsm/keys/public-key.ts";
import { curveByName } from "../../crypto/curves/curves.ts";
import { ecdsaVerify } from "../../crypto/curves/ecdsa.ts";
import {
  type AuthenticatedRequest,
  type Cvc,
  ecdsaSha256Oid,
  parseAuthenticatedRequest,
  parseCvc,
  rsaSha256Oid,
} from "../../crypto/cvc/cvc.ts";
import { knownRoots, outerSignatureIsBy, type TrustedRoot, verifyDeviceChain } from "../../crypto/cvc/cvc-chain.ts";
import { type PublicKey, publicKeyDer } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";
import { dateProblem, dateWords } from "../identity/certificate-dates.ts";
import type { KeyAttestation } from "./attestation-file.ts";

/** What an attestation proves. */
export interface AttestedKey {
  readonly publicKey: PublicKey;
  /** Of its SubjectPublicKeyInfo, hex. */
  readonly sha256: string;
  /** Holder reference in the request. */
  readonly chr: string;
  /** Device that vouches for the key. */
  readonly device: { readonly chr: string; readonly path: readonly string[] };
  readonly root: TrustedRoot;
  readonly pinned: boolean;
}

export interface AttestationOptions {
  /** The officer's own; besides those everybody knows, or alone. */
  readonly roots: readonly TrustedRoot[];
  readonly onlyThese?: boolean;
  /** The day the certificates must hold on; `null`: dates are left out of it. */
  readonly at: Date | null;
}

/** Curve of device keys whose certificate inherits it. */
const deviceCurve = "brainpoolP256r1";

/**
 * Whether the key was made in the device: from the root down to the key, everything signed by what stands above it.
 * @throws HsmError (check-failed) with a code for each doubt
 */
export function verifyAttestation(attestation: KeyAttestation, options: AttestationOptions): AttestedKey {
  const request = parsed("the request", () => parseAuthenticatedRequest(attestation.request));
  const certificates = attestation.certificates.map((raw, i) => parsed(`certificate ${i + 1}`, () => parseCvc(raw)));
  const [device, ...others] = certificates;
  if (device === undefined) throw doubt("CERTIFICATE_UNREADABLE", "it has no certificate of a device");
  const { root, path } = chainOf(device, others, options);
  const used = certificates.filter(({ chr }) => path.includes(chr));
  if (used.length !== certificates.length) {
    throw doubt("CERTIFICATES_SWAPPED", "it has a certificate that does not belong to the chain of the device");
  }
  const dates = options.at === null ? null : dateProblem(used, options.at);
  if (dates !== null) {
    throw doubt(
      dates.state === "expired" ? "EXPIRED" : "NOT_YET_VALID",
      `a certificate does not hold: ${dateWords(dates)}`,
      {
        advice: "`--at YYYY-MM-DD` judges it as on that day, when you know by other means that it is as old",
      },
    );
  }
  refuseForeignSigner(request, device);
  if (!ownSignatureHolds(request.request)) {
    throw doubt("KEY_NOT_PROVED", "its request was not signed by the key in it");
  }
  const { publicKey } = parsed("the request", () => parseKeyCertificate(attestation.request));
  return {
    publicKey,
    sha256: keyDigest(publicKey),
    chr: request.request.chr,
    device: { chr: device.chr, path },
    root,
    pinned: options.roots.includes(root),
  };
}

/** Hex SHA-256 of a SubjectPublicKeyInfo. */
export function keyDigest(key: PublicKey): string {
  return toHex(new Uint8Array(createHash("sha256").update(publicKeyDer(key)).digest()));
}

/** @throws HsmError `ATTESTATION_OTHER_KEY` (check-failed) */
export function needSameKey({ publicKey }: AttestedKey, expected: PublicKey): void {
  if (equal(publicKeyDer(publicKey), publicKeyDer(expected))) return;
  throw doubt("OTHER_KEY", "it is about another key than the one that was given");
}

function chainOf(device: Cvc, others: readonly Cvc[], { roots, onlyThese = false }: AttestationOptions) {
  const chain = verifyDeviceChain(device, others, onlyThese ? roots : [...roots, ...knownRoots]);
  if (chain.status === "verified") return chain;
  if (onlyThese) {
    const elsewhere = verifyDeviceChain(device, others, knownRoots);
    const where = elsewhere.status === "verified" ? `it chains to ${elsewhere.root.name}` : chain.reason;
    if (elsewhere.status === "verified" || chain.status === "not-verifiable") {
      throw doubt("ROOT_WRONG", `it does not end in the root that was named: ${where}`);
    }
  }
  if (chain.status === "not-verifiable") {
    throw doubt("ROOT_UNKNOWN", `nobody known vouches for the device: ${chain.reason}`, {
      advice: "an emulator signs its own certificate; `--root FILE` names a root you trust",
    });
  }
  const code = chain.problem === "order" ? "CERTIFICATES_SWAPPED" : "CERTIFICATE_FORGED";
  throw doubt(code, `the device's certificates do not hold: ${chain.reason}`);
}

function refuseForeignSigner(request: AuthenticatedRequest, device: Cvc): void {
  if (request.outerCar !== device.chr) {
    throw doubt(
      "OTHER_DEVICE",
      `its request is signed in the name of "${request.outerCar}", its device is "${device.chr}"`,
    );
  }
  if (!outerSignatureIsBy(request, device, deviceCurve)) {
    throw doubt("REQUEST_FORGED", `its request was not signed by the device "${device.chr}"`);
  }
}

/** The inner signature: who asked has the private key. */
function ownSignatureHolds({ publicKey, body, signature }: Cvc): boolean {
  if (publicKey.kind === "ec") {
    const curve = publicKey.curve === undefined ? undefined : curveByName(publicKey.curve);
    return (
      curve !== undefined &&
      publicKey.oid === ecdsaSha256Oid &&
      ecdsaVerify(curve, publicKey.point, body, "sha256", signature)
    );
  }
  if (publicKey.oid !== rsaSha256Oid) return false;
  try {
    const der = publicKeyDer({ kind: "rsa", modulus: publicKey.modulus, exponent: publicKey.exponent });
    const key = createPublicKey({
      key: `-----BEGIN PUBLIC KEY-----\n${btoa(String.fromCharCode(...der))}\n-----END PUBLIC KEY-----\n`,
    });
    return verify("sha256", body, key, signature);
  } catch {
    return false;
  }
}

function parsed<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof HsmError)) throw cause;
    throw doubt("CERTIFICATE_UNREADABLE", `${what} cannot be read: ${cause.message}`, { cause });
  }
}

function doubt(code: string, problem: string, options: { advice?: string; cause?: unknown } = {}): HsmError {
  const advice = options.advice ?? "do not believe that this key is on a token; ask for a new attestation";
  return new HsmError(`ATTESTATION_${code}`, "check-failed", `the attestation proves nothing: ${problem}`, {
    ...options,
    advice,
  });
}
