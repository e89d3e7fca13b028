import { execFileSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { toHex } from "../../src/bytes/hex.ts";
import { curveByName, curveNames } from "../../src/crypto/curves/curves.ts";
import { privateScalar, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { privateKeyInfo } from "../../src/crypto/curves/ecdsa.ts";
import { importKey } from "../../src/crypto/keys/key-import.ts";
import { describeKey, type PlainKey } from "../../src/crypto/keys/plain-key.ts";
import { pemText, publicKeyDer } from "../../src/crypto/keys/public-key-formats.ts";
import { HsmError } from "../../src/errors.ts";
import { describeWith } from "../support/needs.ts";
import { flipped, refusalOf } from "./refusal.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ec = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
const secret = "correct horse";
const password = async () => utf8Bytes(secret);

/** The public half that was imported is that of the key. */
function expectSame(key: PlainKey, original: KeyObject): void {
  if (key.kind === "aes") throw new Error("an AES key");
  const der = createPublicKey(original).export({ format: "der", type: "spki" });
  expect(toHex(publicKeyDer(key))).toBe(toHex(der));
}

const keys: [string, KeyObject, "pkcs1" | "sec1"][] = [
  ["RSA", rsa, "pkcs1"],
  ["EC", ec, "sec1"],
];

describe.each(keys)("%s", (_, original, old) => {
  test.each(["pkcs8", old] as const)("PEM and DER as %s", async (type) => {
    const pem = utf8Bytes(`# a comment\n${exported(original, "pem", type)}`);
    const der = exported(original, "der", type);
    for (const file of [pem, der as Uint8Array]) expectSame((await importKey(file)).key, original);
  });

  test("encrypted PKCS#8 as PEM and DER, and the old way of PEM", async () => {
    const locked = { cipher: "aes-256-cbc", passphrase: secret };
    const pem = original.export({ format: "pem", type: "pkcs8", ...locked });
    const der = original.export({ format: "der", type: "pkcs8", ...locked });
    const older = original.export({ format: "pem", type: old as "pkcs1", ...locked });
    for (const file of [utf8Bytes(String(pem)), new Uint8Array(der), utf8Bytes(String(older))]) {
      expectSame((await importKey(file, { password })).key, original);
      expect(await refusalOf(importKey(file))).toMatchObject({ code: "KEY_PASSWORD_MISSING", kind: "usage" });
      const wrong = importKey(file, { password: async () => utf8Bytes("wrong horse") });
      expect(await refusalOf(wrong)).toMatchObject({ code: "KEY_PASSWORD_WRONG", kind: "authentication" });
    }
  });

  test("JWK, alone or as a set of one", async () => {
    const jwk = { ...original.export({ format: "jwk" }), kid: "from a jwk" };
    for (const file of [jwk, { keys: [jwk] }]) {
      const imported = await importKey(utf8Bytes(JSON.stringify(file)));
      expectSame(imported.key, original);
      expect([imported.format, imported.label]).toEqual(["JWK", "from a jwk"]);
    }
  });

  test("a flipped bit anywhere is refused, or changes nothing that matters", async () => {
    const good = exported(original, "der", "pkcs8") as Uint8Array;
    const before = (await importKey(good)).key;
    for (let i = 0; i < good.length; i += 23) {
      try {
        expect((await importKey(flipped(good, i, i % 8))).key).toEqual(before);
      } catch (error) {
        if (!(error instanceof HsmError)) throw error;
        expect(["check-failed", "usage", "not-supported"]).toContain(error.kind);
      }
    }
  });
});

test.each(curveNames)("%s: PKCS#8 with its named curve", async (name) => {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(name);
  const scalar = privateScalar(curve, (length) => new Uint8Array(length).fill(0x31));
  const expected = { kind: "ec", curve: name, scalar, point: publicPointOf(curve, scalar) };
  expect((await importKey(privateKeyInfo(curve, scalar))).key).toEqual(expected);
  expect((await importKey(utf8Bytes(pemText("PRIVATE KEY", privateKeyInfo(curve, scalar))))).key).toEqual(expected);
});

test("AES: bare bytes when told so, or a JWK", async () => {
  const value = new Uint8Array(32).fill(3);
  expect((await importKey(value, { rawAes: true })).key).toEqual({ kind: "aes", value });
  const jwk = { kty: "oct", k: Buffer.from(value).toString("base64url") };
  expect((await importKey(utf8Bytes(JSON.stringify(jwk)))).key).toEqual({ kind: "aes", value });
  expect(await refusalOf(importKey(value))).toMatchObject({ code: "KEY_FILE_INVALID" });
  expect(await refusalOf(importKey(value.subarray(1), { rawAes: true }))).toMatchObject({ code: "KEY_SIZE_UNSUITED" });
});

describe("refused, each with its own word", () => {
  const pemOf = (key: KeyObject): string => String(key.export({ format: "pem", type: "pkcs8" }));
  const refused = async (file: string | Uint8Array, code: string, word = ""): Promise<void> => {
    const error = await refusalOf(importKey(typeof file === "string" ? utf8Bytes(file) : file));
    expect(error.code).toBe(code);
    expect(error.message).toContain(word);
  };

  test("keys that no card has", async () => {
    await refused(pemOf(generateKeyPairSync("ed25519").privateKey), "KEY_KIND_UNSUITED", "Ed25519");
    await refused(pemOf(generateKeyPairSync("x448").privateKey), "KEY_KIND_UNSUITED", "X448");
    await refused(
      pemOf(generateKeyPairSync("rsa", { modulusLength: 768 }).privateKey),
      "KEY_SIZE_UNSUITED",
      "768 bits",
    );
    await refused(pemOf(generateKeyPairSync("ec", { namedCurve: "sect233r1" }).privateKey), "CURVE_UNKNOWN");
    await refused(
      JSON.stringify(generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })),
      "KEY_KIND_UNSUITED",
    );
  });

  test("no private key, or too many", async () => {
    const publicKey = createPublicKey(ec);
    await refused(String(publicKey.export({ format: "pem", type: "spki" })), "KEY_NOT_PRIVATE");
    await refused(JSON.stringify(publicKey.export({ format: "jwk" })), "KEY_NOT_PRIVATE");
    await refused(pemOf(ec) + pemOf(rsa), "KEY_AMBIGUOUS", "2 private keys");
    const jwk = ec.export({ format: "jwk" });
    await refused(JSON.stringify({ keys: [jwk, jwk] }), "KEY_AMBIGUOUS", "2 keys");
  });

  test("halves that do not belong together", async () => {
    const stranger = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export({ format: "jwk" });
    await refused(JSON.stringify({ ...ec.export({ format: "jwk" }), d: stranger.d }), "KEY_INCONSISTENT");
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
    await refused(JSON.stringify({ ...rsa.export({ format: "jwk" }), n: other.n }), "KEY_INCONSISTENT");
  });

  test("OpenSSH's own format, with the way out", async () => {
    const error = await refusalOf(
      importKey(utf8Bytes("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")),
    );
    expect(error.advice).toContain("ssh-keygen");
  });

  test("files cut short anywhere", async () => {
    const der = exported(rsa, "der", "pkcs8") as Uint8Array;
    for (let length = 0; length < der.length; length += 11) {
      expect((await refusalOf(importKey(der.subarray(0, length)))).code).toBe("KEY_FILE_INVALID");
    }
    const pem = pemOf(rsa);
    for (let length = 0; length < pem.length - 2; length += 50) {
      expect((await refusalOf(importKey(utf8Bytes(pem.slice(0, length))))).kind).toBe("check-failed");
    }
  });

  test("nonsense of any kind, with no word of what the file says", async () => {
    const nonsense = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(utf8Bytes));
    await fc.assert(
      fc.asyncProperty(nonsense, async (bytes) => {
        expect(["check-failed", "not-supported"]).toContain((await refusalOf(importKey(bytes, { password }))).kind);
      }),
    );
    const message = (await refusalOf(importKey(utf8Bytes('{"kty":"oct","k":"geheim!"')))).message;
    expect(message).not.toContain("geheim");
  });
});

describeWith(["openssl"], "made by openssl", () => {
  let folder = "";
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { stdio: "pipe" });
  };
  const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(at(name)));

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "hsmadm-p12-"));
    writeFileSync(
      at("ca.key"),
      String(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "pem", type: "pkcs8" })),
    );
    openssl("req", "-x509", "-key", at("ca.key"), "-subj", "/CN=CA", "-out", at("ca.pem"));
    for (const [name, key] of [
      ["rsa", rsa],
      ["ec", ec],
    ] as const) {
      writeFileSync(at(`${name}.key`), String(key.export({ format: "pem", type: "pkcs8" })));
      openssl("req", "-new", "-key", at(`${name}.key`), "-subj", `/CN=${name}`, "-out", at(`${name}.csr`));
      openssl(
        "x509",
        "-req",
        "-in",
        at(`${name}.csr`),
        "-CA",
        at("ca.pem"),
        "-CAkey",
        at("ca.key"),
        "-set_serial",
        "7",
        "-out",
        at(`${name}.pem`),
      );
      p12(`${name}.p12`, name);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function p12(out: string, name: string, ...more: string[]): void {
    openssl(
      "pkcs12",
      "-export",
      "-inkey",
      at(`${name}.key`),
      "-in",
      at(`${name}.pem`),
      "-certfile",
      at("ca.pem"),
      "-name",
      `my ${name}`,
      "-passout",
      `pass:${secret}`,
      "-out",
      at(out),
      ...more,
    );
  }

  test.each(keys.map(([kind, key]) => [kind.toLowerCase(), key] as const))(
    "PKCS#12 with its chain: %s",
    async (name, original) => {
      const imported = await importKey(bytesOf(`${name}.p12`), { password });
      expectSame(imported.key, original);
      expect([imported.format, imported.label]).toEqual(["PKCS#12", `my ${name}`]);
      expect(imported.certificates.map((der) => pemText("CERTIFICATE", der))).toEqual(
        [`${name}.pem`, "ca.pem"].map((file) => readFileSync(at(file), "utf8")),
      );
    },
  );

  test("PKCS#12: wrong password, damage, two keys, none", async () => {
    const good = bytesOf("ec.p12");
    const wrong = importKey(good, { password: async () => utf8Bytes("wrong horse") });
    expect(await refusalOf(wrong)).toMatchObject({ code: "KEY_PASSWORD_WRONG", kind: "authentication" });
    expect(await refusalOf(importKey(good))).toMatchObject({ code: "KEY_PASSWORD_MISSING" });
    for (let i = 0; i < good.length; i += 97) {
      try {
        expectSame((await importKey(flipped(good, i, i % 8), { password })).key, ec);
      } catch (error) {
        expect(error).toBeInstanceOf(HsmError);
      }
    }
    p12("bare.p12", "ec", "-nokeys");
    expect((await refusalOf(importKey(bytesOf("bare.p12"), { password }))).code).toBe("KEY_NOT_PRIVATE");
  });

  test("PKCS#12 under the ciphers of old: refused with the way out", async () => {
    try {
      p12("old.p12", "ec", "-legacy");
    } catch {
      return; // This openssl cannot make one any more.
    }
    const error = await refusalOf(importKey(bytesOf("old.p12"), { password }));
    expect(error).toMatchObject({ code: "PKCS12_OLD", kind: "not-supported" });
    expect(error.advice).toContain("openssl pkcs12 -export");
  });

  test("a certificate beside the key that is not its own", async () => {
    const file = readFileSync(at("ec.key"), "utf8") + readFileSync(at("ca.pem"), "utf8");
    expect(await refusalOf(importKey(utf8Bytes(file)))).toMatchObject({ code: "KEY_INCONSISTENT" });
    const right =
      readFileSync(at("ca.pem"), "utf8") + readFileSync(at("ec.key"), "utf8") + readFileSync(at("ec.pem"), "utf8");
    const { certificates } = await importKey(utf8Bytes(right));
    expect(certificates.map((der) => pemText("CERTIFICATE", der))[0]).toBe(readFileSync(at("ec.pem"), "utf8"));
    expect((await refusalOf(importKey(bytesOf("ec.pem")))).code).toBe("KEY_NOT_PRIVATE");
  });

  test("what openssl writes by itself: EC with parameters spelled out, and a PARAMETERS block before", async () => {
    openssl("ecparam", "-name", "brainpoolP256r1", "-genkey", "-param_enc", "explicit", "-out", at("explicit.pem"));
    expect(describeKey((await importKey(bytesOf("explicit.pem"))).key)).toBe("EC brainpoolP256r1");
    openssl("ecparam", "-name", "secp521r1", "-genkey", "-out", at("named.pem"));
    expect(describeKey((await importKey(bytesOf("named.pem"))).key)).toBe("EC secp521r1");
  });
});

function exported(key: KeyObject, format: "pem" | "der", type: "pkcs8" | "pkcs1" | "sec1"): string | Uint8Array {
  return format === "pem"
    ? String(key.export({ format: "pem", type: type as "pkcs8" }))
    : new Uint8Array(key.export({ format: "der", type: type as "pkcs8" }));
}
