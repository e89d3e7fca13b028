import fc from "fast-check";
import { expect, test } from "vitest";
import { concat } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { type Cvc, parseAuthenticatedRequest, parseCvc, parseDeviceCertificates } from "../../src/crypto/cvc/cvc.ts";
import { buildAuthenticatedRequest, buildCvc } from "../../src/crypto/cvc/cvc-build.ts";
import { HsmError } from "../../src/errors.ts";
import { hexAt, textAt, vectors } from "./vectors.ts";

const real = vectors("cvc");
const sim = vectors("sim_pki");

// Recorded: OpenSC 0.27.1 with pico-hsm 6.6, traces/opensc-0.27.1-pico-hsm; the first bytes of its EF 2F02.
const picoPublicKey =
  "7f4981df060a04007f000702020202038120fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f82010083010784410479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b88520fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd03641418641043359f5234ce62e0eb80460046d8fd1aae018cc8b9e687b40aa2c047e352409b45153d1ad888e4e7e780a3b1fa8c69ca8998bd271c8849137149142e96100c9a38701015f20";

test.each([
  ["root_DESRCACC100001", "2012-11-09", "2032-11-08", 0xc0, "brainpoolP256r1"],
  ["root_DESCHSMCVCA00001", "2017-07-31", "2030-07-31", 0xc0, "brainpoolP256r1"],
  ["device_issuer", "2024-10-30", "2032-10-29", 0x80, undefined],
  ["device", "2026-05-28", "2031-05-27", 0x00, undefined],
  ["key_request_inner", undefined, undefined, undefined, "secp256k1"],
])("%s is read as the vectors say", (field, effective, expiry, role, curve) => {
  const raw = hexAt(real, field, "full");
  const cvc = parseCvc(raw);
  expect({ car: cvc.car, chr: cvc.chr, role: cvc.role, effective: cvc.effective, expiry: cvc.expiry }).toEqual({
    car: textAt(real, field, "car"),
    chr: textAt(real, field, "chr"),
    role,
    effective,
    expiry,
  });
  expect(cvc.publicKey).toEqual({
    kind: "ec",
    oid: "04007F00070202020203",
    point: hexAt(real, field, "point"),
    curve,
  });
  expect(toHex(cvc.body)).toBe(textAt(real, field, "tbs"));
  expect(toHex(cvc.signature)).toBe(textAt(real, field, "sig"));
  expect(cvc.raw).toEqual(raw);
});

test("EF 2F02 of a real card holds the device and its issuer", () => {
  const { device, others, request } = parseDeviceCertificates(hexAt(real, "ef_2f02"));
  expect([device.chr, ...others.map(({ chr }) => chr)]).toEqual(["DENK040414400000", "DEDINK0400001"]);
  expect(request).toBeUndefined();
});

test("the real key request is read, and its outer signature covers request and outer CAR", () => {
  const request = parseAuthenticatedRequest(hexAt(real, "ef_ce01"));
  expect(request.outerCar).toBe(textAt(real, "key_request_outer_car"));
  expect(toHex(request.signedPart)).toBe(textAt(real, "key_request_outer_tbs"));
  expect(toHex(request.outerSignature)).toBe(textAt(real, "key_request_outer_signature"));
});

test("an RSA request gives modulus and exponent", () => {
  const { request } = parseAuthenticatedRequest(hexAt(sim, "rsa2048_request"));
  expect(request.publicKey.kind).toBe("rsa");
  if (request.publicKey.kind !== "rsa") return;
  expect(request.publicKey.modulus.length).toBe(256);
  expect(toHex(request.publicKey.exponent)).toBe("010001");
});

test("padding and remains behind the certificates are passed over", () => {
  const ef = hexAt(real, "ef_2f02");
  for (const tail of ["0000000000", "7F21", "7F2103010203", "FFFFFFFF", "30"]) {
    const { device, others } = parseDeviceCertificates(concat(ef, fromHex(tail)));
    expect([device.chr, others.length]).toEqual(["DENK040414400000", 1]);
  }
});

test("a file that begins with a request names its own key as the device", () => {
  const request = hexAt(real, "ef_ce01");
  const alone = parseDeviceCertificates(request);
  expect(alone.device.chr).toBe("DENK040414400001");
  expect(alone.request?.outerCar).toBe("DENK040414400000");

  // The same key certified later in the file: that certificate says more than the request.
  const inner = parseAuthenticatedRequest(request).request;
  const certificate = buildCvc({ ...inner, car: "UTCA00001", role: 0 }, () => new Uint8Array(64));
  const both = parseDeviceCertificates(concat(request, certificate, hexAt(real, "device_issuer", "full")));
  expect(both.device.raw).toEqual(certificate);
  expect(both.others.map(({ chr }) => chr)).toEqual(["DEDINK0400001"]);
});

test("pico-hsm's short domain parameters are recognised", () => {
  const template = fromHex(picoPublicKey.slice(0, picoPublicKey.length - 4));
  const name = new TextEncoder().encode("ESPICOHSMTR00001");
  const tlv = (tag: string, value: Uint8Array): Uint8Array =>
    concat(
      fromHex(tag),
      value.length > 255
        ? Uint8Array.of(0x82, value.length >> 8, value.length & 255)
        : value.length > 127
          ? Uint8Array.of(0x81, value.length)
          : Uint8Array.of(value.length),
      value,
    );
  const body = tlv("7F4E", concat(fromHex("5F290100"), tlv("42", name), template, tlv("5F20", name)));
  const cvc = parseCvc(tlv("7F21", concat(body, tlv("5F37", new Uint8Array(64)))));
  expect(cvc.publicKey).toMatchObject({ kind: "ec", curve: "secp256k1" });
});

test("a key with domain parameters of no known curve says so", () => {
  const raw = hexAt(real, "root_DESRCACC100001", "full").slice();
  const base = toHex(raw).indexOf("8BD2AEB9CB7E") / 2;
  raw[base] = (raw[base] as number) ^ 1;
  expect(parseCvc(raw).publicKey).toMatchObject({ curve: undefined, unknownCurve: true });
});

test.each(["root_DESRCACC100001", "device", "device_issuer", "key_request_inner"])(
  "%s comes out of the builder byte for byte",
  (field) => {
    const raw = hexAt(real, field, "full");
    const cvc = parseCvc(raw);
    const extensions = field === "device_issuer" ? new Uint8Array(0) : undefined;
    let signed: Uint8Array | undefined;
    const built = buildCvc({ ...cvc, extensions }, (body) => {
      signed = body;
      return cvc.signature;
    });
    expect(toHex(built)).toBe(toHex(raw));
    expect(signed).toEqual(cvc.body);
  },
);

test.each(["ec_p256_request", "rsa2048_request"])("%s comes out of the builder byte for byte", (field) => {
  const raw = hexAt(sim, field);
  const { request, outerCar, outerSignature } = parseAuthenticatedRequest(raw);
  const inner = buildCvc(request, () => request.signature);
  expect(toHex(buildAuthenticatedRequest(inner, outerCar, () => outerSignature))).toBe(toHex(raw));
});

test("impossible dates are no dates", () => {
  const raw = toHex(hexAt(real, "device", "full"));
  const dated = (digits: string): Cvc => parseCvc(fromHex(raw.replace("5F2506020600050208", `5F2506${digits}`)));
  expect(dated("020600050208").effective).toBe("2026-05-28");
  expect(dated("020602030000").effective).toBeUndefined();
  expect(dated("020600020300").effective).toBeUndefined();
  expect(dated("0206000502FF").effective).toBeUndefined();
});

test("the builder refuses dates and curves it cannot write", () => {
  const cvc = parseCvc(hexAt(real, "device", "full"));
  const none = (): Uint8Array => new Uint8Array(64);
  expect(() => buildCvc({ ...cvc, effective: "1999-01-01" }, none)).toThrow("1999-01-01 is not a date");
  expect(() =>
    buildCvc({ ...cvc, publicKey: { ...cvc.publicKey, kind: "ec", curve: "nonsense" } as Cvc["publicKey"] }, none),
  ).toThrow("curve nonsense is not known");
});

test("names that could fool a terminal are refused", () => {
  const raw = hexAt(real, "device", "full").slice();
  const at = toHex(raw).indexOf(toHex(new TextEncoder().encode("DENK0404"))) / 2;
  raw[at] = 0x1b;
  expect(() => parseCvc(raw)).toThrow("CHR is not 1-20 ASCII characters");
});

test("every truncation and every foreign tag is a check-failed error", () => {
  const raw = hexAt(real, "ef_ce01");
  for (let length = 0; length < raw.length; length++) {
    expect(() => parseAuthenticatedRequest(raw.subarray(0, length)), String(length)).toThrow(HsmError);
  }
  expect(() => parseCvc(raw)).toThrow("tag 67 where 7F21 stands");
  expect(() => parseAuthenticatedRequest(hexAt(real, "device", "full"))).toThrow("tag 7F21 where a request has 67");
  expect(() => parseCvc(concat(hexAt(real, "device", "full"), Uint8Array.of(0)))).toThrow("1 bytes behind it");
});

test("whatever a card sends, reading it ends in a value or an HsmError", () => {
  const seeds = [hexAt(real, "ef_2f02"), hexAt(real, "ef_ce01"), hexAt(sim, "rsa2048_request")];
  const damaged = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }))
    .map(([seed, changes]) => {
      const bytes = seed.slice();
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      try {
        parseDeviceCertificates(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(HsmError);
        expect((error as HsmError).kind).toBe("check-failed");
      }
    }),
    { numRuns: 2000 },
  );
});
