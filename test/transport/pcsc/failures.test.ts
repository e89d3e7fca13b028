import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { faultOf, pcscError, transportErrorOf } from "../../../src/transport/pcsc/failures.ts";
import { codeAtEnd, codeOfName, isServiceLoss, pcscCodes } from "../../../src/transport/pcsc/pcsc-codes.ts";

describe("codes in the bindings' errors", () => {
  // Messages as pcsclite 1.0.1 wrote them on Linux (pcsc-lite 1.9.9); the German one after npm pcsclite issue 57.
  test.each([
    ["SCardEstablishContext error: Service not available.(0x8010001d)", 0x8010001d],
    ["SCardTransmit error: Card was reset.(0x80100068)", 0x80100068],
    ["SCardConnect error: Die Smartcard antwortet nicht auf einen R\uFFFDcksetzbefehl.\r\n(0x80100066)", 0x80100066],
    ["SCardConnect error: Sharing violation.(0xffffffff8010000b)", 0x8010000b],
    ["SCardConnect error: Sharing violation.(0x8010000b)\n", 0x8010000b],
  ])("%j", (message, code) => expect(codeAtEnd(message)).toBe(code));

  test.each(["Card Reader not connected", "", "(0x8010000b) said somebody", "(0x8010000)", "0x8010000b"])(
    "%j ends in no code",
    (message) => expect(codeAtEnd(message)).toBeNull(),
  );

  test("pcsc-mini's names", () => {
    expect(codeOfName("NoService")).toBe(0x8010001d);
    expect(codeOfName("SharingViolation")).toBe(0x8010000b);
    for (const other of ["", "ENOENT", undefined, 7, null]) expect(codeOfName(other)).toBeNull();
  });
});

describe("every failure has its own error, with advice", () => {
  test.each<[string, number, string, number, RegExp]>([
    ["SCardEstablishContext", 0x8010001d, "SERVICE_NOT_RUNNING", 11, /pcscd.*systemctl start pcscd\.socket/],
    ["SCardTransmit", 0x8010001e, "SERVICE_NOT_RUNNING", 11, /pcscd/],
    ["SCardEstablishContext", 0x8010006a, "ACCESS_REFUSED", 11, /pcsc-lite\.access_pcsc.*pcsc-lite\.access_card/],
    ["SCardConnect", 0x8010000b, "SHARING_VIOLATION", 11, /scdaemon.*gpg-agent.*PKCS#11/],
    ["SCardListReaders", 0x8010002e, "NO_READER", 3, /plug in/],
    ["SCardConnect", 0x80100009, "READER_GONE", 3, /plug/],
    ["SCardTransmit", 0x80100017, "READER_GONE", 3, /plug/],
    ["SCardConnect", 0x8010000c, "NO_CARD", 3, /insert the card/],
    ["SCardConnect", 0x80100069, "NO_CARD", 3, /insert the card/],
    ["SCardTransmit", 0x80100069, "CARD_REMOVED", 3, /may or may not have been carried out/],
    ["SCardTransmit", 0x8010000c, "CARD_REMOVED", 3, /may or may not/],
    ["SCardConnect", 0x80100066, "CARD_MUTE", 3, /contacts/],
    ["SCardConnect", 0x80100067, "CARD_MUTE", 3, /contacts/],
    ["SCardTransmit", 0x80100068, "CARD_RESET", 3, /not repeated/],
    ["SCardTransmit", 0x8010000a, "TIMEOUT", 12, /device status/],
    ["SCardTransmit", 0x80100016, "EXCHANGE_FAILED", 1, /device status/],
    ["SCardTransmit", 0x80100013, "SERVICE_NOT_RUNNING", 11, /systemctl status pcscd/],
    ["SCardConnect", 0x8010000f, "CARD_MUTE", 3, /protocol/],
  ])("%s 0x%s", (call, code, fault, exitCode, advice) => {
    const error = pcscError({ call, code, text: "words of the binding" }, 'reader "R"', { layer: "pcsclite" });
    expect(error).toMatchObject({ code: fault, exitCode, layer: "pcsclite" });
    expect(error.advice).toMatch(advice);
    expect(error.message).toContain(`0x${code.toString(16).toUpperCase()}`);
    expect(error.cause).toMatchObject({ message: "words of the binding" });
    expect(error.message).not.toMatch(/\.$|^[A-Z][a-z]/);
  });

  test("any code gives an error, none crashes", () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.integer({ min: 0, max: 0xffffffff })), (call, code) => {
        const error = pcscError({ call, code, text: "" }, "x");
        expect(error.code).toBe(faultOf({ call, code, text: "" }));
        expect(error.advice).toBeTypeOf("string");
      }),
    );
  });

  test("only losses of the service drop everything", () => {
    const losses = Object.values(pcscCodes).filter(isServiceLoss);
    expect(losses.sort()).toEqual([0x80100013, 0x8010001d, 0x8010001e]);
  });

  test("what PC/SC said first is kept beside what it turned out to be", () => {
    const failure = { call: "SCardTransmit", code: 0x80100069, text: "later" };
    const first = { call: "SCardTransmit", code: 0x80100016, text: "at first" };
    const error = transportErrorOf({ kind: "pcsc", driver: "pcsclite", failure, first, reconnected: null }, "x");
    expect(error.code).toBe("CARD_REMOVED");
    expect(error.cause).toMatchObject({ message: "later" });
    expect(error.firstCause).toMatchObject({ message: "at first" });
  });

  test("no loadable binding: both are named with their reasons", () => {
    const reasons = [
      { driver: "pcsclite", reason: "Module did not self-register" },
      { driver: "pcsc-mini", reason: "Cannot find package" },
    ];
    const error = transportErrorOf({ kind: "not-loadable", reasons }, "PC/SC");
    expect(error).toMatchObject({ code: "BINDING_NOT_LOADABLE", exitCode: 11 });
    expect(error.message).toMatch(/pcsclite: Module did not self-register; pcsc-mini: Cannot find package/);
    expect(error.advice).toMatch(/npm rebuild/);
  });
});
