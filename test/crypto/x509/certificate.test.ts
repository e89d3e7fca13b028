import { spawnSync } from "node:child_process";
import { constants, createPrivateKey, createSign, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { pemText } from "../../../src/crypto/keys/public-key-formats.ts";
import {
  buildRequest,
  buildSelfSigned,
  certificateContent,
  type SignedWith,
} from "../../../src/crypto/x509/certificate-build.ts";
import { certificatesIn, readCertificate } from "../../../src/crypto/x509/certificate-read.ts";
import type { CertificateHash, CertificateScheme } from "../../../src/crypto/x509/signature-algorithm.ts";
import { HsmError } from "../../../src/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-x509-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function openssl(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync("openssl", words, { encoding: "utf8" });
  expect(status, `${words.join(" ")}\n${stderr}`).toBe(0);
  return stdout + stderr;
}

const wishes = {
  alternativeNames: [
    "dns:door.example",
    "ip:192.0.2.7",
    "ip:2001:db8::7",
    "email:a@b.example",
    "uri:https://door.example/",
  ],
  keyUsage: ["digital-signature", "key-agreement"],
  keyPurposes: ["client-auth", "server-auth"],
  authority: false,
};
const subject = "CN=Door 7\\, north,OU=Zutritt,O=Müller+L=Köln,C=DE";
const validity = { notBefore: new Date("2026-11-20T12:00:00Z"), notAfter: new Date("2027-11-20T12:00:00Z") };

interface Pair {
  readonly spki: Uint8Array;
  readonly with: SignedWith;
}

function pair(scheme: CertificateScheme, hash: CertificateHash, curve = "P-256"): Pair {
  const { publicKey, privateKey } =
    scheme === "ecdsa"
      ? generateKeyPairSync("ec", { namedCurve: curve })
      : generateKeyPairSync("rsa", { modulusLength: 2048 });
  const padding =
    scheme === "pss" ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {};
  const key = createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }));
  return {
    spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    with: {
      scheme,
      hash,
      sign: async (message) =>
        new Uint8Array(
          createSign(hash)
            .update(message)
            .sign({ key, ...padding }),
        ),
    },
  };
}

const kinds: [CertificateScheme, CertificateHash, string?][] = [
  ["pkcs1", "sha224"],
  ["pkcs1", "sha256"],
  ["pkcs1", "sha384"],
  ["pss", "sha256"],
  ["pss", "sha512"],
  ["ecdsa", "sha256", "P-256"],
  ["ecdsa", "sha384", "P-384"],
  ["ecdsa", "sha512", "P-521"],
  ["ecdsa", "sha224", "secp256k1"],
  ["ecdsa", "sha256", "brainpoolP256r1"],
];

describe.each(kinds)("%s %s %s", (scheme, hash, curve) => {
  const { spki, with: signed } = pair(scheme, hash, curve);

  test("OpenSSL verifies the request and reads what was put into it", async () => {
    const path = join(folder, `${scheme}-${hash}-${curve}.csr`);
    writeFileSync(
      path,
      pemText("CERTIFICATE REQUEST", await buildRequest(certificateContent(subject, wishes), spki, signed)),
    );
    const text = openssl("req", "-in", path, "-noout", "-text", "-verify", "-nameopt", "RFC2253,utf8,-esc_msb");
    expect(text).toContain("verify OK");
    expect(text).toContain("CN=Door 7\\, north,OU=Zutritt,");
    for (const name of ["O=Müller", "L=Köln", "C=DE", "DNS:door.example", "IP Address:192.0.2.7", "email:a@b.example"])
      expect(text).toContain(name);
    expect(text).toContain("IP Address:2001:DB8:0:0:0:0:0:7");
    expect(text).toContain("Digital Signature, Key Agreement");
    expect(text).toContain("TLS Web Client Authentication, TLS Web Server Authentication");
  });

  test("OpenSSL verifies the self-signed certificate, and we read it", async () => {
    const der = await buildSelfSigned(
      certificateContent(subject, { ...wishes, keyUsage: [], authority: true }),
      spki,
      validity,
      signed,
    );
    const path = join(folder, `${scheme}-${hash}-${curve}.pem`);
    writeFileSync(path, pemText("CERTIFICATE", der));
    expect(openssl("verify", "-check_ss_sig", "-attime", "1796000000", "-CAfile", path, path)).toContain("OK");
    const facts = await readCertificate(der);
    expect(facts).toMatchObject({
      ...validity,
      authority: true,
      selfIssued: true,
      keyUsage: ["key-cert-sign", "crl-sign"],
      keyPurposes: wishes.keyPurposes,
      alternativeNames: wishes.alternativeNames,
      signature: scheme === "pss" ? "pss" : `${scheme}-${hash}`,
    });
    expect(facts.spki).toEqual(spki);
    expect(facts.subject).toBe(facts.issuer);
    expect(
      openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256").trim().split("=")[1]?.replaceAll(":", ""),
    ).toBe(facts.fingerprint);
    expect(openssl("x509", "-in", path, "-noout", "-serial").trim()).toBe(`serial=${facts.serialNumber}`);
  });
});

test("a request without wishes has an empty set of attributes, which OpenSSL takes", async () => {
  const { spki, with: signed } = pair("ecdsa", "sha256");
  const none = { alternativeNames: [], keyUsage: [], keyPurposes: [], authority: false };
  const path = join(folder, "bare.csr");
  writeFileSync(
    path,
    pemText("CERTIFICATE REQUEST", await buildRequest(certificateContent("CN=a", none), spki, signed)),
  );
  expect(openssl("req", "-in", path, "-noout", "-verify", "-text")).toContain("Subject: CN = a");
});

test("from 2050 on times have four digits of the year", async () => {
  const { spki, with: signed } = pair("ecdsa", "sha256");
  const late = { ...validity, notAfter: new Date("2051-01-02T03:04:05Z") };
  const der = await buildSelfSigned(certificateContent("CN=a", { ...wishes }), spki, late, signed);
  expect((await readCertificate(der)).notAfter).toEqual(late.notAfter);
  const path = join(folder, "late.pem");
  writeFileSync(path, pemText("CERTIFICATE", der));
  expect(openssl("x509", "-in", path, "-noout", "-enddate")).toContain("Jan  2 03:04:05 2051 GMT");
});

describe("what is no certificate is refused", () => {
  const { spki, with: signed } = pair("ecdsa", "sha256");
  const made = buildSelfSigned(certificateContent(subject, wishes), spki, validity, signed);
  const refused = { code: "CERTIFICATE_INVALID", kind: "check-failed" };

  test("truncated at any place, with something behind it, or something else", async () => {
    const der = await made;
    for (let length = 0; length < der.length; length += 7) {
      await expect(readCertificate(der.subarray(0, length))).rejects.toMatchObject(refused);
    }
    await expect(readCertificate(Uint8Array.from([...der, 0]))).rejects.toMatchObject(refused);
    await expect(readCertificate(spki)).rejects.toMatchObject(refused);
    await expect(
      readCertificate(await buildRequest(certificateContent("CN=a", wishes), spki, signed)),
    ).rejects.toMatchObject(refused);
  });

  test("any flipped byte is read or refused, never another error", async () => {
    const der = await made;
    await fc.assert(
      fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bent = der.map((byte, i) => (i === at ? byte ^ flip : byte));
        await readCertificate(bent).catch((error) => expect(error).toBeInstanceOf(HsmError));
      }),
      { numRuns: 300 },
    );
  });

  test("files: PEM of one and several, DER, damaged", async () => {
    const der = await made;
    const pem = pemText("CERTIFICATE", der);
    const bytes = (text: string) => new TextEncoder().encode(text);
    expect(certificatesIn(der)).toEqual([der]);
    expect(certificatesIn(bytes(`subject=x\n${pem}\n${pem}`))).toEqual([der, der]);
    for (const text of [
      pem.replaceAll("CERTIFICATE", "PUBLIC KEY"),
      pem.replace(/A/g, "!"),
      "-----BEGIN CERTIFICATE-----\nAAA\n-----END",
    ]) {
      expect(() => certificatesIn(bytes(text))).toThrow(expect.objectContaining(refused));
    }
  });
});
