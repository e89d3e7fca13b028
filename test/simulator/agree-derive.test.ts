import { constants, createECDH, createPublicKey, publicEncrypt } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { type Curve, curveByName, curveNames } from "../../src/crypto/curves/curves.ts";
import { multiplyPoint, privateScalar, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { rsaKeyOf, rsaPublicKey } from "../../src/simulator/rsa.ts";
import type { SimulatedToken } from "../../src/simulator/simulator.ts";
import { ecKey, generate, operation, rsaKey } from "./support/keys.ts";
import { bothProfiles, loggedIn, send, sendAll } from "./support/token.ts";

function curveOf(name: string): Curve {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(name);
  return curve;
}

function scalarOf(token: SimulatedToken, id: number): Uint8Array {
  const key = token.state.keys.get(id);
  if (key?.kind !== "ec") throw new Error("no EC key");
  return key.scalar;
}

function peerOf(curve: Curve): { scalar: Uint8Array; point: Uint8Array } {
  const scalar = privateScalar(curve, repeatableWorld("peer").random);
  return { scalar, point: publicPointOf(curve, scalar) };
}

describe.each(bothProfiles)("ECDH on a %s", (profile) => {
  test.each(curveNames.filter((name) => profile === "genuine" || !name.endsWith("t1")))(
    "over %s: both sides come to the same point",
    async (name) => {
      const curve = curveOf(name);
      const token = await loggedIn(profile);
      await send(token, generate("01", ecKey(name)));
      const { scalar, point } = peerOf(curve);
      const shared = toHex(multiplyPoint(curve, scalar, publicPointOf(curve, scalarOf(token, 1))));
      const told = profile === "genuine" ? shared : shared.slice(0, 2 + 2 * curve.fieldBytes);
      expect(await send(token, operation("62", "01", "80", toHex(point)))).toBe(`${told}9000`);
    },
  );

  test("over P-256 agrees with OpenSSL", async () => {
    const token = await loggedIn(profile);
    await send(token, generate("01", ecKey("secp256r1")));
    const peer = createECDH("prime256v1");
    const point = toHex(new Uint8Array(peer.generateKeys()));
    const secret = peer.computeSecret(publicPointOf(curveOf("secp256r1"), scalarOf(token, 1)));
    const answer = await send(token, operation("62", "01", "80", point));
    expect(answer.slice(0, 66)).toBe(`04${toHex(new Uint8Array(secret))}`);
  });

  test("takes no point off the curve, of another curve, compressed, or at infinity", async () => {
    const token = await loggedIn(profile);
    await send(token, generate("01", ecKey("secp256r1")));
    const { point } = peerOf(curveOf("secp256r1"));
    const off = toHex(point.map((byte, i) => (i === 64 ? byte ^ 1 : byte)));
    const other = toHex(peerOf(curveOf("brainpoolP256r1")).point);
    const wrong = profile === "genuine" ? "6A80" : "6700";
    expect(
      await sendAll(
        token,
        ...[off, other, `02${toHex(point).slice(2, 66)}`, "00", `04${"00".repeat(64)}`].map((data) =>
          operation("62", "01", "80", data),
        ),
      ),
    ).toEqual([wrong, wrong, "6700", "6700", wrong]);
  });

  test("is for EC keys, RSA deciphering for RSA keys", async () => {
    const token = await loggedIn(profile);
    await sendAll(token, generate("01", ecKey("secp256r1")), generate("02", rsaKey(1024)));
    const wrong = profile === "genuine" ? "6A81" : "6400";
    const point = toHex(peerOf(curveOf("secp256r1")).point);
    expect(
      await sendAll(token, operation("62", "02", "80", point), operation("62", "01", "21", "AA".repeat(128))),
    ).toEqual([wrong, wrong]);
  });
});

describe.each(bothProfiles)("rules of a key on a %s", (profile) => {
  const [notAllowed, usedUp] = profile === "genuine" ? ["6A81", "6984"] : ["6985", "6A84"];

  test("count agreements, decipherings and derivations, whichever they were", async () => {
    const token = await loggedIn(profile);
    const point = toHex(peerOf(curveOf("secp256r1")).point);
    await sendAll(
      token,
      generate("01", ecKey("secp256r1"), "900400000002"),
      generate("02", rsaKey(1024), "900400000001"),
    );
    const agree = operation("62", "01", "80", point);
    const uses = await sendAll(token, agree, "80760103029801", agree, "80760104029801");
    expect(uses.map((answer) => answer.slice(-4))).toEqual(["9000", "9000", usedUp, usedUp]);
    const raw = operation("62", "02", "21", `00${"01".repeat(127)}`);
    expect((await sendAll(token, raw, raw)).map((answer) => answer.slice(-4))).toEqual(["9000", usedUp]);
  });

  test("do not stop a used up key from being wrapped, and wrapping costs no use", async () => {
    const token = await loggedIn(profile, { tags: "910103920100" });
    await send(token, generate("01", ecKey("secp256r1"), "900400000000"));
    for (let i = 0; i < 2; i++) expect(await send(token, "80720192000000")).toMatch(/9000$/);
  });

  test("name what the key is for: ECDH, deciphering, derivation and wrapping are names of their own", async () => {
    const token = await loggedIn(profile, { tags: "910103920100" });
    const point = toHex(peerOf(curveOf("secp256r1")).point);
    await sendAll(token, generate("01", ecKey("secp256r1"), "910173"), generate("02", rsaKey(1024), "910120"));
    expect(
      await sendAll(
        token,
        operation("62", "01", "80", point),
        operation("62", "02", "21", "00".repeat(128)),
        "80760103029801",
        "80720192000000",
      ),
    ).toEqual([notAllowed, notAllowed, notAllowed, notAllowed]);
    await send(token, generate("05", ecKey("secp256r1"), "9103809892"));
    const answers = await sendAll(token, operation("62", "05", "80", point), "80760506029801", "80720592000000");
    expect(answers.map((answer) => answer.slice(-4))).toEqual(["9000", "9000", "9000"]);
  });
});

describe.each(bothProfiles)("RSA deciphering on a %s", (profile) => {
  const message = "54686520717569636B";
  let token: SimulatedToken;
  let encrypt: (padding: number, hash?: string) => string;
  beforeAll(async () => {
    token = await loggedIn(profile);
    await send(token, generate("01", rsaKey(2048)));
    const stored = token.state.keys.get(1);
    if (stored?.kind !== "rsa") throw new Error("no RSA key");
    const key = createPublicKey(rsaKeyOf(stored.pkcs8));
    expect(rsaPublicKey(rsaKeyOf(stored.pkcs8)).bits).toBe(2048);
    encrypt = (padding, oaepHash = "sha256") => toHex(publicEncrypt({ key, padding, oaepHash }, fromHex(message)));
  });

  test("takes the padding off where it is asked to (22, 23)", async () => {
    const { RSA_PKCS1_PADDING: pkcs1, RSA_PKCS1_OAEP_PADDING: oaep } = constants;
    expect(await send(token, operation("62", "01", "22", encrypt(pkcs1)))).toBe(`${message}9000`);
    expect(await send(token, operation("62", "01", "23", encrypt(oaep)))).toBe(`${message}9000`);
  });

  test("refuses another padding, another hash, and a cryptogram of another length", async () => {
    const { RSA_PKCS1_PADDING: pkcs1, RSA_PKCS1_OAEP_PADDING: oaep } = constants;
    const wrong = profile === "genuine" ? "6A80" : "6700";
    expect(await send(token, operation("62", "01", "23", encrypt(pkcs1)))).toBe(wrong);
    expect(await send(token, operation("62", "01", "23", encrypt(oaep, "sha1")))).toBe(wrong);
    expect(await send(token, operation("62", "01", "22", "00".repeat(256)))).toBe(wrong);
    expect(await send(token, operation("62", "01", "22", encrypt(pkcs1).slice(2)))).toBe("6700");
  });
});

describe.each(bothProfiles)("DERIVE EC KEY on a %s", (profile) => {
  const derive = (from: string, to: string, data: string) =>
    `8076${from}${to}${(data.length / 2).toString(16).padStart(2, "0")}${data}`;

  test("adds the parameter: whoever has the public key can follow", async () => {
    const token = await loggedIn(profile);
    const curve = curveOf("secp256r1");
    await send(token, generate("01", ecKey("secp256r1")));
    expect(await send(token, derive("01", "02", "980000000003"))).toBe("9000");
    const number = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes)}`);
    expect(number(scalarOf(token, 2)) - number(scalarOf(token, 1))).toBe(3n);
    expect(await send(token, operation("68", "02", "73", "AA"))).toMatch(/9000$/);
    expect(toHex(publicPointOf(curve, scalarOf(token, 2)))).not.toBe(toHex(publicPointOf(curve, scalarOf(token, 1))));
  });

  test("reduces by the order; a pico by the field prime", async () => {
    const token = await loggedIn(profile);
    const curve = curveOf("secp256r1");
    await send(token, generate("01", ecKey("secp256r1")));
    const key = token.state.keys.get(1);
    if (key?.kind !== "ec") throw new Error("no EC key");
    const last = BigInt(`0x${toHex(curve.n)}`) - 1n;
    token.state.keys.set(1, { ...key, scalar: fromHex(last.toString(16)) });
    // n - 1 + 3 is 2 modulo n. On a pico it stays n + 2, below p, and is no private key.
    expect(await send(token, derive("01", "02", "9803"))).toBe(profile === "genuine" ? "9000" : "6700");
    expect(token.state.keys.has(2)).toBe(profile === "genuine");
    if (profile === "genuine") expect(toHex(scalarOf(token, 2))).toBe(`${"00".repeat(31)}02`);
  });

  test("is refused for other kinds, without parameter, where the target is taken", async () => {
    const token = await loggedIn(profile);
    await sendAll(token, generate("01", ecKey("secp256r1")), generate("02", rsaKey(1024)));
    expect(
      await sendAll(
        token,
        derive("02", "03", "9801"),
        derive("01", "03", "98"),
        derive("01", "03", "9901"),
        derive("01", "00", "9801"),
        derive("01", "02", "9801"),
        derive("09", "03", "9801"),
      ),
    ).toEqual(
      profile === "genuine"
        ? ["6A81", "6700", "6700", "6A86", "6A89", "6A88"]
        : ["6400", "6700", "6700", "6A86", "9000", "6A82"],
    );
  });
});
