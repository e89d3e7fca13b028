import { encode } from "cborg";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAgeHeader } from "../../../src/crypto/age/header.ts";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";
import type { Leaf, Slot } from "../../../src/crypto/vault/leaf.ts";
import { readVaultStanzas, type VaultHeader, vaultStanzas } from "../../../src/crypto/vault/vault-header.ts";
import { flipped, refusal, refusalOf } from "../refusal.ts";
import { leafKinds, repeatable, softwareEc, softwareKey, softwareRsa } from "./support/software-keys.ts";
import { headerBytes, headerFor, ofKinds, owned, stanzasFor, testFileKey } from "./support/vaults.ts";

const six = leafKinds.map((kind, i) => ofKinds(i + 1, [kind]));
const joined = [ofKinds(7, leafKinds), ofKinds(8, leafKinds, "2 of 6", 2)];

function invalid(stanzas: readonly Stanza[]): string {
  const refused = refusal(() => readVaultStanzas(stanzas));
  expect(refused.kind).toBe("check-failed");
  expect(["VAULT_HEADER_INVALID", "AGE_FILE_INVALID"]).toContain(refused.code);
  expect(refused.advice).toBeDefined();
  return refused.message;
}

async function unwritable(header: VaultHeader): Promise<string> {
  const refused = await refusalOf(vaultStanzas(header, testFileKey, repeatable("wrap")));
  expect(refused).toMatchObject({ code: "VAULT_SLOT_INVALID", kind: "usage" });
  return refused.message;
}

describe("what is written is read", () => {
  test("every kind of leaf alone, in all-of and in a threshold, through the text of an age header", async () => {
    const slots = [...six, ...joined];
    const { stanzas } = parseAgeHeader(headerBytes(await stanzasFor(slots)));
    const { header, slotStanzas } = readVaultStanzas(stanzas);
    expect(header).toEqual(headerFor(slots));
    expect([...slotStanzas].map(([id, own]) => [id, own.length])).toEqual([
      ...six.map(({ slot }) => [slot.id, 1]),
      [7, 6],
      [8, 7],
    ]);
  });

  test("slots in any order, labels of any printable text, hints or none", async () => {
    const text = fc
      .string({ unit: "grapheme", maxLength: 20 })
      .filter((value) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(value) && [...value].length <= 64);
    const slot = fc.record({
      id: fc.integer({ min: 1, max: 65535 }),
      label: text,
      created: fc
        .date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-12-31") })
        .map((d) => d.toISOString()),
      hints: fc.record(
        {
          serial: text,
          keyLabel: text,
          keyRef: fc.integer({ min: 0, max: 255 }),
          ckaId: fc.uint8Array({ minLength: 1, maxLength: 64 }),
          deviceKeyHash: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        },
        { requiredKeys: [] },
      ),
    });
    const { leaf } = softwareKey("card-aes", repeatable("x"));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(slot, { minLength: 1, maxLength: 6, selector: ({ id }) => id }), async (made) => {
        const slots: Slot[] = made.map(({ id, label, created, hints }) => ({
          id,
          label,
          created,
          holder: { kind: "one", leaf: { ...leaf, card: hints } as Leaf },
        }));
        const header = { ...headerFor([]), nextSlot: 65536, slots };
        const read = readVaultStanzas(await vaultStanzas(header, testFileKey)).header;
        expect(read.slots).toEqual(slots.toSorted((a, b) => a.id - b.id));
      }),
      { numRuns: 30 },
    );
  });

  test("every write wraps anew", async () => {
    const slots = [...six, ...joined];
    const [once, again] = await Promise.all([stanzasFor(slots, repeatable("1")), stanzasFor(slots, repeatable("2"))]);
    for (const [i, stanza] of once.entries()) {
      const isDescriptor = stanza.type === "hsmadm/slot";
      if (stanza.body.length > 0) expect(String(stanza.body) === String(again[i]?.body)).toBe(isDescriptor);
    }
  });

  test("no secret is in a header: the file key and the owners' secrets are nowhere in its bytes", async () => {
    const slots = [...six, ...joined];
    const stanzas = await stanzasFor(slots);
    const everything = stanzas.map(({ body }) => String(body)).join(";");
    const secrets = slots.flatMap(({ owners }) =>
      owners.flatMap(({ key }) => (key.primitive === "x25519" ? [key.secret] : [])),
    );
    for (const secret of [testFileKey, ...secrets]) expect(everything).not.toContain(String(secret));
  });
});

describe("a header that was changed", () => {
  test("an age file that is no vault", async () => {
    const stanzas = await stanzasFor([ofKinds(1, ["recovery"])]);
    expect(invalid(stanzas.slice(2))).toContain("no vault");
    expect(invalid([])).toContain("no vault");
  });

  test("any stanza left out, doubled, or two neighbours swapped", async () => {
    const stanzas = await stanzasFor([...six, ...joined]);
    for (const i of stanzas.keys()) {
      invalid(stanzas.toSpliced(i, 1));
      invalid(stanzas.toSpliced(i, 0, stanzas[i] as Stanza));
      if (i > 0) invalid(stanzas.with(i, stanzas[i - 1] as Stanza).with(i - 1, stanzas[i] as Stanza));
    }
  });

  test("a whole slot taken out is only seen by the MAC, with the others untouched", async () => {
    const stanzas = await stanzasFor(six);
    const { header } = readVaultStanzas(stanzas.toSpliced(1, 2));
    expect(header.slots.map(({ id }) => id)).toEqual([2, 3, 4, 5, 6]);
  });

  test("the stanzas of two slots of one kind exchanged: the tags of card keys tell", async () => {
    for (const kind of ["card-ec", "card-rsa", "fido2"] as const) {
      const owners = [0, 1].map((i) =>
        kind === "card-ec" ? softwareEc("secp256r1", repeatable(`${i}`)) : softwareKey(kind, repeatable(`${i}`), i),
      );
      const stanzas = await stanzasFor(owners.map((owner, i) => owned(i + 1, [owner])));
      invalid(stanzas.with(2, stanzas[4] as Stanza).with(4, stanzas[2] as Stanza));
    }
    const brainpool = [0, 1].map((i) => owned(i + 1, [softwareEc("brainpoolP256r1", repeatable(`${i}`))]));
    const stanzas = await stanzasFor(brainpool);
    invalid(stanzas.with(2, stanzas[4] as Stanza).with(4, stanzas[2] as Stanza));
  });

  test("a foreign stanza at the end or between slots", async () => {
    const stanzas = await stanzasFor(six);
    const foreign: Stanza = { type: "X25519", args: ["A".repeat(43)], body: new Uint8Array(32) };
    expect(invalid([...stanzas, foreign])).toContain("X25519 where hsmadm/slot belongs");
    invalid(stanzas.toSpliced(3, 0, foreign));
  });

  test("every argument of ours, changed in any way that age's grammar allows, or one more or less", async () => {
    const stanzas = await stanzasFor([...six, ...joined, owned(9, [softwareEc("secp384r1", repeatable("p384"))])]);
    for (const [i, stanza] of stanzas.entries()) {
      for (const [j, arg] of stanza.args.entries()) {
        for (const other of ["0", "x", `0${arg}`, `${arg}=`, "99999", arg.slice(0, -1) || "!"]) {
          if (other === arg) continue;
          invalid(stanzas.with(i, { ...stanza, args: stanza.args.with(j, other) }));
        }
      }
      invalid(stanzas.with(i, { ...stanza, args: stanza.args.slice(0, -1) }));
      invalid(stanzas.with(i, { ...stanza, args: [...stanza.args, "1"] }));
    }
  });

  test("a body longer or shorter", async () => {
    const stanzas = await stanzasFor([...six, ...joined]);
    for (const [i, stanza] of stanzas.entries()) {
      invalid(stanzas.with(i, { ...stanza, body: new Uint8Array([...stanza.body, 0]) }));
      if (stanza.body.length > 0) invalid(stanzas.with(i, { ...stanza, body: stanza.body.subarray(1) }));
    }
  });

  test("a share that is no point of its curve", async () => {
    const slots = [
      owned(1, [softwareEc("secp256r1", repeatable("a"))]),
      owned(2, [softwareEc("secp521r1", repeatable("b"))]),
      ofKinds(3, ["card-ec", "recovery"]),
      ofKinds(4, ["card-ec", "recovery"], "t", 2),
    ];
    const stanzas = await stanzasFor(slots);
    for (const i of [2, 4, 6, 9]) {
      const stanza = stanzas[i] as Stanza;
      const share = Buffer.from(stanza.args.at(-1) ?? "", "base64");
      const off = Buffer.from(flipped(share, share.length - 1))
        .toString("base64")
        .replace(/=+$/, "");
      invalid(stanzas.with(i, { ...stanza, args: stanza.args.with(-1, off) }));
    }
  });

  test("slots out of order, or beyond the next one's number", async () => {
    const stanzas = await stanzasFor(six);
    expect(invalid([...stanzas.slice(0, 1), ...stanzas.slice(3), ...stanzas.slice(1, 3)])).toContain("out of order");
    const facts = stanzas[0] as Stanza;
    const next = new Map<number, unknown>([
      [1, headerFor(six).vaultId],
      [2, 1],
      [3, 6],
      [4, new Uint8Array(32)],
    ]);
    expect(invalid(stanzas.with(0, { ...facts, body: encode(next) }))).toContain("beyond");
  });
});

describe("the CBOR of a descriptor has one form", () => {
  const body = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replace(/\s/g, ""), "hex"));
  const key = `0203 A2 01 68 7265636F76657279 02 5820 ${"11".repeat(32)}`;
  const label = "0161 61";
  const created = `0274 ${Buffer.from("2026-11-21T00:16:51Z").toString("hex")}`;
  const leaf = key.slice(2);

  async function read(hex: string): Promise<VaultHeader> {
    const stanzas = await stanzasFor([ofKinds(1, ["recovery"])]);
    return readVaultStanzas(stanzas.with(1, { ...(stanzas[1] as Stanza), body: body(hex) })).header;
  }

  test("the form itself", async () => {
    const { slots } = await read(`A3 ${label} ${created} ${leaf}`);
    expect(slots[0]).toMatchObject({ id: 1, label: "a", holder: { kind: "one", leaf: { kind: "recovery" } } });
  });

  test.each([
    ["a key twice", `A4 ${label} ${label} ${created} ${leaf}`],
    ["keys out of order", `A3 ${created} ${label} ${leaf}`],
    ["a longer form of a number", `A3 180161 61 ${created} ${leaf}`],
    ["a longer form of a length", `A3 017801 61 ${created} ${leaf}`],
    ["indefinite length", `BF ${label} ${created} ${leaf} FF`],
    ["bytes behind", `A3 ${label} ${created} ${leaf} 00`],
    ["cut off", `A3 ${label} ${created} ${leaf.slice(0, -2)}`],
    ["an unknown field", `A4 ${label} ${created} ${leaf} 0801`],
    ["a text as key", `A4 ${label} ${created} ${leaf} 616101`],
    ["no label", `A2 ${created} ${leaf}`],
    ["a label of bytes", `A3 0141 61 ${created} ${leaf}`],
    ["a label with a control character", `A3 0161 07 ${created} ${leaf}`],
    ["a label that is no UTF-8", `A3 0161 FF ${created} ${leaf}`],
    ["a threshold where none belongs", `A4 ${label} ${created} ${leaf} 0502`],
    ["an undefined value", `A4 ${label} ${created} ${leaf} 05F7`],
    ["a tag", `C0 A3 ${label} ${created} ${leaf}`],
    ["no map", "00"],
    ["nothing", ""],
    ["an array a thousand deep", "81".repeat(1000)],
  ])("%s", async (_, hex) => {
    expect((await refusalOf(read(hex))).code).toBe("VAULT_HEADER_INVALID");
  });

  test("random bytes are an error, never an exception of another kind", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        expect((await refusalOf(read(Buffer.from(bytes).toString("hex")))).code).toBe("VAULT_HEADER_INVALID");
      }),
    );
  });
});

describe("what the format does not have is not written", () => {
  const one = ofKinds(1, ["recovery"]);
  const slotOf = (leaf: Leaf): Slot => ({ ...one.slot, holder: { kind: "one", leaf } });
  const { leaf: aes } = softwareKey("card-aes", repeatable("x"));
  const { leaf: fido } = softwareKey("fido2", repeatable("x"));
  const { leaf: phrase } = softwareKey("passphrase", repeatable("x"));
  const { leaf: rsa } = softwareRsa(0);
  const { leaf: ec } = softwareEc("secp256r1", repeatable("x"));
  const legs = [aes, fido];

  test.each<[string, Slot]>([
    ["slot 0", { ...one.slot, id: 0 }],
    ["slot 65536", { ...one.slot, id: 65536 }],
    ["slot 1.5", { ...one.slot, id: 1.5 }],
    ["a label of 65 characters", { ...one.slot, label: "x".repeat(65) }],
    ["a label that moves the cursor", { ...one.slot, label: "a\u001b[2J" }],
    ["a label that turns the line around", { ...one.slot, label: "a\u202eb" }],
    ["a label of two lines", { ...one.slot, label: "a\nb" }],
    ["half a pair", { ...one.slot, label: "\ud800" }],
    ["a date without time", { ...one.slot, created: "2026-11-21" }],
    ["a date in no month", { ...one.slot, created: "2026-13-21T00:00:00Z" }],
    ["one leg", { ...one.slot, holder: { kind: "all-of", legs: [aes] } }],
    ["one key in two legs", { ...one.slot, holder: { kind: "all-of", legs: [aes, aes] } }],
    [
      "17 legs",
      {
        ...one.slot,
        holder: {
          kind: "all-of",
          legs: Array.from({ length: 17 }, (_, i) => softwareKey("recovery", repeatable(`${i}`)).leaf),
        },
      },
    ],
    ["1 of 2", { ...one.slot, holder: { kind: "threshold", k: 1, legs } }],
    ["3 of 2", { ...one.slot, holder: { kind: "threshold", k: 3, legs } }],
    ["1.5 of 2", { ...one.slot, holder: { kind: "threshold", k: 1.5, legs } }],
    ["a key on a small curve", slotOf({ ...ec, curve: "secp192r1" } as Leaf)],
    ["a point of another curve", slotOf({ ...ec, curve: "brainpoolP256r1" } as Leaf)],
    ["a point that is compressed", slotOf({ ...ec, point: new Uint8Array(33).fill(2) } as Leaf)],
    ["RSA of 1024 bits", slotOf({ ...rsa, modulus: new Uint8Array(128).fill(0xff) } as Leaf)],
    [
      "a modulus with a leading zero",
      slotOf({ ...rsa, modulus: new Uint8Array([0, ...new Uint8Array(256).fill(0xff)]) } as Leaf),
    ],
    ["an exponent of 1", slotOf({ ...rsa, exponent: Uint8Array.of(1) } as Leaf)],
    ["a short X25519 key", slotOf({ ...aes, publicKey: new Uint8Array(31) } as Leaf)],
    ["an X25519 key of low order", slotOf({ ...aes, publicKey: new Uint8Array(32) } as Leaf)],
    ["a salt of 15 bytes", slotOf({ ...aes, salt: new Uint8Array(15) } as Leaf)],
    ["a serial of 65 characters", slotOf({ ...aes, card: { serial: "x".repeat(65) } } as Leaf)],
    ["scrypt of 2^21", slotOf({ ...phrase, scrypt: { logN: 21, r: 8, p: 1, salt: new Uint8Array(16) } } as Leaf)],
    ["scrypt with r = 16", slotOf({ ...phrase, scrypt: { logN: 17, r: 16, p: 1, salt: new Uint8Array(16) } } as Leaf)],
  ])("%s", async (_, slot) => {
    await unwritable({ ...headerFor([one]), slots: [slot] });
  });

  test("no slots, too many, one number twice, the next number taken", async () => {
    const header = headerFor([one]);
    expect(await unwritable({ ...header, slots: [] })).toContain("no slots");
    const many = Array.from({ length: 65 }, (_, i) => ({ ...one.slot, id: i + 1 }));
    expect(await unwritable({ ...header, nextSlot: 66, slots: many })).toContain("more than 64");
    expect(await unwritable({ ...header, slots: [one.slot, one.slot] })).toContain("out of order");
    expect(await unwritable({ ...header, slots: [{ ...one.slot, id: 2 }] })).toContain("number of the next one");
  });

  test("a vault id of another spelling, generation 0", async () => {
    const header = headerFor([one]);
    for (const vaultId of [
      "v1-",
      `${header.vaultId}a`,
      header.vaultId.toUpperCase(),
      `${header.vaultId.slice(0, -1)}b`,
    ]) {
      await unwritable({ ...header, vaultId });
    }
    await unwritable({ ...header, generation: 0 });
  });
});

test("64 slots of 16 RSA legs are more than a header holds", async () => {
  const legs = Array.from({ length: 16 }, (_, i) => {
    const modulus = new Uint8Array(512).fill(0xff);
    modulus[1] = i;
    return { kind: "card-rsa", modulus, exponent: Uint8Array.of(1, 0, 1), card: {} } as Leaf;
  });
  const slot = ofKinds(1, ["recovery"]).slot;
  const slots = Array.from({ length: 32 }, (_, i): Slot => ({ ...slot, id: i + 1, holder: { kind: "all-of", legs } }));
  expect(await unwritable({ ...headerFor([]), nextSlot: 33, slots })).toContain("more than 262144");
});
