import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import type { SimulatedToken } from "../../src/simulator/simulator.ts";
import { aesKey, ecKey, generate, operation } from "./support/keys.ts";
import { bothProfiles, initialised, loggedIn, selectApplet, send, sendAll } from "./support/token.ts";

const zeroIv = new Uint8Array(16);

function aesValue(token: SimulatedToken, id: number): Uint8Array {
  const key = token.state.keys.get(id);
  if (key?.kind !== "aes") throw new Error("no AES key");
  return key.value;
}

function cbc(key: Uint8Array, data: Uint8Array): string {
  const cipher = createCipheriv(`aes-${8 * key.length}-cbc`, key, zeroIv).setAutoPadding(false);
  return toHex(new Uint8Array(cipher.update(data)));
}

function plainOf(key: Uint8Array, data: Uint8Array): string {
  const decipher = createDecipheriv(`aes-${8 * key.length}-cbc`, key, zeroIv).setAutoPadding(false);
  return toHex(new Uint8Array(decipher.update(data)));
}

const blocks = fc.integer({ min: 1, max: 20 }).chain((n) => fc.uint8Array({ minLength: 16 * n, maxLength: 16 * n }));

describe.each(bothProfiles)("an AES key on a %s", (profile) => {
  test.each([
    ["B0", 16],
    ["B1", 24],
    ["B2", 32],
  ] as const)("of size %s has %i bytes; it encrypts and decrypts", async (size, length) => {
    const token = await loggedIn(profile);
    expect(await send(token, aesKey("01", size))).toBe("9000");
    const key = aesValue(token, 1);
    expect(key.length).toBe(length);
    await fc.assert(
      fc.asyncProperty(blocks, async (data) => {
        const cryptogram = cbc(key, data);
        expect(await send(token, operation("78", "01", "10", toHex(data)))).toBe(`${cryptogram}9000`);
        expect(await send(token, operation("78", "01", "11", cryptogram))).toBe(
          `${plainOf(key, fromHex(cryptogram))}9000`,
        );
      }),
      { numRuns: 20 },
    );
  });

  test("is another one each time", async () => {
    const token = await loggedIn(profile);
    await sendAll(token, aesKey("01", "B2"), aesKey("02", "B2"));
    expect(aesValue(token, 1)).not.toEqual(aesValue(token, 2));
  });

  test("is refused without login, for other sizes, for key 00", async () => {
    expect(await send(await initialised(profile), aesKey("01", "B2"))).toBe("6982");
    const token = await loggedIn(profile);
    expect(await sendAll(token, aesKey("01", "B4"), aesKey("00", "B2"))).toEqual(["6A86", "6A86"]);
    await sendAll(token, aesKey("01", "B2"), selectApplet);
    expect(await send(token, operation("78", "01", "18", "AA"))).toBe("6982");
  });

  test("takes whole blocks, and one at least", async () => {
    const token = await loggedIn(profile);
    await send(token, aesKey("01", "B0"));
    for (const data of ["AA".repeat(15), "AA".repeat(17)]) {
      expect(await send(token, operation("78", "01", "10", data))).toBe("6700");
    }
    expect(await send(token, "8078011000")).toBe("6700");
  });

  test("is used as its kind and its rules allow", async () => {
    const [wrongKind, notAllowed, usedUp, unknown] =
      profile === "genuine" ? ["6A81", "6A81", "6984", "6A81"] : ["6400", "6985", "6A84", "6A86"];
    const token = await loggedIn(profile);
    await sendAll(token, aesKey("01", "B0", "9004000000029102 1018"), generate("02", ecKey("secp256r1")));
    expect(await send(token, operation("68", "02", "10", "AA"))).toBe(unknown);
    expect(await send(token, operation("78", "02", "18", "AA"))).toBe(wrongKind);
    expect(await send(token, operation("78", "01", "11", "AA".repeat(16)))).toBe(notAllowed);
    const uses = await sendAll(token, ...["10", "18", "18"].map((alg) => operation("78", "01", alg, "AA".repeat(16))));
    expect(uses.map((answer) => answer.slice(-4))).toEqual(["9000", "9000", usedUp]);
    expect(token.state.keys.get(1)?.rules.usesLeft).toBe(0);
    const plain = await loggedIn(profile);
    await send(plain, aesKey("01", "B0"));
    expect(await send(plain, operation("68", "01", "73", "AA"))).toBe(wrongKind);
    expect(await send(plain, operation("62", "01", "21", "AA"))).toBe(wrongKind);
  });

  test("an operation that fails costs no use", async () => {
    const token = await loggedIn(profile);
    await send(token, aesKey("01", "B0", "900400000001"));
    expect(await send(token, operation("78", "01", "10", "AA"))).toBe("6700");
    expect(token.state.keys.get(1)?.rules.usesLeft).toBe(1);
  });

  test("shows its rules in the FCI of CCxx, and is gone after DELETE FILE", async () => {
    const token = await loggedIn(profile);
    await send(token, aesKey("01", "B0", "9004000000059104 10111899"));
    const rules = "90040000000591041011 1899".replace(" ", "");
    const fci = await send(token, "00A4000002CC0100");
    expect(fci).toContain(profile === "genuine" ? `A50C${rules}9000` : `A5810C${rules}9000`);
    expect(await send(token, "00E4020002CC01")).toBe("9000");
    expect(await send(token, operation("78", "01", "18", "AA"))).toBe(profile === "genuine" ? "6A88" : "6A82");
  });
});

describe("what the cards do differently with an AES key", () => {
  test("CMAC is 16 bytes, also of nothing (RFC 4493 through a wrapped key: see crypto)", async () => {
    const token = await loggedIn("genuine");
    await send(token, aesKey("01", "B0"));
    expect(await send(token, "8078011800")).toMatch(/^.{32}9000$/);
  });

  test("derivation: 32 bytes on a genuine card, HKDF as long as the input on a pico", async () => {
    const data = "0102030405";
    const genuine = await loggedIn("genuine");
    await send(genuine, aesKey("01", "B2"));
    const digest = createHash("sha256").update(fromHex("00000001")).update(aesValue(genuine, 1)).update(fromHex(data));
    expect(await send(genuine, operation("78", "01", "99", data))).toBe(`${digest.digest("hex").toUpperCase()}9000`);
    const pico = await loggedIn("pico");
    await send(pico, aesKey("01", "B2"));
    const expected = new Uint8Array(hkdfSync("sha256", aesValue(pico, 1), new Uint8Array(), fromHex(data), 5));
    expect(await send(pico, operation("78", "01", "99", data))).toBe(`${toHex(expected)}9000`);
  });

  test("a pico describes it, with the vendor's structure and its own ID", async () => {
    // Reference 03 section 3.5; no label, ID in ASCII digits.
    const token = await loggedIn("pico");
    await send(token, aesKey("10", "B2"));
    expect(await send(token, "00B1C410045402000000")).toBe(
      "A81F30020C003009040231360303 07C010A006300402020100A106300430020400 9000".replaceAll(" ", ""),
    );
  });
});
