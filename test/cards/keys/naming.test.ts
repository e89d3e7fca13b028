import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { algorithmIds, algorithmList, algorithmName } from "../../../src/cards/smartcard-hsm/keys/algorithms.ts";
import { freeKeyReference, keyReferences } from "../../../src/cards/smartcard-hsm/keys/key-list.ts";
import { checkKeyReference, keyName, keyNamed, keysNamed } from "../../../src/cards/smartcard-hsm/keys/token-key.ts";

const key = (ref: number, label: string, id: string) => ({ ref, label, id: fromHex(id) });
const keys = [key(1, "rsa one", "10"), key(2, "ec one", "11"), key(5, "10", "0A0B"), key(10, "", "")];

describe("one key by label, id or key reference", () => {
  test.each([
    ["rsa one", 1],
    ["11", 2],
    ["2", 2],
    ["0a0b", 5],
    ["0A:0B", 5],
    ["label:10", 5],
    ["id:10", 1],
    ["ref:10", 10],
    ["ref:05", 5],
  ])("%s", (identifier, ref) => {
    expect(keyNamed(keys, identifier, "DENK0105213").ref).toBe(ref);
  });

  test("label, id and key reference of three keys: all are listed", () => {
    expect(() => keyNamed(keys, "10", "DENK0105213")).toThrow(
      expect.objectContaining({
        code: "KEY_AMBIGUOUS",
        kind: "usage",
        message: expect.stringMatching(/3 keys on DENK0105213.*"rsa one".*"10".*key reference 10/),
        details: { candidates: expect.arrayContaining([{ ref: 1, label: "rsa one", id: "10" }]) },
      }),
    );
  });

  test.each(["", "RSA ONE", "ref:0x5", "ref:", "id:", "label:", "256", "rsa"])("%j is none", (identifier) => {
    expect(() => keyNamed(keys, identifier, "x")).toThrow(expect.objectContaining({ code: "KEY_NOT_FOUND" }));
  });

  test("every key is found by each of its names, and by nothing that is not one", () => {
    const any = fc.record({
      ref: fc.integer({ min: 1, max: 255 }),
      label: fc.string(),
      id: fc.uint8Array({ maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(any, { selector: ({ ref }) => ref }), fc.string(), (list, text) => {
        for (const one of list) {
          expect(keysNamed(list, `ref:${one.ref}`)).toContain(one);
          if (one.label !== "") expect(keysNamed(list, one.label)).toContain(one);
          if (one.id.length > 0) expect(keysNamed(list, `id:${toHex(one.id)}`)).toContain(one);
        }
        for (const found of keysNamed(list, `label:${text}`)) expect([text, `label:${text}`]).toContain(found.label);
      }),
    );
  });

  test("what a card wrote into a label does not reach the terminal", () => {
    expect(keyName(key(3, "\u001b[2Jx\u202e", "01"))).toBe('key 3 "?[2Jx?"');
  });
});

test.each([0, -1, 256, 1.5, Number.NaN])("key reference %d is refused", (ref) => {
  expect(() => checkKeyReference(ref)).toThrow(expect.objectContaining({ code: "KEY_REFERENCE_INVALID" }));
});

describe("free key references", () => {
  test("neither key, nor description, nor certificate is there", () => {
    expect(freeKeyReference([], "x")).toBe(1);
    expect(freeKeyReference([0xcc00, 0xc400, 0x2f02], "x")).toBe(1);
    expect(freeKeyReference([0xcc01, 0xc402, 0xce03, 0xcf04, 0xca05], "x")).toBe(4);
    const all = Array.from({ length: 256 }, (_, ref) => 0xcc00 + ref);
    expect(() => freeKeyReference(all, "x")).toThrow(expect.objectContaining({ code: "TOKEN_FULL" }));
  });

  test("a place that is found is free", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 }), (files) => {
        const ref = freeKeyReference(files, "x");
        for (const prefix of [0xcc00, 0xc400, 0xce00]) expect(files).not.toContain(prefix + ref);
        expect(keyReferences(files)).not.toContain(ref);
      }),
    );
  });
});

describe("algorithm lists", () => {
  test("by name or number, of this kind of key", () => {
    expect(algorithmList(["ecdsa-sha256", "ecdh", "wrap", "70", "ecdh"], "ec")).toEqual([0x73, 0x80, 0x92, 0x70]);
    for (const [name, id] of Object.entries(algorithmIds)) expect(algorithmName(id)).toBe(name);
    expect(algorithmName(0x55)).toBe("55");
  });

  test.each([
    [["ecdsa"], "rsa", /none of RSA/],
    [["aes-cmac"], "ec", /none of EC/],
    [["rsa-pss"], "aes", /none of AES/],
    [["md5"], "rsa", /not known/],
    [["toString"], "rsa", /not known/],
    [Array.from({ length: 17 }, (_, i) => (0xb0 + i).toString(16)), "rsa", /at most 16/],
  ] as const)("%j for %s is refused", (list, kind, says) => {
    expect(() => algorithmList(list, kind)).toThrow(
      expect.objectContaining({ code: "ALGORITHM_UNKNOWN", message: expect.stringMatching(says) }),
    );
  });
});
