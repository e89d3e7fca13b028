import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { violations } from "../support/json-schema.ts";
import { Officer } from "../support/officer.ts";
import { behindTheBack } from "../support/open-simulated.ts";
import { TestWorld } from "../support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const at = "--device sim:j --pin env:PIN";
const now = new Date("2026-11-20T12:00:00Z");

/** Runs it with `--json`, holds the document against its schema. */
async function told(code: number, argv: string, when = now): Promise<Record<string, unknown>> {
  const document = await officer.document(code, argv, { now: when });
  const name = document["error"] === undefined ? argv.split(" ").slice(0, 2).join("-") : "error";
  const schema = new URL(`../../../docs/schema/${name}.json`, import.meta.url);
  expect(violations(JSON.parse(readFileSync(schema, "utf8")), document), argv).toEqual([]);
  return document;
}

async function codeOf(exit: number, argv: string, when = now): Promise<unknown> {
  return ((await told(exit, argv, when))["error"] as { code: unknown }).code;
}

async function jwt(argv: string, when = now): Promise<string> {
  const { stdout } = await officer.gets(0, `jwt sign ${argv} ${at}`, { now: when });
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  return stdout.trim();
}

async function jwksOf(key: string): Promise<JSONWebKeySet> {
  return JSON.parse((await officer.gets(0, `key public ${key} --jwks --device sim:j`)).stdout) as JSONWebKeySet;
}

const kinds = [
  ["es256", "ec:p256", "", "ES256"],
  ["es384", "ec:p384", "", "ES384"],
  ["es512", "ec:p521", "", "ES512"],
  ["rs256", "rsa:2048", "", "RS256"],
  ["ps256", "rsa:2048", "--algorithms rsa-pss", "PS256"],
  // Hashing on the card only.
  ["card", "ec:p256", "--algorithms ecdsa-sha256", "ES256"],
] as const;

beforeAll(async () => {
  await officer.initialised("j");
  const others = [
    ["brainpool", "ec:brainpoolP256r1", ""],
    ["k1", "ec:secp256k1", ""],
    ["short", "rsa:1024", ""],
    ["aes", "aes:256", ""],
  ] as const;
  for (const [label, type, options] of [...kinds, ...others]) {
    await officer.gets(0, `key generate --type ${type} --label ${label} ${options} ${at}`);
  }
});

describe.each(kinds)("%s, %s %s", (label, _type, _options, alg) => {
  test("jose verifies the token under the JWKS, so do we", async () => {
    const jwks = await jwksOf(label);
    expect(jwks.keys).toEqual([
      expect.objectContaining({ alg, use: "sig", kid: expect.stringMatching(/^[\w-]{43}$/) }),
    ]);
    const token = await jwt(`--key ${label} --aud https://service.example --iss maker --sub door-7 --claim site=north`);
    const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(jwks), {
      algorithms: [alg],
      audience: "https://service.example",
      issuer: "maker",
      currentDate: now,
    });
    expect(protectedHeader).toEqual({ alg, typ: "JWT", kid: jwks.keys[0]?.kid });
    const iat = now.getTime() / 1000;
    expect(payload).toMatchObject({ sub: "door-7", site: "north", iat, exp: iat + 600 });
    const path = world.path(`${label}.jwks`);
    writeFileSync(path, JSON.stringify(jwks));
    expect(await told(0, `jwt verify ${token} --jwks ${path} --aud https://service.example`)).toMatchObject({ alg });
    expect(await codeOf(9, `jwt verify ${token} --jwks ${path} --aud other`)).toBe("JWT_AUDIENCE_WRONG");
    expect(await codeOf(9, `jwt verify ${token} --jwks ${path}`, new Date("2026-11-20T12:10:00Z"))).toBe("JWT_EXPIRED");
  });
});

describe("jwt sign", () => {
  test("keys that JOSE has no algorithm for are refused with the reason, before a PIN is sent", async () => {
    for (const [key, reason] of [
      ["brainpool", "brainpool curves"],
      ["k1", "ES256K"],
      ["short", "1024 bits"],
    ] as const) {
      const { stderr } = await officer.gets(7, `jwt sign --key ${key} --aud a --device sim:j --pin env:WRONG`);
      expect(stderr).toContain(reason);
      expect(await codeOf(7, `key public ${key} --jwks --device sim:j`)).toBe("JWT_KEY_UNSUITED");
    }
    expect(await codeOf(7, `jwt sign --key aes --aud a ${at}`)).toBe("PUBLIC_KEY_UNKNOWN");
    expect(await codeOf(2, `jwt sign --key none --aud a ${at}`)).toBe("KEY_NOT_FOUND");
  });

  test("a clock that is obviously wrong, here and at the verifier", async () => {
    const wrong = new Date("2020-01-01T00:00:00Z");
    expect(await codeOf(11, `jwt sign --key es256 --aud a ${at}`, wrong)).toBe("CLOCK_WRONG");
    writeFileSync(world.path("clock.jwks"), JSON.stringify(await jwksOf("es256")));
    expect(await codeOf(11, `jwt verify a.b.c --jwks ${world.path("clock.jwks")}`, wrong)).toBe("CLOCK_WRONG");
  });

  test("the file of a token is its owner's; the document does not repeat it", async () => {
    const out = world.path("device.jwt");
    const document = await told(0, `jwt sign --key es256 --aud a --ttl 90s --out ${out} ${at}`);
    expect(document).toMatchObject({ alg: "ES256", jwt: null, expires: "2026-11-20T12:01:30.000Z", out });
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(readFileSync(out, "utf8")).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(await codeOf(8, `jwt sign --key es256 --aud a --out ${out} ${at}`)).toBe("FILE_EXISTS");
    expect(await told(0, `jwt sign --key es256 --aud a ${at}`)).toMatchObject({ jwt: expect.any(String), out: null });
  });

  test("--dry-run sends nothing, not even the PIN", async () => {
    const document = await told(0, "jwt sign --key es256 --aud a --dry-run --device sim:j --pin env:WRONG");
    expect(document).toMatchObject({ dryRun: true, alg: "ES256" });
    expect(await officer.tries("j")).toMatchObject({ user: 3 });
  });

  test("what is wrong with the wishes is told before a card is touched", async () => {
    writeFileSync(world.path("claims.json"), '{"level":3,"exp":1}');
    for (const [options, code] of [
      ["", "OPTION_MISSING"],
      ["--aud a --ttl 2d", "TTL_INVALID"],
      ["--aud a --claim exp=7", "CLAIM_RESERVED"],
      [`--aud a --claims ${world.path("claims.json")}`, "CLAIM_RESERVED"],
      ["--aud a --claim x", "CLAIM_INVALID"],
      ["--aud a --nbf tomorrow", "OPTION_VALUE"],
      ["--aud a --nbf 2026-11-20T13:00:00Z", "CLAIM_INVALID"],
    ]) {
      expect(await codeOf(2, `jwt sign --key es256 ${options} --device sim:nobody --pin env:PIN`), options).toBe(code);
    }
    writeFileSync(world.path("claims.json"), '{"level":3}');
    const token = await jwt(
      `--key es256 --aud a --aud b --nbf 2026-11-20T12:05:00Z --jti one --typ at+jwt --claims ${world.path("claims.json")}`,
    );
    const [head = "", body = ""] = token.split(".").map((part) => Buffer.from(part, "base64url").toString());
    expect(JSON.parse(head)).toMatchObject({ typ: "at+jwt" });
    expect(JSON.parse(body)).toMatchObject({ aud: ["a", "b"], level: 3, jti: "one", nbf: 1795176300 });
    await told(0, `jwt sign --key es256 --aud a --ttl 30d --allow-long-ttl ${at}`);
  });

  test("a key whose certificate is another's is found out before the token is shown", async () => {
    await officer.gets(0, `key generate --type ec:p256 --label twisted ${at}`);
    // The request of another key in its place, as an attacker with the PIN or a faulty program could leave it.
    await behindTheBack(world, "j", async (card) => {
      const [one, other] = [await card.findKey("twisted"), await card.findKey("es256")];
      await card.writeKeyCertificate(one.ref, other.certificateBytes ?? new Uint8Array(0));
    });
    expect(await codeOf(9, `jwt sign --key twisted --aud a ${at}`)).toBe("SIGNATURE_NOT_OF_KEY");
    expect(await codeOf(9, `cert csr twisted --subject CN=a ${at}`)).toBe("SIGNATURE_NOT_OF_KEY");
  });
});

describe("device authentication against a service", () => {
  const registered: JSONWebKeySet = { keys: [] };
  const seen = new Set<string>();
  let clock = now;

  /** A service as others write it: `jose`, pinned algorithms, its own audience, each token once. */
  const server = createServer((request, response) => {
    const [, token = ""] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
    const answer = (status: number, text: string) => response.writeHead(status).end(text);
    jwtVerify(token, createLocalJWKSet(registered), {
      algorithms: ["ES256", "ES384", "ES512", "RS256", "PS256"],
      audience: "https://service.example",
      requiredClaims: ["sub", "exp", "jti"],
      maxTokenAge: "15m",
      currentDate: clock,
    }).then(
      ({ payload }) => {
        const id = String(payload.jti);
        if (seen.has(id)) return answer(401, "replayed");
        seen.add(id);
        return answer(200, `hello ${payload.sub}`);
      },
      (error: unknown) => answer(401, String((error as { code?: unknown }).code)),
    );
  });
  let url = "";

  beforeAll(async () => {
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    registered.keys.push(...(await jwksOf("es256")).keys, ...(await jwksOf("ps256")).keys);
  });
  afterAll(() => new Promise((closed) => server.close(closed)));

  async function knock(token: string): Promise<string> {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    return `${response.status} ${await response.text()}`;
  }

  const aud = "--aud https://service.example --sub door-7";

  test("a registered device gets in with keys of each kind, once for each token", async () => {
    for (const key of ["es256", "ps256"]) {
      const token = await jwt(`--key ${key} ${aud}`);
      expect(await knock(token)).toBe("200 hello door-7");
      expect(await knock(token)).toBe("401 replayed");
    }
  });

  test("a key that is not registered, another audience, a changed, expired, unsigned or missing token stay outside", async () => {
    expect(await knock(await jwt(`--key es384 ${aud}`))).toBe("401 ERR_JWKS_NO_MATCHING_KEY");
    expect(await knock(await jwt("--key es256 --aud https://other.example --sub door-7"))).toBe(
      "401 ERR_JWT_CLAIM_VALIDATION_FAILED",
    );
    const token = await jwt(`--key es256 ${aud}`);
    const [head = "", body = "", signature = ""] = token.split(".");
    const forged = Buffer.from(Buffer.from(body, "base64url").toString().replace("door-7", "door-8")).toString(
      "base64url",
    );
    expect(await knock(`${head}.${forged}.${signature}`)).toBe("401 ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    expect(await knock(`${none}.${body}.`)).toMatch(/^401 ERR_/);
    expect(await knock("")).toMatch(/^401 ERR_/);
    clock = new Date("2026-11-20T12:10:01Z");
    expect(await knock(token)).toBe("401 ERR_JWT_EXPIRED");
    clock = now;
    expect(await knock(token)).toBe("200 hello door-7");
  });
});
