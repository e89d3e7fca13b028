import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import { encodeTlv, readTlv } from "../../../src/bytes/tlv.ts";
import { HsmError } from "../../../src/errors.ts";
import { decodeCustodianFile, encodeCustodianFile } from "../../../src/services/pka/custodian-file.ts";
import {
  decodeAnswer,
  decodeChallenge,
  encodeAnswer,
  encodeChallenge,
  type LoginAnswer,
  type LoginChallenge,
  needAnswerTo,
} from "../../../src/services/pka/login-files.ts";

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8")) as Record<
    string,
    string & { full: string }
  >;
const cvc = read("cvc");
const pki = read("sim_pki");
const request = fromHex(cvc["ef_ce01"] ?? "");
const device = fromHex(cvc["device"]?.full ?? "");
const issuer = fromHex(cvc["device_issuer"]?.full ?? "");

function codeOf(work: () => unknown): string {
  try {
    work();
    return "nothing was thrown";
  } catch (error) {
    return error instanceof HsmError ? `${error.kind} ${error.code}` : String(error);
  }
}

const list = (...objects: Uint8Array[]) => encodeTlv(0x30, ...objects);
const oid = encodeTlv(0x06, fromHex("2B0601040181C31F0403"));

describe("the file of sc-hsm-tool", () => {
  const old = list(request, device, issuer);

  test("the plain list: read, in order from the issuer down, and written as it was", () => {
    const credentials = decodeCustodianFile(old);
    expect(credentials.certificates.map(({ chr }) => chr)).toEqual(["DEDINK0400001", "DENK040414400000"]);
    expect(encodeCustodianFile(credentials)).toEqual(old);
  });

  test.each([
    ["61 is the device", [0x61, 0x62]],
    ["61 is the issuer", [0x62, 0x61]],
  ] as const)("the tagged form, %s", (_what, [deviceTag, issuerTag]) => {
    const bodies = [encodeTlv(0x63, request), encodeTlv(0x63, readTlv(request, "request").value)];
    for (const body of bodies) {
      const file = list(oid, encodeTlv(deviceTag, device), encodeTlv(issuerTag, issuer), body);
      const { certificates, requestBytes } = decodeCustodianFile(file);
      expect(certificates.map(({ chr }) => chr)).toEqual(["DEDINK0400001", "DENK040414400000"]);
      expect(requestBytes).toEqual(request);
    }
  });

  test("certificates in any order, and without an issuer", () => {
    expect(decodeCustodianFile(list(issuer, device, request)).certificates).toHaveLength(2);
    expect(decodeCustodianFile(list(request, device)).certificates).toHaveLength(1);
  });

  const broken = request.slice();
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
  test.each([
    ["no list", request, "INVALID"],
    ["nothing in it", list(), "INVALID"],
    ["no request", list(device, issuer), "INVALID"],
    ["two requests", list(request, request, device), "INVALID"],
    ["something behind it", concat(old, Uint8Array.of(0)), "INVALID"],
    ["truncated", old.slice(0, -5), "INVALID"],
    ["another object", list(request, device, encodeTlv(0x04, Uint8Array.of(1))), "INVALID"],
    ["a file of key domains", list(encodeTlv(0x06, fromHex("2B0601040181C31F0402")), request, device), "INVALID"],
    ["too long", new Uint8Array(20_000), "INVALID"],
    ["the certificate of another device", list(request, fromHex(pki["device"] ?? "")), "OTHER_DEVICE"],
    ["a forged request", list(broken, device, issuer), "FORGED"],
  ])("%s is refused", (_what, bytes, code) => {
    expect(codeOf(() => decodeCustodianFile(bytes))).toBe(`check-failed PKA_FILE_${code}`);
  });

  test("whatever bytes come, it is our refusal", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(codeOf(() => decodeCustodianFile(list(bytes)))).toMatch(/^check-failed PKA_FILE_/);
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

const challenge: LoginChallenge = {
  device: "UTCC000000100000",
  challenge: fromHex("0102030405060708"),
  custodian: "UTCC000000200001",
  made: "2026-11-20T12:00:00.000Z",
};
const answer: LoginAnswer = {
  device: challenge.device,
  challenge: challenge.challenge,
  custodian: "UTCC000000200001",
  signature: new Uint8Array(64).fill(7),
};

describe("challenges and answers", () => {
  test("are read as they were written", () => {
    expect(decodeChallenge(encodeChallenge(challenge))).toEqual(challenge);
    expect(decodeChallenge(encodeChallenge({ ...challenge, custodian: null })).custodian).toBeNull();
    expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer);
  });

  test("an answer belongs to its challenge", () => {
    expect(codeOf(() => needAnswerTo(challenge, answer))).toBe("nothing was thrown");
    const other = { ...answer, challenge: fromHex("0102030405060709") };
    expect(codeOf(() => needAnswerTo(challenge, other))).toBe("check-failed PKA_ANSWER_OTHER_CHALLENGE");
    expect(codeOf(() => needAnswerTo(challenge, { ...answer, device: "DENK0100000" }))).toBe(
      "check-failed PKA_ANSWER_OTHER_DEVICE",
    );
    expect(codeOf(() => needAnswerTo(challenge, { ...answer, custodian: "X" }))).toBe(
      "check-failed PKA_ANSWER_OTHER_CUSTODIAN",
    );
    expect(codeOf(() => needAnswerTo({ ...challenge, custodian: null }, { ...answer, custodian: "X" }))).toBe(
      "nothing was thrown",
    );
  });

  test.each([
    ["challenge", "0102"],
    ["challenge", "01020304050607zz"],
    ["device", "line\nbreak"],
    ["device", ""],
    ["custodian", 7],
    ["made", "yesterday"],
    ["version", 2],
    ["format", "hsmadm-login-answer"],
  ])("a challenge with %s %j is none", (field, value) => {
    const document = JSON.parse(new TextDecoder().decode(encodeChallenge(challenge))) as Record<string, unknown>;
    const bytes = utf8Bytes(JSON.stringify({ ...document, [field]: value }));
    expect(codeOf(() => decodeChallenge(bytes))).toBe("check-failed PKA_CHALLENGE_INVALID");
  });

  test.each([
    ["signature", "00"],
    ["signature", "00".repeat(200)],
    ["custodian", null],
  ])("an answer with %s %j is none", (field, value) => {
    const document = JSON.parse(new TextDecoder().decode(encodeAnswer(answer))) as Record<string, unknown>;
    expect(codeOf(() => decodeAnswer(utf8Bytes(JSON.stringify({ ...document, [field]: value }))))).toBe(
      "check-failed PKA_ANSWER_INVALID",
    );
  });

  test("half a file is none", () => {
    const bytes = encodeAnswer(answer);
    expect(codeOf(() => decodeAnswer(bytes.slice(0, bytes.length / 2)))).toBe("check-failed PKA_ANSWER_INVALID");
  });
});
