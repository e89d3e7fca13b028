import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import { alternativeNames, encodeAlternativeNames } from "../../../src/crypto/x509/general-names.ts";
import {
  encodeKeyPurposes,
  encodeKeyUsage,
  keyPurposeNames,
  keyUsageNames,
} from "../../../src/crypto/x509/key-purposes.ts";

describe("alternative names", () => {
  test.each([
    ["dns:door.example", "820C", "dns:door.example"],
    ["DNS:*.example", "8209", "dns:*.example"],
    ["dns:münchen.example", "8216", "dns:xn--mnchen-3ya.example"],
    ["ip:192.0.2.7", "8704C0000207", "ip:192.0.2.7"],
    ["ip:2001:db8::7", "871020010DB8000000000000000000000007", "ip:2001:db8::7"],
    ["ip:::1", "871000000000000000000000000000000001", "ip:::1"],
    ["ip:2001:DB8:1:2:3:4:5:6", "871020010DB8000100020003000400050006", "ip:2001:db8:1:2:3:4:5:6"],
    ["ip:::ffff:192.0.2.7", "871000000000000000000000FFFFC0000207", "ip:::ffff:c000:207"],
    ["email:a.b@c.example", "810D", "email:a.b@c.example"],
    ["uri:https://c.example/x", "8613", "uri:https://c.example/x"],
  ])("%s", (name, hex, written) => {
    const der = encodeAlternativeNames([name]);
    expect(toHex(der.subarray(2))).toContain(hex);
    expect(alternativeNames(der)).toEqual([written]);
  });

  test.each([
    "door.example",
    "",
    "dns:",
    "dns:a..b",
    "dns:-a",
    "dns:a b",
    "dns:*",
    "dns:a.*.b",
    "dns:192.0.2.7",
    `dns:${"a".repeat(64)}`,
    "ip:192.0.2",
    "ip:192.0.2.256",
    "ip:fe80::1%eth0",
    "ip:1::2::3",
    "ip:door.example",
    "email:a",
    "email:a@b@c",
    "email:a @b",
    "uri:nothing",
    "uri:https://a b",
    "other:x",
    "dns:a\nb",
  ])("%j is refused", (name) => {
    expect(() => encodeAlternativeNames([name])).toThrow(
      expect.objectContaining({ code: "ALTERNATIVE_NAME_MALFORMED", kind: "usage" }),
    );
  });

  test("every address is read as it was written", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        const [text = ""] = alternativeNames(encodeAlternativeNames([`ip:${address}`]));
        expect(encodeAlternativeNames([text])).toEqual(encodeAlternativeNames([`ip:${address}`]));
      }),
    );
  });
});

describe("purposes of a key", () => {
  test("usage", () => {
    expect(toHex(encodeKeyUsage(["digital-signature"]))).toBe("03020780");
    expect(toHex(encodeKeyUsage(["crl-sign", "key-cert-sign"]))).toBe("03020106");
    expect(toHex(encodeKeyUsage(["decipher-only"]))).toBe("0303070080");
    expect(keyUsageNames(encodeKeyUsage(["decipher-only", "digital-signature"]))).toEqual([
      "digital-signature",
      "decipher-only",
    ]);
    expect(() => encodeKeyUsage(["signing"])).toThrow(expect.objectContaining({ code: "KEY_USAGE_UNKNOWN" }));
  });

  test("extended usage", () => {
    const names = ["client-auth", "1.2.3.4", "any"];
    expect(keyPurposeNames(encodeKeyPurposes(names))).toEqual(names);
    for (const name of ["nothing", "constructor", "1"]) {
      expect(() => encodeKeyPurposes([name])).toThrow(expect.objectContaining({ code: "KEY_PURPOSE_UNKNOWN" }));
    }
  });
});
