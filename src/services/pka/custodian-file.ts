import { equal } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv, readTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import type { CustodianCredentials } from "../../cards/smartcard-hsm/public-key-authentication/public-key-authentication.ts";
import {
  type AuthenticatedRequest,
  type Cvc,
  cvcTags,
  parseAuthenticatedRequest,
  parseCvc,
} from "../../crypto/cvc/cvc.ts";
import { outerSignatureIsBy } from "../../crypto/cvc/cvc-chain.ts";
import { HsmError, messageOf } from "../../errors.ts";

/**
 * The public key authentication file of sc-hsm-tool (reference 07, section 7.3): a custodian's request and the certificates
 * of the token that signed it. Two forms: a plain list, and one whose objects have tags that two programs understand in
 * opposite ways; so what each object is, is told by who issued whom.
 */

/** 1.3.6.1.4.1.24991.4.3 and 4.3.1, DER values. */
const authenticationFileOids = ["2B0601040181C31F0403", "2B0601040181C31F040301"].map((hex) => fromHex(hex));
const listTag = 0x30;
const oidTag = 0x06;
/** Containers of the newer form. */
const containers = [0x61, 0x62, 0x63];
const largestFile = 16_384;
/** Curve of device keys whose certificate inherits it. */
const deviceCurve = "brainpoolP256r1";

/** As sc-hsm-tool --export-for-pub-key-auth writes it: request, device certificate, issuer's certificate. */
export function encodeCustodianFile({ requestBytes, certificates }: CustodianCredentials): Uint8Array {
  return encodeTlv(listTag, requestBytes, ...certificates.toReversed().map(({ raw }) => raw));
}

/**
 * Reads both forms and checks that the device in the file vouches for the key. Whether the device is one to trust, the
 * token decides that the key is registered with.
 * @throws HsmError `PKA_FILE_INVALID`, `PKA_FILE_OTHER_DEVICE`, `PKA_FILE_FORGED` (check-failed)
 */
export function decodeCustodianFile(bytes: Uint8Array): CustodianCredentials {
  const { requests, certificates } = objectsIn(bytes);
  const [request] = requests;
  if (request === undefined) throw invalid("it has no request of a key");
  if (requests.length > 1) throw invalid("it has more than one request");
  const parsed = reading("its request", () => parseAuthenticatedRequest(request));
  const parsedCertificates = certificates.map((raw) => reading("a certificate in it", () => parseCvc(raw)));
  return credentialsOf(request, parsed, parsedCertificates);
}

/**
 * Puts in order what vouches for a key.
 * @param certificates of the device and its issuers, in any order
 */
export function credentialsOf(
  requestBytes: Uint8Array,
  request: AuthenticatedRequest,
  certificates: readonly Cvc[],
): CustodianCredentials {
  const { outerCar } = request;
  const device = certificates.find(({ chr }) => chr === outerCar);
  if (device === undefined) {
    throw failed("OTHER_DEVICE", `its key is signed in the name of "${outerCar}", whose certificate is not in it`);
  }
  if (!outerSignatureIsBy(request, device, deviceCurve)) {
    throw failed("FORGED", `its key was not signed by the device "${device.chr}"`);
  }
  const path = [device];
  for (let last = device; last.car !== last.chr && path.length <= certificates.length; ) {
    const { car } = last;
    const issuer = certificates.find(({ chr }) => chr === car);
    if (issuer === undefined || path.includes(issuer)) break;
    path.unshift(issuer);
    last = issuer;
  }
  return { requestBytes, request, certificates: path };
}

function objectsIn(bytes: Uint8Array): { requests: Uint8Array[]; certificates: Uint8Array[] } {
  if (bytes.length > largestFile) throw invalid("it is too long");
  const outer = reading("it", () => readTlv(bytes, "file"));
  if (outer.tag !== listTag || outer.raw.length !== bytes.length) throw invalid("it is no list of objects");
  const requests: Uint8Array[] = [];
  const certificates: Uint8Array[] = [];
  for (const object of reading("it", () => readTlvs(outer.value, "file"))) {
    if (object.tag === oidTag) {
      if (!authenticationFileOids.some((oid) => equal(oid, object.value)))
        throw invalid("it is a file of another kind");
      continue;
    }
    for (const inner of containers.includes(object.tag) ? contentOf(object) : [object]) {
      if (inner.tag === cvcTags.authenticatedRequest) requests.push(inner.raw);
      else if (inner.tag === cvcTags.certificate) certificates.push(inner.raw);
      else throw invalid("it has an object that is neither request nor certificate");
    }
  }
  return { requests, certificates };
}

/** A container holds certificates, a request, or the content of a request without its tag. */
function contentOf(container: Tlv): Tlv[] {
  const objects = reading("it", () => readTlvs(container.value, "file"));
  const [, second] = objects;
  if (objects[0]?.tag !== cvcTags.certificate || second?.tag !== cvcTags.car) return objects;
  return [readTlv(encodeTlv(cvcTags.authenticatedRequest, container.value), "file")];
}

function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw invalid(`${what} cannot be read: ${messageOf(cause)}`, cause);
  }
}

function invalid(problem: string, cause?: unknown): HsmError {
  return failed("INVALID", problem, cause);
}

function failed(code: string, problem: string, cause?: unknown): HsmError {
  return new HsmError(`PKA_FILE_${code}`, "check-failed", `no key of a custodian to register: ${problem}`, {
    advice: "have it exported anew: `hsmadm pka export`, or sc-hsm-tool --export-for-pub-key-auth",
    cause,
  });
}
