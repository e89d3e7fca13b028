import { createCipheriv } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { bigEndian, concat } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { aesCmac } from "../../src/crypto/aes-cmac.ts";
import { curveByName } from "../../src/crypto/curves/curves.ts";
import { openKeyBlob, parseKeyBlob, sealKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import type { PlainKey } from "../../src/crypto/keys/plain-key.ts";
import { type DkekKeys, deriveDkekKeys } from "../../src/crypto/shares/dkek.ts";
import type { SimulatedToken } from "../../src/simulator/simulator.ts";
import { aesKey, ecKey, generate, operation, rsaKey } from "./support/keys.ts";
import { bothProfiles, initialised, loggedIn, selectApplet, send, sendAll, verifyPin } from "./support/token.ts";

interface Vectors {
  readonly cases: Readonly<Record<string, { readonly dkek: string; readonly header: string; readonly blob: string }>>;
}
const { cases } = JSON.parse(readFileSync(new URL("../vectors/wrapped_keys.json", import.meta.url), "utf8")) as Vectors;

const zeroDkek = "00".repeat(32);
const dkek = cases["ec_p256"]?.dkek ?? "";
const oneShare = { tags: "910103920101" };

function blobOf(name: string): string {
  const vector = cases[name];
  if (vector === undefined) throw new Error(name);
  return vector.blob;
}

async function withDkek(profile: "genuine" | "pico", key = dkek, settings = oneShare): Promise<SimulatedToken> {
  const token = await loggedIn(profile, settings);
  await send(token, `8052000020${key}00`);
  return token;
}

/** A blob with a right MAC around anything. */
function sealed(keys: DkekKeys, type: number, size: number, fields: readonly Uint8Array[]): string {
  const counted = (bytes: Uint8Array) => concat(bigEndian(bytes.length, 2), bytes);
  const plain = concat(new Uint8Array(8), bigEndian(size, 2), ...fields.map(counted), Uint8Array.of(0x80));
  const whole = new Uint8Array(16 * Math.ceil(plain.length / 16));
  whole.set(plain);
  const cipher = createCipheriv("aes-256-cbc", keys.encryption, new Uint8Array(16)).setAutoPadding(false);
  const signed = concat(keys.kcv, Uint8Array.of(type), new Uint8Array(8), cipher.update(whole));
  return toHex(concat(signed, aesCmac(keys.mac, signed)));
}

/** Numbers that belong into blobs, each in the wrong place sooner or later. */
function somefields(): Uint8Array[] {
  const curve = curveByName("secp256r1");
  if (curve === undefined) throw new Error("no P-256");
  const { a, b, p, n, g } = curve;
  return [a, b, p, n, g, Uint8Array.of(1, 0, 1), Uint8Array.of(0), new Uint8Array(128).fill(0xff)];
}

function unwrap(id: string, blob: string): string {
  return `8074${id}9300${(blob.length / 2).toString(16).padStart(4, "0")}${blob}`;
}

function wrap(id: string): string {
  return `8072${id}92000000`;
}

async function wrapped(token: SimulatedToken, id: string): Promise<string> {
  const answer = await send(token, wrap(id));
  expect(answer.slice(-4)).toBe("9000");
  return answer.slice(0, -4);
}

const plain = { rsa: ["05", "06"], ec: ["0C"], aes: ["0F"] } as const;

/** What a key answers to the same question wherever it lies. */
function proof(type: string, id: string): string {
  if (plain.aes.includes(type as "0F")) return operation("78", id, "18", "AABB");
  if (plain.ec.includes(type as "0C"))
    return operation("62", id, "80", cases["ec_p256"] === undefined ? "" : basePoint);
  return operation("68", id, "33", "AABB");
}
const basePoint =
  "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C2964FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5";

describe("the wrapped keys of the vectors", () => {
  test.each(Object.keys(cases))("%s enters both cards and is the same key there", async (name) => {
    const { dkek: key, blob } = cases[name] ?? { dkek: "", blob: "" };
    const answers: string[] = [];
    for (const profile of bothProfiles) {
      const token = await withDkek(profile, key);
      expect(await send(token, unwrap("01", blob)), profile).toBe("9000");
      const answer = await send(token, proof(blob.slice(16, 18), "01"));
      expect(answer.slice(-4)).toBe("9000");
      // Of an ECDH product a pico tells X alone.
      answers.push(answer.slice(0, -4).slice(0, 66));
    }
    expect(answers[0]).toBe(answers[1]);
  });

  test("two spellings of one RSA key are one key", async () => {
    const token = await withDkek("genuine");
    await sendAll(token, unwrap("01", blobOf("rsa2048_type5")), unwrap("02", blobOf("rsa2048_type6_crt")));
    const [first, second] = await sendAll(token, proof("05", "01"), proof("06", "02"));
    expect(first).toMatch(/9000$/);
    expect(second).toBe(first);
  });

  test("a public half of another key is refused", async () => {
    const keys = deriveDkekKeys(fromHex(dkek));
    for (const [name, change] of [
      ["ec_p256", (key: PlainKey) => ({ ...key, point: fromHex(basePoint) })],
      [
        "rsa2048_type6_crt",
        (key: PlainKey) => (key.kind === "rsa" ? { ...key, modulus: key.modulus.map((byte) => byte ^ 0x10) } : key),
      ],
      [
        "rsa2048_type5",
        (key: PlainKey) => (key.kind === "rsa" ? { ...key, modulus: key.modulus.map((byte) => byte ^ 0x10) } : key),
      ],
    ] as const) {
      const blob = toHex(sealKeyBlob(change(openKeyBlob(parseKeyBlob(fromHex(blobOf(name))), keys)) as PlainKey, keys));
      for (const [profile, refused] of [
        ["genuine", "6A80"],
        ["pico", "6400"],
      ] as const) {
        expect(await send(await withDkek(profile), unwrap("01", blob)), name).toBe(refused);
      }
    }
  });

  test("the public point of ec_p256 is the one in the vector", async () => {
    const token = await withDkek("genuine");
    await send(token, unwrap("01", blobOf("ec_p256")));
    // The product with the base point is the public key.
    expect(await send(token, operation("62", "01", "80", basePoint))).toBe(
      "04C18A3EA235F9D9CE2DB1083F32D802D3C032D130B7B2A3C155916652DEF18D8A9EA55241486DFB38D82EF784".slice(0, 66) +
        (await send(token, operation("62", "01", "80", basePoint))).slice(66),
    );
  });
});

describe.each(bothProfiles)("keys of a %s", (profile) => {
  let from: SimulatedToken;
  beforeAll(async () => {
    from = await withDkek(profile);
    await sendAll(
      from,
      generate("01", rsaKey(2048)),
      generate("02", rsaKey(3072)),
      generate("03", ecKey("secp256r1")),
      generate("04", ecKey("brainpoolP320r1")),
      aesKey("05", "B0"),
      aesKey("06", "B2", "9104101118 92"),
    );
  });

  test.each([
    ["01", proof("05", "01")],
    ["02", proof("05", "02")],
    ["03", proof("0C", "03")],
    ["05", proof("0F", "05")],
    ["06", proof("0F", "06")],
  ])("key %s goes to either card with this DKEK and to no other", async (id, question) => {
    const blob = await wrapped(from, id);
    const here = await send(from, question);
    expect(here.slice(-4)).toBe("9000");
    for (const target of bothProfiles) {
      const to = await withDkek(target);
      expect(await send(to, unwrap(id, blob))).toBe("9000");
      const there = await send(to, question);
      expect(there.slice(0, 66), target).toBe(here.slice(0, 66));
      const stranger = await withDkek(target, zeroDkek);
      expect(await send(stranger, unwrap(id, blob))).toBe(target === "genuine" ? "6A80" : "6400");
      expect(stranger.state.keys.size).toBe(0);
    }
  });

  test("every curve of the card survives", async () => {
    const blob = await wrapped(from, "04");
    const to = await withDkek(profile);
    expect(await send(to, unwrap("04", blob))).toBe("9000");
    expect(to.state.keys.get(4)).toEqual(from.state.keys.get(4));
  });

  test("are never wrapped to the same bytes twice", async () => {
    expect(await wrapped(from, "05")).not.toBe(await wrapped(from, "05"));
  });

  test("keep their algorithm list, which decides whether they leave", async () => {
    const to = await withDkek(profile);
    await send(to, unwrap("06", await wrapped(from, "06")));
    expect(toHex(to.state.keys.get(6)?.rules.algorithms ?? new Uint8Array())).toBe("10111892");
    await send(to, aesKey("07", "B0", "910210 11"));
    expect(await send(to, wrap("07"))).toBe(profile === "genuine" ? "6A81" : "6985");
  });

  test("a flipped bit anywhere in the blob is refused, and nothing changes", async () => {
    const blob = fromHex(await wrapped(from, "03"));
    const to = await withDkek(profile);
    const before = to.serialize();
    await fc.assert(
      fc.asyncProperty(fc.nat(blob.length - 1), fc.nat(7), async (at, bit) => {
        const damaged = blob.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte));
        expect(await send(to, unwrap("03", toHex(damaged)))).toBe(profile === "genuine" ? "6A80" : "6400");
        expect(to.serialize()).toEqual(before);
      }),
    );
  });

  test("a blob cut off anywhere is refused", async () => {
    const blob = await wrapped(from, "05");
    const to = await withDkek(profile);
    for (let length = 1; length < blob.length / 2; length++) {
      expect(await send(to, unwrap("05", blob.slice(0, 2 * length)))).toBe(profile === "genuine" ? "6A80" : "6400");
    }
    expect(to.state.keys.size).toBe(0);
  });

  test("whatever was wrapped, the answer is a status word", async () => {
    const to = await withDkek(profile);
    const keys = deriveDkekKeys(fromHex(dkek));
    const field = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(...somefields()));
    const content = fc.record({
      type: fc.constantFrom(0x05, 0x06, 0x0c, 0x0f, 0x01),
      size: fc.constantFrom(0, 16, 24, 32, 256, 1024, 2048, 0xffff),
      fields: fc.array(field, { maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(content, async ({ type, size, fields }) => {
        const answer = await send(to, unwrap("09", sealed(keys, type, size, fields)));
        expect(answer).toMatch(/^(9000|6A80|6A81|6400|6A89)$/);
        await send(to, "00E4020002CC09");
      }),
      { numRuns: 300 },
    );
  });

  test("enter through EF 2F10, a short one after a long one", async () => {
    const to = await withDkek(profile);
    for (const id of ["01", "05"]) {
      const blob = await wrapped(from, id);
      for (let at = 0; at < blob.length / 2; at += 200) {
        const part = blob.slice(2 * at, 2 * (at + 200));
        const data = `5402${at.toString(16).padStart(4, "0")}5381${(part.length / 2).toString(16).padStart(2, "0")}${part}`;
        expect(await send(to, `00D72F1000${(data.length / 2).toString(16).padStart(4, "0")}${data}`)).toBe("9000");
      }
      expect(await send(to, `8074${id}93`)).toBe("9000");
    }
    expect(to.state.keys.get(5)).toEqual(from.state.keys.get(5));
    expect(await send(to, "80740993")).toBe("6A82");
    // Also when the long one was never taken in.
    const short = await wrapped(from, "05");
    const offsetAndData = (bytes: string) => `540200005381${(bytes.length / 2).toString(16).padStart(2, "0")}${bytes}`;
    for (const content of [`${short}FFFF`, short]) {
      const data = offsetAndData(content);
      expect(await send(to, `00D72F10${(data.length / 2).toString(16).padStart(2, "0")}${data}`)).toBe("9000");
    }
    expect(await send(to, "80740A93")).toBe("9000");
  });

  test("come and go for those who are logged in, and under a complete DKEK", async () => {
    const blob = await wrapped(from, "05");
    const locked = await withDkek(profile);
    await sendAll(locked, unwrap("05", blob), selectApplet);
    expect(await sendAll(locked, wrap("05"), unwrap("06", blob))).toEqual(["6982", "6982"]);
    const without = await loggedIn(profile);
    await send(without, aesKey("05", "B0"));
    expect(await sendAll(without, wrap("05"), unwrap("06", blob))).toEqual(
      profile === "genuine" ? ["6A88", "6A88"] : ["6A88", "6400"],
    );
    const pending = await loggedIn(profile, oneShare);
    expect(await send(pending, unwrap("05", blob))).toBe(profile === "genuine" ? "6985" : "6400");
    expect(await sendAll(from, wrap("77"), "8072059100", "80740592")).toEqual([
      profile === "genuine" ? "6A88" : "6A82",
      "6A86",
      "6A86",
    ]);
  });

  test("an id in use stays as it is on a genuine card, and is taken over on a pico", async () => {
    const to = await withDkek(profile);
    const [first, second] = [await wrapped(from, "05"), await wrapped(from, "06")];
    expect(await sendAll(to, unwrap("01", first), unwrap("01", second))).toEqual([
      "9000",
      profile === "genuine" ? "6A89" : "9000",
    ]);
    expect(to.state.keys.get(1)).toEqual(from.state.keys.get(profile === "genuine" ? 5 : 6));
  });
});

describe("what a wrapped key looks like", () => {
  test("a genuine card: type 06 to 2048 bits, 05 above, every number at full length", async () => {
    const token = await withDkek("genuine");
    await sendAll(
      token,
      generate("01", rsaKey(2048)),
      generate("02", rsaKey(3072)),
      generate("03", ecKey("secp256r1")),
    );
    const types = [];
    for (const id of ["01", "02", "03"]) types.push((await wrapped(token, id)).slice(16, 18));
    expect(types).toEqual(["06", "05", "0C"]);
    expect((await wrapped(token, "01")).length).toBe(2 * 971);
    expect((await wrapped(token, "03")).length).toBe(blobOf("ec_p256").length);
  });

  test("a pico: RSA as exponent and modulus, no `a` where it is p - 3", async () => {
    const token = await withDkek("pico");
    await sendAll(token, unwrap("01", blobOf("rsa2048_type6_crt")), unwrap("03", blobOf("ec_p256")));
    expect((await wrapped(token, "01")).length).toBe(blobOf("rsa2048_type5").length);
    expect((await wrapped(token, "03")).length).toBe(blobOf("ec_p256_empty_A").length);
  });

  test("a pico leaves out an `a` of zero too, and a genuine card knows the curve all the same", async () => {
    const pico = await withDkek("pico");
    await send(pico, generate("01", ecKey("secp256k1")));
    const blob = await wrapped(pico, "01");
    // 31 bytes of `b` and 32 of `a` fewer than at full length: two blocks of AES.
    expect(blob.length).toBe(2 * (27 + 256 + 16));
    const genuine = await withDkek("genuine");
    expect(await send(genuine, unwrap("01", blob))).toBe("9000");
    expect(genuine.state.keys.get(1)).toEqual(pico.state.keys.get(1));
  });

  test("a pico describes what it takes in, and wraps nothing that has no description", async () => {
    const token = await withDkek("pico");
    await send(token, unwrap("10", blobOf("ec_p256")));
    expect(await send(token, "80580000000000")).toBe("C400CC00CC10C4109000");
    expect(await send(token, "00B1CE1000000454020000 0000")).toMatch(/^67.*9000$/);
    expect(await sendAll(token, "00E4020002C410", wrap("10"))).toEqual(["9000", "6A82"]);
  });
});

describe("key domains", () => {
  test("wrap their own keys; a blob finds its domain by the check value", async () => {
    const token = await loggedIn("genuine", { tags: "910103970102" });
    await sendAll(token, "80520100010100", `8052000020${zeroDkek}00`, "80520101010100", `8052000120${dkek}00`);
    expect(await send(token, aesKey("01", "B0", "920101"))).toBe("9000");
    expect(await wrapped(token, "01")).toMatch(/^630DCD2966C43366/);
    expect(await send(token, unwrap("02", blobOf("aes256_zero_dkek")))).toBe("9000");
    expect(await send(token, unwrap("03", blobOf("aes128")))).toBe("9000");
    expect([1, 2, 3].map((id) => token.state.keys.get(id)?.rules.domain)).toEqual([1, 0, 1]);
    // Told in the FCI, where it is not domain 0.
    expect(await send(token, "00A4000002CC0300")).toMatch(/A5099104101118999201019000$/);
  });

  test("that wait for shares make and take no keys, the others do", async () => {
    const token = await loggedIn("genuine", { tags: "910103970102" });
    await sendAll(token, "80520100010100", "80520101010100", `8052000120${dkek}00`);
    expect(await sendAll(token, aesKey("01", "B0"), aesKey("02", "B0", "920101"))).toEqual(["6985", "9000"]);
    expect(await send(token, aesKey("03", "B0", "920105"))).toBe("6A88");
  });
});

test("a token that was switched off keeps its keys", async () => {
  const token = await withDkek("genuine");
  await send(token, unwrap("01", blobOf("ec_p256")));
  token.reset();
  await sendAll(token, selectApplet, verifyPin);
  expect(await wrapped(token, "01")).toHaveLength(blobOf("ec_p256").length);
  expect(await send(await initialised("genuine", oneShare), wrap("01"))).toBe("6982");
});
