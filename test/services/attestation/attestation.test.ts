import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { curveByName } from "../../../src/crypto/curves/curves.ts";
import { publicPointOf } from "../../../src/crypto/curves/ec-keys.ts";
import { ecdsaSign } from "../../../src/crypto/curves/ecdsa.ts";
import { ecdsaSha256Oid, parseCvc } from "../../../src/crypto/cvc/cvc.ts";
import { buildAuthenticatedRequest, buildCvc } from "../../../src/crypto/cvc/cvc-build.ts";
import type { TrustedRoot } from "../../../src/crypto/cvc/cvc-chain.ts";
import { HsmError } from "../../../src/errors.ts";
import {
  decodeAttestation,
  encodeAttestation,
  type KeyAttestation,
} from "../../../src/services/attestation/attestation-file.ts";
import { needSameKey, verifyAttestation } from "../../../src/services/attestation/attestation-verify.ts";

type Vectors = Record<string, string & Record<string, string>>;
function vectors(name: string): Vectors {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8"));
}

const cvc = vectors("cvc");
const pki = vectors("sim_pki");
const raw = (name: string) => fromHex(cvc[name]?.["full"] ?? "");
/** A Nitrokey HSM 2 and a key it made. */
const real: KeyAttestation = {
  request: fromHex(cvc["ef_ce01"] ?? ""),
  certificates: [raw("device"), raw("device_issuer")],
};
const day = new Date("2026-11-20T12:00:00Z");
const options = { roots: [], at: day };

const brainpool = curveByName("brainpoolP256r1");
if (brainpool === undefined) throw new Error("no curve");

function codeOf(work: () => unknown): string {
  try {
    work();
    return "nothing was thrown";
  } catch (error) {
    return error instanceof HsmError ? `${error.kind} ${error.code}` : String(error);
  }
}

const verified = (attestation: KeyAttestation, more: object = {}) =>
  codeOf(() => verifyAttestation(attestation, { ...options, ...more }));

/** One bit of the object turned over, counted from its end. */
function broken(bytes: Uint8Array, fromEnd: number): Uint8Array {
  const copy = bytes.slice();
  const at = copy.length - 1 - fromEnd;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

describe("a real token's attestation", () => {
  test("holds, and says which key and which device", () => {
    expect(verifyAttestation(real, options)).toMatchObject({
      publicKey: { kind: "ec", curve: "secp256k1" },
      chr: "DENK040414400001",
      device: { chr: "DENK040414400000", path: ["DENK040414400000", "DEDINK0400001", "DESRCACC100001"] },
      root: { name: "DESRCACC100001", kind: "genuine" },
      pinned: false,
    });
  });

  test("and does so when its file was read back", () => {
    expect(verified(decodeAttestation(encodeAttestation(real)))).toBe("nothing was thrown");
  });

  test.each([
    [
      "forged device certificate",
      { ...real, certificates: [broken(raw("device"), 0), raw("device_issuer")] },
      "CERTIFICATE_FORGED",
    ],
    [
      "forged issuer",
      { ...real, certificates: [raw("device"), broken(raw("device_issuer"), 3)] },
      "CERTIFICATE_FORGED",
    ],
    ["swapped certificates", { ...real, certificates: [raw("device_issuer"), raw("device")] }, "CERTIFICATES_SWAPPED"],
    [
      "one that does not belong there",
      { ...real, certificates: [...real.certificates, raw("root_DESCHSMCVCA00001")] },
      "CERTIFICATES_SWAPPED",
    ],
    ["a missing issuer", { ...real, certificates: [raw("device")] }, "ROOT_UNKNOWN"],
    [
      "truncated certificate",
      { ...real, certificates: [raw("device").slice(0, -9), raw("device_issuer")] },
      "CERTIFICATE_UNREADABLE",
    ],
    ["truncated request", { ...real, request: real.request.slice(0, -1) }, "CERTIFICATE_UNREADABLE"],
    [
      "a request with something behind it",
      { ...real, request: concat(real.request, Uint8Array.of(0)) },
      "CERTIFICATE_UNREADABLE",
    ],
    ["forged request", { ...real, request: broken(real.request, 0) }, "REQUEST_FORGED"],
    ["a request of another device", { ...real, request: fromHex(pki["ec_p256_request"] ?? "") }, "OTHER_DEVICE"],
  ] as const)("%s", (_what, attestation, code) => {
    expect(verified(attestation)).toBe(`check-failed ATTESTATION_${code}`);
  });

  test("dates: expired, not yet valid, as of a day, left out", () => {
    expect(verified(real, { at: new Date("2031-05-27T23:00:00Z") })).toBe("nothing was thrown");
    expect(verified(real, { at: new Date("2031-05-28T01:00:00Z") })).toBe("check-failed ATTESTATION_EXPIRED");
    expect(verified(real, { at: new Date("2026-05-27T01:00:00Z") })).toBe("check-failed ATTESTATION_NOT_YET_VALID");
    expect(verified(real, { at: null })).toBe("nothing was thrown");
  });

  test("the root that was named counts alone", () => {
    const goid = parseCvc(raw("root_DESCHSMCVCA00001"));
    if (goid.publicKey.kind !== "ec") throw new Error("no EC key");
    const other = {
      name: goid.chr,
      title: "GoID",
      kind: "genuine",
      curve: "brainpoolP256r1",
      point: goid.publicKey.point,
    };
    const misnamed = { ...other, name: "DESRCACC100001" };
    for (const root of [other, misnamed]) {
      expect(verified(real, { roots: [root], onlyThese: true })).toBe("check-failed ATTESTATION_ROOT_WRONG");
    }
  });

  test("a key that was expected, or is another", () => {
    const attested = verifyAttestation(real, options);
    expect(() => needSameKey(attested, attested.publicKey)).not.toThrow();
    const rsa = { kind: "rsa", modulus: Uint8Array.of(0xc1), exponent: Uint8Array.of(3) } as const;
    expect(codeOf(() => needSameKey(attested, rsa))).toBe("check-failed ATTESTATION_OTHER_KEY");
  });
});

describe("a made-up PKI", () => {
  const root: TrustedRoot = {
    name: "UTSRCA00001",
    title: "test",
    kind: "genuine",
    curve: "brainpoolP256r1",
    point: publicPointOf(brainpool, fromHex(pki["root_private"] ?? "")),
  };
  const device = parseCvc(fromHex(pki["device"] ?? ""));
  const certificates = [device.raw, fromHex(pki["dica"] ?? "")];
  const own = { roots: [root], onlyThese: true, at: null };

  test.each(["ec_p256_request", "rsa2048_request"])("%s holds", (name) => {
    const attestation = { request: fromHex(pki[name] ?? ""), certificates };
    expect(verified(attestation, own)).toBe("nothing was thrown");
  });

  test("without the root it is nobody's", () => {
    expect(verified({ request: fromHex(pki["ec_p256_request"] ?? ""), certificates })).toBe(
      "check-failed ATTESTATION_ROOT_UNKNOWN",
    );
  });

  test("a key that did not sign its own request", () => {
    const scalar = fromHex(pki["root_private"] ?? "");
    const deviceKey = fromHex(pki["device_private"] ?? "");
    const point = publicPointOf(brainpool, scalar);
    const inner = buildCvc(
      {
        car: "UTCA00001",
        chr: "UTCC000000100001",
        publicKey: { kind: "ec", oid: ecdsaSha256Oid, point, curve: "brainpoolP256r1" },
      },
      (body) => ecdsaSign(brainpool, deviceKey, body, "sha256"),
    );
    const request = buildAuthenticatedRequest(inner, device.chr, (part) =>
      ecdsaSign(brainpool, deviceKey, part, "sha256"),
    );
    expect(verified({ request, certificates }, own)).toBe("check-failed ATTESTATION_KEY_NOT_PROVED");
  });
});

describe("the file", () => {
  const text = new TextDecoder().decode(encodeAttestation(real));
  const with_ = (change: (document: Record<string, unknown>) => void) => {
    const document = JSON.parse(text) as Record<string, unknown>;
    change(document);
    return utf8Bytes(JSON.stringify(document));
  };

  test.each([
    ["nothing", utf8Bytes("")],
    ["cut off", utf8Bytes(text.slice(0, -20))],
    ["no UTF-8", Uint8Array.of(0xff, 0xfe)],
    ["an array", utf8Bytes("[]")],
    ["another format", with_((d) => Object.assign(d, { format: "hsmadm-backup" }))],
    ["a field more", with_((d) => Object.assign(d, { label: "CA key" }))],
    ["no certificate", with_((d) => Object.assign(d, { certificates: [] }))],
    ["too many", with_((d) => Object.assign(d, { certificates: Array(9).fill("7F21") }))],
    ["no hex", with_((d) => Object.assign(d, { request: "67G0" }))],
    ["too long", new Uint8Array(70_000)],
  ])("%s is refused", (_what, bytes) => {
    expect(codeOf(() => decodeAttestation(bytes))).toBe("check-failed ATTESTATION_FILE_INVALID");
  });

  test("another version is not guessed at", () => {
    expect(codeOf(() => decodeAttestation(with_((d) => Object.assign(d, { version: 2 }))))).toBe(
      "not-supported ATTESTATION_VERSION",
    );
  });

  test("no changed byte of request or certificates is believed", () => {
    const parts = [real.request, ...real.certificates];
    fc.assert(
      fc.property(fc.nat(2), fc.nat(), fc.integer({ min: 1, max: 255 }), (part, at, flip) => {
        const changed = parts.map((bytes) => bytes.slice());
        const bytes = changed[part] ?? new Uint8Array(1);
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ flip;
        const [request = new Uint8Array(0), ...certificates] = changed;
        expect(verified({ request, certificates }), toHex(bytes)).toMatch(/^check-failed ATTESTATION_/);
      }),
      { seed: 6, numRuns: 300 },
    );
  });
});
