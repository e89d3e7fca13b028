import { utf8Bytes } from "../../bytes/bytes.ts";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";

/**
 * What proves where a key was made, as a file: the token's authenticated request and the certificates of the token that
 * signed it, as they are. Nothing in the file is believed that one of its signatures does not cover, so there is nothing
 * else in it. docs/attestation.md is its description.
 */
export interface KeyAttestation {
  /** Object 67. */
  readonly request: Uint8Array;
  /** Objects 7F21: the device's, then its issuers'; the root is not among them. */
  readonly certificates: readonly Uint8Array[];
}

const format = "hsmadm-key-attestation";
const version = 1;
const mostCertificates = 8;
const largestFile = 65_536;

export function encodeAttestation({ request, certificates }: KeyAttestation): Uint8Array {
  const document = { format, version, request: toHex(request), certificates: certificates.map((each) => toHex(each)) };
  return utf8Bytes(`${JSON.stringify(document, null, 2)}\n`);
}

/** @throws HsmError `ATTESTATION_FILE_INVALID` (check-failed), `ATTESTATION_VERSION` (not-supported) */
export function decodeAttestation(bytes: Uint8Array): KeyAttestation {
  if (bytes.length > largestFile) throw invalid("it is too long");
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid("it is no JSON, or a part of it is missing", cause);
  }
  if (!isRecord(value) || value["format"] !== format) throw invalid(`it does not say that it is a ${format}`);
  if (value["version"] !== version) {
    throw new HsmError("ATTESTATION_VERSION", "not-supported", "the attestation has a version that is not known here", {
      advice: "a newer hsmadm reads it",
    });
  }
  const unknown = Object.keys(value).find((name) => !["format", "version", "request", "certificates"].includes(name));
  if (unknown !== undefined) throw invalid("it has a field that nothing vouches for");
  const { request, certificates } = value;
  if (!isHex(request)) throw invalid("its request is not hex digits");
  if (!Array.isArray(certificates) || certificates.length === 0 || certificates.length > mostCertificates) {
    throw invalid(`it has not 1 to ${mostCertificates} certificates`);
  }
  return {
    request: fromHex(request),
    certificates: certificates.map((each: unknown) => {
      if (!isHex(each)) throw invalid("a certificate is not hex digits");
      return fromHex(each);
    }),
  };
}

function isHex(value: unknown): value is string {
  return typeof value === "string" && /^([0-9A-F]{2})+$/.test(value);
}

function isRecord(value: unknown): value is Partial<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(problem: string, cause?: unknown): HsmError {
  return new HsmError("ATTESTATION_FILE_INVALID", "check-failed", `no attestation of a key: ${problem}`, {
    advice: "ask for the file that `hsmadm attest key` wrote",
    cause,
  });
}
