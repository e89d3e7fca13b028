import { expect, test } from "vitest";
import { curveByName } from "../../src/crypto/curves/curves.ts";
import { publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { ecdsaSign, ecdsaVerify } from "../../src/crypto/curves/ecdsa.ts";
import {
  type Cvc,
  ecdsaSha256Oid,
  parseAuthenticatedRequest,
  parseCvc,
  parseDeviceCertificates,
} from "../../src/crypto/cvc/cvc.ts";
import { buildCvc } from "../../src/crypto/cvc/cvc-build.ts";
import { knownRoots, outerSignatureIsBy, type TrustedRoot, verifyDeviceChain } from "../../src/crypto/cvc/cvc-chain.ts";
import { hexAt, vectors } from "./vectors.ts";

const real = vectors("cvc");
const sim = vectors("sim_pki");
const brainpool = curveByName("brainpoolP256r1") as NonNullable<ReturnType<typeof curveByName>>;
const realChain = parseDeviceCertificates(hexAt(real, "ef_2f02"));

test("the chain of a real Nitrokey HSM 2 verifies up to the scheme root", () => {
  const verdict = verifyDeviceChain(realChain.device, realChain.others, knownRoots);
  expect(verdict).toMatchObject({
    status: "verified",
    root: { name: "DESRCACC100001", kind: "genuine" },
    path: ["DENK040414400000", "DEDINK0400001", "DESRCACC100001"],
  });
});

test.each([
  ["root_DESRCACC100001", "DESRCACC100001"],
  ["root_DESCHSMCVCA00001", "DESCHSMCVCA00001"],
])("the pinned point of %s signs its own certificate", (field, name) => {
  const root = knownRoots.find((candidate) => candidate.name === name);
  const cvc = parseCvc(hexAt(real, field, "full"));
  expect(root).toBeDefined();
  if (root === undefined) return;
  expect(cvc.publicKey).toMatchObject({ point: root.point, curve: root.curve });
  expect(ecdsaVerify(brainpool, root.point, cvc.body, "sha256", cvc.signature)).toBe(true);
});

test("another program's chain verifies under its own root and under no other", () => {
  const { device, others } = parseDeviceCertificates(hexAt(sim, "ef_2f02"));
  const rootCvc = parseCvc(hexAt(sim, "root"));
  const root: TrustedRoot = {
    name: rootCvc.chr,
    title: "vector",
    kind: "simulated",
    curve: "brainpoolP256r1",
    point: rootCvc.publicKey.kind === "ec" ? rootCvc.publicKey.point : new Uint8Array(),
  };
  expect(verifyDeviceChain(device, others, [root]).status).toBe("verified");
  expect(verifyDeviceChain(device, others, knownRoots)).toEqual({
    status: "not-verifiable",
    reason: 'the issuer "UTSRCA00001" of "UTCC00000001" is not on the token and is no root we know',
  });
  const impostor = { ...root, point: (knownRoots[0] as TrustedRoot).point };
  expect(verifyDeviceChain(device, others, [impostor])).toMatchObject({ status: "invalid" });
  expect(verifyDeviceChain(device, others, [impostor, root]).status).toBe("verified");
});

test("a certificate that signs itself is not verifiable, which is no error", () => {
  const cvc = selfSigned("ESPICOHSMTR00001");
  expect(verifyDeviceChain(cvc, [], knownRoots)).toEqual({
    status: "not-verifiable",
    reason: '"ESPICOHSMTR00001" is signed by itself, and is no root we know',
  });
});

test("a certificate that takes a root's name is invalid", () => {
  expect(verifyDeviceChain(selfSigned("DESRCACC100001"), [], knownRoots)).toEqual({
    status: "invalid",
    problem: "signature",
    reason: 'the signature of "DESRCACC100001" was not made by "DESRCACC100001"',
  });
});

test("a flipped bit in any signature of a chain under a known root is invalid", () => {
  for (const which of ["device", "device_issuer"]) {
    const raw = hexAt(real, which, "full").slice();
    raw[raw.length - 1] = (raw[raw.length - 1] as number) ^ 1;
    const damaged = parseCvc(raw);
    const [device, issuer] = which === "device" ? [damaged, realChain.others[0] as Cvc] : [realChain.device, damaged];
    expect(verifyDeviceChain(device, [issuer], knownRoots)).toEqual({
      status: "invalid",
      problem: "signature",
      reason: `the signature of "${damaged.chr}" was not made by "${damaged.car}"`,
    });
  }
});

test("a device cannot issue certificates, though its key could sign them", () => {
  const deviceKey = hexAt(sim, "device_private");
  const chain = parseDeviceCertificates(hexAt(sim, "ef_2f02"));
  const rootCvc = parseCvc(hexAt(sim, "root"));
  const roots: TrustedRoot[] = [
    {
      name: rootCvc.chr,
      title: "vector",
      kind: "simulated",
      curve: "brainpoolP256r1",
      point: publicPointOf(brainpool, hexAt(sim, "root_private")),
    },
  ];
  const child = parseCvc(
    buildCvc(
      {
        car: chain.device.chr,
        chr: "UTFORGED00000",
        publicKey: {
          kind: "ec",
          oid: ecdsaSha256Oid,
          point: publicPointOf(brainpool, new Uint8Array(32).fill(3)),
          curve: undefined,
        },
        role: 0,
      },
      (body) => ecdsaSign(brainpool, deviceKey, body, "sha256"),
    ),
  );
  expect(verifyDeviceChain(child, [chain.device, ...chain.others], roots)).toEqual({
    status: "invalid",
    problem: "order",
    reason: `"${chain.device.chr}" has issued a certificate without being an issuer`,
  });
  expect(verifyDeviceChain(chain.others[0] as Cvc, [], roots)).toMatchObject({
    status: "invalid",
    problem: "order",
    reason: expect.stringContaining("does not have the role of a device"),
  });
});

test("issuers that name each other in a circle end", () => {
  const link = (car: string, chr: string): Cvc => ({ ...realChain.device, car, chr, role: 0x80 });
  const verdict = verifyDeviceChain(link("B", "A"), [link("A", "B"), link("B", "A")], knownRoots);
  expect(verdict.status).toBe("not-verifiable");
});

test("a missing issuer is named", () => {
  expect(verifyDeviceChain(realChain.device, [], knownRoots)).toEqual({
    status: "not-verifiable",
    reason: 'the issuer "DEDINK0400001" of "DENK040414400000" is not on the token and is no root we know',
  });
});

test("the outer signature of the real key request is the device's, over request and outer CAR", () => {
  const request = parseAuthenticatedRequest(hexAt(real, "ef_ce01"));
  expect(outerSignatureIsBy(request, realChain.device, "brainpoolP256r1")).toBe(true);
  const withoutCar = { ...request, signedPart: request.request.raw };
  expect(outerSignatureIsBy(withoutCar, realChain.device, "brainpoolP256r1")).toBe(false);
  expect(outerSignatureIsBy({ ...request, outerCar: "DENK040414400009" }, realChain.device, "brainpoolP256r1")).toBe(
    false,
  );
});

function selfSigned(name: string): Cvc {
  const scalar = new Uint8Array(32).fill(7);
  const curve = curveByName("secp256r1") as NonNullable<ReturnType<typeof curveByName>>;
  return parseCvc(
    buildCvc(
      {
        car: name,
        chr: name,
        publicKey: { kind: "ec", oid: ecdsaSha256Oid, point: publicPointOf(curve, scalar), curve: curve.name },
        role: 0,
      },
      (body) => ecdsaSign(curve, scalar, body, "sha256"),
    ),
  );
}
