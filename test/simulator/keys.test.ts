import { constants, createPublicKey, createVerify, publicDecrypt, publicEncrypt, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { curveByName, curveNames } from "../../src/crypto/curves/curves.ts";
import { derToPlain, ecdsaVerify, subjectPublicKeyInfo } from "../../src/crypto/curves/ecdsa.ts";
import { type Cvc, parseAuthenticatedRequest } from "../../src/crypto/cvc/cvc.ts";
import { hashOf } from "../../src/simulator/rsa.ts";
import type { SimulatedToken } from "../../src/simulator/simulator.ts";
import { ecKey, generate, operation, rsaKey } from "./support/keys.ts";
import { bothProfiles, initialised, loggedIn, selectApplet, send, sendAll } from "./support/token.ts";

interface ApduVectors {
  readonly apdus: Readonly<Record<string, string>>;
}
const vectors = JSON.parse(readFileSync(new URL("../vectors/apdus.json", import.meta.url), "utf8")) as ApduVectors;

/** The key request in an answer, checked: what it says of the key is signed by the key, and all of it by the device. */
function requestIn(token: SimulatedToken, answer: string): Cvc {
  expect(answer.slice(-4)).toBe("9000");
  const { request, outerCar, outerSignature, signedPart } = parseAuthenticatedRequest(fromHex(answer.slice(0, -4)));
  const { device } = token.state;
  const curve = curveByName(device?.curve ?? "");
  if (device === null || curve === undefined) throw new Error("no device key");
  expect(outerCar).toBe(device.chr);
  const devicePoint = deviceKey(token);
  expect(ecdsaVerify(curve, devicePoint, signedPart, "sha256", outerSignature)).toBe(true);
  return request;
}

function deviceKey(token: SimulatedToken): Uint8Array {
  // 86 41 04…: the first public point in EF 2F02 is the device's.
  const hex = toHex(token.state.device?.certificates ?? new Uint8Array());
  return fromHex(/8641(04.{128})/.exec(hex)?.[1] ?? "");
}

function rsaPublic(request: Cvc) {
  if (request.publicKey.kind !== "rsa") throw new Error("no RSA key");
  const { modulus, exponent } = request.publicKey;
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  return createPublicKey({ key: { kty: "RSA", n: base64(modulus), e: base64(exponent) }, format: "jwk" });
}

const message = "54686520717569636B2062726F776E20666F78";

describe("the sample commands of the vectors", () => {
  test("make keys on a genuine card", async () => {
    const token = await loggedIn("genuine");
    for (const name of ["generate_ec_p256_id1", "generate_rsa2048_id2"]) {
      const request = requestIn(token, await send(token, vectors.apdus[name] ?? ""));
      expect(request.car, name).toBe("UTCA00001");
    }
    expect(await send(token, vectors.apdus["sign_ecdsa_raw_32"] ?? "")).toMatch(/^30.*9000$/);
  });
});

describe.each(bothProfiles)("an EC key on a %s", (profile) => {
  let token: SimulatedToken;
  beforeAll(async () => {
    token = await loggedIn(profile);
  });

  test.each(curveNames.filter((name) => profile === "genuine" || !name.endsWith("t1")))("of %s signs", async (name) => {
    const curve = curveByName(name);
    if (curve === undefined) throw new Error(name);
    await send(token, "00E4020002CC01");
    const request = requestIn(token, await send(token, generate("01", ecKey(name))));
    if (request.publicKey.kind !== "ec") throw new Error("no EC key");
    expect(request.publicKey.curve).toBe(name);
    const { point } = request.publicKey;
    expect(ecdsaVerify(curve, point, request.body, "sha256", request.signature), "proof of possession").toBe(true);
    for (const [algorithm, hash] of [
      ["71", "sha1"],
      ["72", "sha224"],
      ["73", "sha256"],
      ["74", "sha384"],
      ["75", "sha512"],
    ] as const) {
      const answer = await send(token, operation("68", "01", algorithm, message));
      const plain = derToPlain(fromHex(answer.slice(0, -4)), curve.orderBytes);
      expect(ecdsaVerify(curve, point, fromHex(message), hash, plain), algorithm).toBe(true);
    }
    const digest = hashOf("sha256", fromHex(message));
    const raw = await send(token, operation("68", "01", "70", toHex(digest)));
    expect(ecdsaVerify(curve, point, digest, "none", derToPlain(fromHex(raw.slice(0, -4)), curve.orderBytes))).toBe(
      true,
    );
  });

  test("of P-256 signs what OpenSSL verifies", async () => {
    await send(token, "00E4020002CC02");
    const request = requestIn(token, await send(token, generate("02", ecKey("secp256r1"))));
    const curve = curveByName("secp256r1");
    if (request.publicKey.kind !== "ec" || curve === undefined) throw new Error("no EC key");
    const key = createPublicKey({
      key: Buffer.from(subjectPublicKeyInfo(curve, request.publicKey.point)),
      format: "der",
      type: "spki",
    });
    const answer = await send(token, operation("68", "02", "73", message));
    expect(verify("sha256", fromHex(message), key, fromHex(answer.slice(0, -4)))).toBe(true);
  });
});

describe.each(bothProfiles)("an RSA key on a %s", (profile) => {
  let token: SimulatedToken;
  let request: Cvc;
  beforeAll(async () => {
    token = await loggedIn(profile);
    request = requestIn(token, await send(token, generate("05", rsaKey(2048))));
  });

  test("proves its possession in the request", () => {
    expect(createVerify("sha256").update(request.body).verify(rsaPublic(request), request.signature)).toBe(true);
  });

  test.each([
    ["31", "sha1"],
    ["32", "sha224"],
    ["33", "sha256"],
    ["34", "sha384"],
    ["35", "sha512"],
  ] as const)("signs PKCS#1 v1.5 with algorithm %s (%s)", async (algorithm, hash) => {
    const answer = await send(token, operation("68", "05", algorithm, message));
    expect(verify(hash, fromHex(message), rsaPublic(request), fromHex(answer.slice(0, -4)))).toBe(true);
  });

  test.each([
    ["41", "sha1", 20],
    ["42", "sha224", 28],
    ["43", "sha256", 32],
    ["44", "sha384", 48],
    ["45", "sha512", 64],
  ] as const)("signs PSS with algorithm %s (%s), salt as long as the hash", async (algorithm, hash, saltLength) => {
    const key = { key: rsaPublic(request), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
    const answer = await send(token, operation("68", "05", algorithm, message));
    expect(verify(hash, fromHex(message), key, fromHex(answer.slice(0, -4)))).toBe(true);
    const given = await send(token, operation("68", "05", "40", toHex(hashOf(hash, fromHex(message)))));
    expect(verify(hash, fromHex(message), key, fromHex(given.slice(0, -4)))).toBe(true);
  });

  test("signs a DigestInfo as it is (30), and a whole block (20)", async () => {
    const answer = await send(token, operation("68", "05", "30", message));
    expect(toHex(publicDecrypt(rsaPublic(request), fromHex(answer.slice(0, -4))))).toBe(message);
    const block = `00${"42".repeat(255)}`;
    const raw = await send(token, operation("68", "05", "20", block));
    const key = { key: rsaPublic(request), padding: constants.RSA_NO_PADDING };
    expect(toHex(publicDecrypt(key, fromHex(raw.slice(0, -4))))).toBe(block);
  });

  test("refuses blocks of another length, or not below the modulus", async () => {
    expect(await send(token, operation("68", "05", "20", "42".repeat(255)))).toBe("6700");
    expect(await send(token, operation("68", "05", "20", "FF".repeat(256)))).toBe(
      profile === "genuine" ? "6A80" : "6700",
    );
    expect(await send(token, operation("68", "05", "30", "42".repeat(250)))).toBe(
      profile === "genuine" ? "6A80" : "6700",
    );
  });

  test("deciphers a block with its padding (21)", async () => {
    const key = { key: rsaPublic(request), padding: constants.RSA_PKCS1_PADDING };
    const cryptogram = toHex(publicEncrypt(key, fromHex(message)));
    const answer = await send(token, operation("62", "05", "21", cryptogram));
    expect(answer).toMatch(new RegExp(`^0002.*00${message}9000$`));
    expect(answer.length).toBe(2 * 258);
  });
});

describe("key generation", () => {
  test.each([1024, 1536, 3072, 4096])("makes RSA keys of %i bits", async (bits) => {
    const token = await loggedIn("genuine");
    const request = requestIn(token, await send(token, generate("01", rsaKey(bits))));
    expect(request.publicKey.kind === "rsa" && request.publicKey.modulus.length).toBe(bits / 8);
  });

  test("stores the request in CExx; a pico writes the description C4xx too", async () => {
    for (const [profile, files] of [
      ["genuine", "2F02CC00CC10CE109000"],
      ["pico", "C400CC00CC10C4109000"],
    ] as const) {
      const token = await loggedIn(profile);
      const answer = await send(token, generate("10", ecKey("secp256r1")));
      const stored = await send(token, "00B1CE1000000454020000 0000");
      expect(stored.slice(0, -4)).toBe(answer.slice(0, -4));
      expect(await send(token, "80580000000000")).toBe(files);
    }
    const pico = await loggedIn("pico");
    await send(pico, generate("10", ecKey("secp256r1")));
    // Reference 03 section 3.4: key 16 has the ID "16" in ASCII.
    expect(await send(pico, "00B1C410045402000000")).toBe(
      "A01B30020C00300904023136030307 2080A10A300830020400020201009000".replaceAll(" ", ""),
    );
  });

  test("is refused without login, without template, for other sizes and curves", async () => {
    expect(await send(await initialised("genuine"), generate("01", rsaKey(2048)))).toBe("6982");
    const token = await loggedIn("genuine");
    expect(await send(token, generate("01", rsaKey(2000)))).toBe("6A81");
    expect(await send(token, generate("01", ecKey("secp256r1").replace("FFFFFFFF", "FFFFFFFE")))).toBe("6A81");
    expect(await sendAll(token, "00460100", "0046010002 5F29", generate("00", rsaKey(2048)))).toEqual([
      "6A80",
      "6A80",
      "6A86",
    ]);
  });

  test("keeps an existing key on a genuine card, and replaces it on a pico", async () => {
    const genuine = await loggedIn("genuine");
    await send(genuine, generate("01", ecKey("secp256r1")));
    expect(await send(genuine, generate("01", rsaKey(2048)))).toBe("6A89");
    const pico = await loggedIn("pico");
    await send(pico, generate("01", ecKey("secp256r1")));
    expect(await send(pico, generate("01", rsaKey(2048)))).toMatch(/9000$/);
  });

  test("gives equal bytes in a repeatable world, and others in another", async () => {
    const runs = [];
    for (let i = 0; i < 2; i++) {
      const token = await loggedIn("genuine");
      runs.push(
        await sendAll(
          token,
          generate("01", ecKey("brainpoolP256r1")),
          generate("02", rsaKey(1024)),
          operation("68", "01", "73", message),
        ),
      );
    }
    expect(runs[1]).toEqual(runs[0]);
  });
});

describe("rules of a key", () => {
  test("limit its algorithms and its uses", async () => {
    for (const [profile, notAllowed, usedUp] of [
      ["genuine", "6A81", "6984"],
      ["pico", "6985", "6A84"],
    ] as const) {
      const token = await loggedIn(profile);
      await send(token, generate("01", ecKey("secp256r1"), "9004000000029102" + "7372"));
      expect(await send(token, operation("68", "01", "74", message))).toBe(notAllowed);
      const uses = await sendAll(
        token,
        ...["73", "72", "73"].map((algorithm) => operation("68", "01", algorithm, message)),
      );
      expect(uses.map((answer) => answer.slice(-4))).toEqual(["9000", "9000", usedUp]);
    }
  });

  test("are shown in the FCI of CCxx", async () => {
    const token = await loggedIn("genuine");
    await send(token, generate("01", ecKey("secp256r1"), "9004000000029102" + "7372"));
    expect(await send(token, "00A4000002CC0100")).toBe(
      "6F178002000082010883 02CC01A50A90040000000291027372 9000".replaceAll(" ", ""),
    );
  });
});

describe("using keys", () => {
  test("wants a login and a key that is there", async () => {
    const token = await loggedIn("genuine");
    await send(token, generate("01", ecKey("secp256r1")));
    expect(await send(token, operation("68", "02", "73", message))).toBe("6A88");
    expect(await sendAll(token, operation("68", "01", "33", message), operation("68", "01", "99", message))).toEqual([
      "6A81",
      "6A81",
    ]);
    await send(token, selectApplet);
    expect(await send(token, operation("68", "01", "73", message))).toBe("6982");
  });

  test("ends with DELETE FILE of CCxx; description and request stay", async () => {
    const token = await loggedIn("genuine");
    await send(token, generate("01", ecKey("secp256r1")));
    expect(await sendAll(token, "00E4020002CC01", operation("68", "01", "73", message), "80580000000000")).toEqual([
      "9000",
      "6A88",
      "2F02CC00CE019000",
    ]);
  });
});
