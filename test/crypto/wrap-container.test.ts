import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { openKeyBlob, parseKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import { publicBelongsToPrivate } from "../../src/crypto/keys/plain-key.ts";
import {
  buildWrapContainer,
  looksLikeWrapContainer,
  parseWrapContainer,
} from "../../src/crypto/keys/wrap-container.ts";
import { deriveDkekKeys } from "../../src/crypto/shares/dkek.ts";
import { flipped, refusal } from "./refusal.ts";
import { hexAt, vectors } from "./vectors.ts";

interface Recorded {
  readonly opensc: string;
  readonly containers: readonly { readonly name: string; readonly dkek: string; readonly file: string }[];
}
const { sessions } = vectors("recorded_wraps") as unknown as { sessions: Recorded[] };
const vector = vectors("wrap_container");
const file = hexAt(vector, "file");

test("vector: key, description and request", () => {
  const container = parseWrapContainer(file);
  expect(container.blob).toEqual(hexAt(vector, "blob"));
  expect(container.description).toEqual(hexAt(vector, "prkd"));
  expect(container.certificate).toEqual(hexAt(vector, "ef_cexx"));
  expect(toHex(buildWrapContainer(container))).toBe(toHex(file));
});

test("vector: the key alone", () => {
  const container = parseWrapContainer(hexAt(vector, "file_blob_only"));
  expect(container).toEqual({ blob: hexAt(vector, "blob"), description: undefined, certificate: undefined });
  expect(buildWrapContainer(container)).toEqual(hexAt(vector, "file_blob_only"));
});

describe.each(sessions)("recorded with OpenSC $opensc", ({ containers }) => {
  test.each(containers)("$name opens with the DKEK of its session", ({ file: hex, dkek }) => {
    const container = parseWrapContainer(fromHex(hex));
    const key = openKeyBlob(parseKeyBlob(container.blob), deriveDkekKeys(fromHex(dkek)));
    expect(publicBelongsToPrivate(key)).toBe(true);
    expect(container.description?.[0]).toBe(key.kind === "ec" ? 0xa0 : 0x30);
    expect(container.certificate?.[0]).toBe(0x67);
    expect(toHex(buildWrapContainer(container))).toBe(hex);
  });
});

describe("the optional parts", () => {
  const blob = hexAt(vector, "blob");
  const rsaDescription = fromHex("301130050C036B6579030206C0300404020001"); // Only its opening is looked at.
  const x509 = fromHex("300730053003020101"); // As a certificate opens: tbsCertificate with a SEQUENCE inside.

  test.each([
    ["an RSA description without certificate", rsaDescription, undefined],
    ["an X.509 certificate without description", undefined, x509],
    ["both", rsaDescription, x509],
    ["a request without description", undefined, hexAt(vector, "ef_cexx")],
  ])("%s", (_, description, certificate) => {
    const content = { blob, description, certificate };
    expect(parseWrapContainer(buildWrapContainer(content))).toEqual(content);
  });

  test("garbage behind a part is cut off", () => {
    const content = { blob, description: concat(rsaDescription, new Uint8Array(7)), certificate: undefined };
    expect(parseWrapContainer(buildWrapContainer(content)).description).toEqual(rsaDescription);
  });
});

describe("refused", () => {
  test("a file cut short anywhere, or with something behind", () => {
    for (let length = 0; length < file.length; length++) {
      expect(refusal(() => parseWrapContainer(file.subarray(0, length)))).toMatchObject({
        code: "WRAP_CONTAINER_INVALID",
        kind: "check-failed",
      });
    }
    expect(refusal(() => parseWrapContainer(concat(file, Uint8Array.of(0)))).code).toBe("WRAP_CONTAINER_INVALID");
  });

  test("nonsense, and any flipped bit gives an error or other bytes, never a crash", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        if (looksLikeWrapContainer(bytes)) return;
        expect(refusal(() => parseWrapContainer(bytes)).kind).toBe("check-failed");
      }),
    );
    for (let i = 0; i < file.length; i++) {
      try {
        expect(toHex(buildWrapContainer(parseWrapContainer(flipped(file, i, i % 8))))).not.toBe(toHex(file));
      } catch (error) {
        expect(error).toMatchObject({ code: "WRAP_CONTAINER_INVALID" });
      }
    }
  });

  test.each([
    ["30020500", "does not begin with the wrapped key"],
    ["31020400", "begins with tag 31"],
    ["3004040005 00", "no certificate"],
    ["3008 0400 A000 6700 3000", "more than key, description and certificate"],
    ["3006 0400 6700 6700", "is no key description"],
  ])("%s: %s", (hex, reason) => {
    expect(refusal(() => parseWrapContainer(fromHex(hex))).message).toContain(reason);
  });

  test("more than any file has", () => {
    expect(refusal(() => parseWrapContainer(new Uint8Array(70_000))).code).toBe("WRAP_CONTAINER_INVALID");
  });
});
