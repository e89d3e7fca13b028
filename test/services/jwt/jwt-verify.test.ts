import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { exportJWK, importJWK, type JWK, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { plainToDer } from "../../../src/crypto/curves/ecdsa.ts";
import { HsmError } from "../../../src/errors.ts";
import { readJwks, type VerifierKey } from "../../../src/services/jwt/jwks.ts";
import { joseSignature } from "../../../src/services/jwt/jwt-sign.ts";
import { verifyJwt } from "../../../src/services/jwt/jwt-verify.ts";
import vectors from "../../vectors/jose.json" with { type: "json" };

const now = new Date("2026-11-20T12:00:00Z");
const second = now.getTime() / 1000;
const expected = { audience: [], leeway: 0, now };
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const base64Url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

interface Signer {
  readonly jwk: JWK;
  readonly secret: JWK;
}

async function signer(alg: string): Promise<Signer> {
  const pair = alg.startsWith("ES")
    ? generateKeyPairSync("ec", { namedCurve: { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[alg] ?? "" })
    : generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { jwk: await exportJWK(pair.publicKey), secret: { ...(await exportJWK(pair.privateKey)), alg } };
}

async function signed(by: Signer, claims: object, header: object = {}): Promise<string> {
  const { alg = "" } = by.secret;
  return new SignJWT({ iat: second, exp: second + 600, ...claims })
    .setProtectedHeader({ alg, ...header })
    .sign(await importJWK(by.secret));
}

let es256: Signer;
let rs256: Signer;
let keys: VerifierKey[];

beforeAll(async () => {
  es256 = await signer("ES256");
  rs256 = await signer("RS256");
  keys = await readJwks(
    json({
      keys: [
        { ...es256.jwk, kid: "e" },
        { ...rs256.jwk, kid: "r", alg: "RS256" },
      ],
    }),
    "k",
  );
});

describe("RFC 7515 A.3", () => {
  const { header, payload, signature, jwk } = vectors.rfc7515;
  const token = `${header}.${payload}.${signature}`;
  const then = new Date(1300819379 * 1000);

  test("verifies, a second before it expires", async () => {
    const only = await readJwks(json({ keys: [jwk] }), "k");
    const verified = await verifyJwt(token, only, { ...expected, now: then, issuer: "joe" });
    expect(verified).toMatchObject({ alg: "ES256", typ: null, claims: { iss: "joe" } });
    await expect(verifyJwt(token, only, expected)).rejects.toMatchObject({ code: "JWT_EXPIRED" });
  });

  test("is what a card's DER becomes", () => {
    const plain = Buffer.from(signature, "base64url");
    const point = fromHex(`04${toHex(Buffer.from(jwk.x, "base64url"))}${toHex(Buffer.from(jwk.y, "base64url"))}`);
    expect(Buffer.from(joseSignature(plainToDer(plain), { kind: "ec", curve: "secp256r1", point }))).toEqual(plain);
  });

  test("a half with leading zeros keeps its length", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(["secp256r1", 32], ["secp384r1", 48], ["secp521r1", 66]),
        fc.nat(8),
        ([curve, half], zeros) => {
          const plain = new Uint8Array(2 * Number(half)).fill(0x7a);
          plain.fill(0, 0, zeros);
          plain.fill(0, Number(half), Number(half) + zeros);
          const publicKey = { kind: "ec", curve: String(curve), point: new Uint8Array(0) } as const;
          expect(joseSignature(plainToDer(plain), publicKey)).toEqual(plain);
        },
      ),
    );
  });
});

test.each(["ES256", "ES384", "ES512", "RS256", "PS256"])("%s holds", async (alg) => {
  const by = await signer(alg);
  const [key] = await readJwks(json(by.jwk), "k");
  const token = await signed(by, { aud: ["a", "b"], sub: "door" }, { kid: key?.kid, typ: "JWT" });
  const verified = await verifyJwt(token, key ? [key] : [], {
    ...expected,
    audience: ["b"],
    subject: "door",
    typ: "JWT",
  });
  expect(verified).toMatchObject({ alg, kid: key?.kid, claims: { sub: "door" } });
});

describe("each refusal has its own code", () => {
  const refused = async (token: string, code: string, more: object = {}) => {
    const error: unknown = await verifyJwt(token, keys, { ...expected, ...more }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HsmError);
    expect(error).toMatchObject({ code, kind: "check-failed" });
  };
  const body = base64Url({ exp: second + 600 });

  test("alg none, in any spelling, with and without a signature", async () => {
    for (const alg of ["none", "None", "NONE", "nOnE"]) {
      await refused(`${base64Url({ alg, kid: "e" })}.${body}.`, "JWT_ALG_NONE");
      await refused(`${base64Url({ alg, kid: "e" })}.${body}.AAAA`, "JWT_ALG_NONE");
    }
  });

  test("an algorithm that is none of ours, HMAC under the public key above all", async () => {
    for (const alg of ["HS256", "ES256K", "EdDSA", "RS1", "", 7, null, undefined]) {
      await refused(`${base64Url({ alg, kid: "e" })}.${body}.AAAA`, "JWT_ALG_UNKNOWN");
    }
  });

  test("an algorithm of another kind of key, and one that the key is not registered for", async () => {
    await refused(await signed(rs256, {}, { kid: "e" }), "JWT_ALG_MISMATCH");
    await refused(await signed(es256, {}, { kid: "r" }), "JWT_ALG_MISMATCH");
    const ps = { jwk: rs256.jwk, secret: { ...rs256.secret, alg: "PS256" } };
    await refused(await signed(ps, {}, { kid: "r" }), "JWT_ALG_MISMATCH");
  });

  test("a key that is not registered, or none named among several", async () => {
    await refused(await signed(es256, {}, { kid: "other" }), "JWT_KEY_UNKNOWN");
    await refused(await signed(es256, {}), "JWT_KEY_UNKNOWN");
    await refused(await signed(es256, {}, { kid: 7 as unknown as string }), "JWT_KEY_UNKNOWN");
  });

  test("a key of the same kind that did not sign it", async () => {
    await refused(await signed(await signer("ES256"), {}, { kid: "e" }), "JWT_SIGNATURE_WRONG");
  });

  test("changed claims, a cut signature", async () => {
    const [head, , signature] = (await signed(es256, {}, { kid: "e" })).split(".");
    await refused(`${head}.${base64Url({ exp: second + 6000 })}.${signature}`, "JWT_SIGNATURE_WRONG");
    await refused(`${head}.${body}.${signature?.slice(0, 40)}`, "JWT_SIGNATURE_WRONG");
    await refused(`${head}.${body}.`, "JWT_SIGNATURE_WRONG");
  });

  test("times", async () => {
    await refused(await signed(es256, { exp: second }, { kid: "e" }), "JWT_EXPIRED");
    await refused(await signed(es256, { nbf: second + 5 }, { kid: "e" }), "JWT_NOT_YET_VALID");
    await refused(await signed(es256, { iat: second + 5 }, { kid: "e" }), "JWT_NOT_YET_VALID");
    await refused(await signed(es256, { exp: undefined }, { kid: "e" }), "JWT_CLAIM_MISSING");
    for (const claims of [{ exp: second - 5 }, { nbf: second + 5 }, { iat: second + 5 }]) {
      const token = await signed(es256, claims, { kid: "e" });
      await expect(verifyJwt(token, keys, { ...expected, leeway: 10 })).resolves.toBeDefined();
    }
  });

  test("claims that are not as expected", async () => {
    const token = await signed(es256, { aud: "a", iss: "i", sub: "s" }, { kid: "e", typ: "JWT" });
    await refused(token, "JWT_AUDIENCE_WRONG", { audience: ["b"] });
    await refused(token, "JWT_ISSUER_WRONG", { issuer: "j" });
    await refused(token, "JWT_CLAIM_WRONG", { subject: "t" });
    await refused(token, "JWT_CLAIM_WRONG", { typ: "other+jwt" });
    await refused(await signed(es256, {}, { kid: "e" }), "JWT_CLAIM_MISSING", { audience: ["b"] });
  });

  test("what is no JWT, and a header that must be understood and is not", async () => {
    for (const token of [
      "",
      "a",
      "a.b",
      "a.b.c.d",
      "ä.b.c",
      `${base64Url([])}.${body}.AA`,
      `${base64Url("x")}.${body}.AA`,
      "AA.AA.AA",
      `${"A".repeat(70_000)}.A.A`,
    ]) {
      await refused(token, "JWT_MALFORMED");
    }
    await refused(`${base64Url({ alg: "ES256", kid: "e", crit: ["exp2"] })}.${body}.AAAA`, "JWT_MALFORMED");
  });

  test("any text is refused with one of ours", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), fc.object(), async (a, b, header) => {
        for (const token of [a, `${a}.${b}.${a}`, `${base64Url(header)}.${base64Url(b)}.AAAA`]) {
          await expect(verifyJwt(token, keys, expected)).rejects.toBeInstanceOf(HsmError);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("control characters of a token do not reach a terminal", async () => {
    const token = `${base64Url({ alg: "ES256", kid: "\u001b[2J\u202e" })}.${body}.AAAA`;
    await expect(verifyJwt(token, keys, expected)).rejects.toThrow(/^[^\p{Cc}\p{Cf}]*$/u);
  });
});

describe("JWKS", () => {
  test("a private or symmetric key in it is refused", async () => {
    for (const jwk of [es256.secret, { kty: "oct", k: "AAAA" }]) {
      await expect(readJwks(json({ keys: [jwk] }), "f")).rejects.toMatchObject({ code: "JWKS_SECRET" });
    }
  });

  test.each([
    ["no JSON", new TextEncoder().encode("{")],
    ["a number", json(7)],
    ["no keys", json({ keys: [] })],
    ["something else", json({ keys: [7] })],
    ["other kinds only", json({ keys: [{ kty: "OKP", crv: "Ed25519", x: "AA" }] })],
    ["incomplete", json({ keys: [{ kty: "EC", crv: "P-256" }] })],
  ])("%s", async (_, content) => {
    await expect(readJwks(content, "f")).rejects.toMatchObject({ code: "JWKS_INVALID", kind: "check-failed" });
  });

  test("keys for encryption are left out", async () => {
    const content = json({
      keys: [
        { ...rs256.jwk, use: "enc" },
        { ...es256.jwk, key_ops: ["verify"] },
        { ...rs256.jwk, key_ops: ["wrapKey"] },
      ],
    });
    expect((await readJwks(content, "f")).map(({ algorithms }) => algorithms)).toEqual([["ES256"]]);
  });
});
