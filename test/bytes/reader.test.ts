import fc from "fast-check";
import { expect, test } from "vitest";
import { asciiText, bigEndian, concat, equal, utf8Bytes, utf8Text } from "../../src/bytes/bytes.ts";
import { ByteReader } from "../../src/bytes/reader.ts";

test("reads fields in order and knows where it is", () => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4, 5), "blob");
  expect(reader.byte()).toBe(1);
  expect(reader.uint16()).toBe(0x0203);
  expect(reader.offset).toBe(3);
  expect(reader.rest()).toEqual(Uint8Array.of(4, 5));
  expect(reader.remaining).toBe(0);
});

test("a read past the end names the thing, the offset and what is left", () => {
  const reader = new ByteReader(Uint8Array.of(1, 2), "key blob");
  reader.byte();
  expect(() => reader.uint16()).toThrow("key blob: 2 bytes expected at offset 1, 1 there");
});

test("numbers are most significant byte first", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff }), (value) => {
      expect(new ByteReader(bigEndian(value, 2), "number").uint16()).toBe(value);
    }),
  );
  expect(bigEndian(0x01020304, 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
});

test("joining, comparing, text", () => {
  expect(concat(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3));
  expect(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(equal(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
  expect(utf8Text(utf8Bytes("Zürich"))).toBe("Zürich");
  expect(utf8Text(Uint8Array.of(0xff))).toBeNull();
  expect(asciiText(Uint8Array.of(0x41, 0x0a))).toBeNull();
});
