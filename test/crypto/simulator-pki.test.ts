import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { toHex } from "../../src/bytes/hex.ts";
import { curveByName } from "../../src/crypto/curves/curves.ts";
import { publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { ecdsaSign } from "../../src/crypto/curves/ecdsa.ts";
import { ecdsaSha256Oid, parseCvc } from "../../src/crypto/cvc/cvc.ts";
import { buildCvc } from "../../src/crypto/cvc/cvc-build.ts";
import { knownRoots, verifyDeviceChain } from "../../src/crypto/cvc/cvc-chain.ts";
import {
  issueSimulatedDevice,
  simulatorIssuer,
  simulatorIssuerName,
  simulatorIssuerPrivateKey,
  simulatorPkiCurve,
  simulatorPkiDates,
  simulatorRoot,
  simulatorRootName,
  simulatorRootPoint,
} from "../../src/crypto/cvc/simulator-pki.ts";

const curve = curveByName(simulatorPkiCurve) as NonNullable<ReturnType<typeof curveByName>>;
const seeded = (seed: string): Uint8Array => new Uint8Array(createHash("sha256").update(seed).digest());
const rootKey = seeded("hsmadm SIMULATED root");
const issuerKey = seeded("hsmadm SIMULATED device issuer");
const byRoot = (body: Uint8Array): Uint8Array => ecdsaSign(curve, rootKey, body, "sha256", { repeatable: true });

test("every constant can be made again from the public seeds", () => {
  const key = (scalar: Uint8Array, name?: string) =>
    ({ kind: "ec", oid: ecdsaSha256Oid, point: publicPointOf(curve, scalar), curve: name }) as const;
  const root = { car: simulatorRootName, chr: simulatorRootName, role: 0xc0, ...simulatorPkiDates };
  const issuer = { car: simulatorRootName, chr: simulatorIssuerName, role: 0x80, ...simulatorPkiDates };
  expect(toHex(simulatorIssuerPrivateKey)).toBe(toHex(issuerKey));
  expect(toHex(simulatorRootPoint)).toBe(toHex(publicPointOf(curve, rootKey)));
  expect(toHex(simulatorRoot)).toBe(toHex(buildCvc({ ...root, publicKey: key(rootKey, curve.name) }, byRoot)));
  expect(toHex(simulatorIssuer)).toBe(toHex(buildCvc({ ...issuer, publicKey: key(issuerKey) }, byRoot)));
});

test("an issued device chains to a root that says SIMULATED", () => {
  const publicPoint = publicPointOf(curve, new Uint8Array(32).fill(5));
  const device = issueSimulatedDevice({ chr: "UTSIM0000100000", publicPoint });
  const verdict = verifyDeviceChain(device, [parseCvc(simulatorIssuer)], knownRoots);
  expect(verdict).toMatchObject({
    status: "verified",
    path: ["UTSIM0000100000", simulatorIssuerName, simulatorRootName],
    root: { kind: "simulated", title: expect.stringContaining("SIMULATED") },
  });
});

test("repeatable certificates repeat, others do not", () => {
  const publicPoint = publicPointOf(curve, new Uint8Array(32).fill(5));
  const issue = (repeatable: boolean): string =>
    toHex(issueSimulatedDevice({ chr: "UTSIM0000100000", publicPoint, repeatable }).raw);
  expect(issue(true)).toBe(issue(true));
  expect(issue(false)).not.toBe(issue(false));
});
