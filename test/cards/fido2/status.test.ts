import { describe, expect, test } from "vitest";
import { ctapError, ctapStatusOf, describeCtapStatus } from "../../../src/cards/fido2/ctap-status.ts";
import { HsmError } from "../../../src/errors.ts";

const token = 'reader "ACR122"';

describe("CTAP status codes", () => {
  test("every one is told as what happened, on which token, in our form of messages", () => {
    for (let status = 1; status < 0x100; status++) {
      const error = ctapError(status, "authenticatorGetAssertion", { token });
      expect(error.message).toMatch(/^[a-z].*[^.]$/s);
      expect(error.message).toContain(describeCtapStatus(status));
      expect(error.message).not.toMatch(/[{}]/);
      expect(error.advice ?? "x").not.toMatch(/\.$/);
      expect(ctapStatusOf(error)).toBe(status);
    }
  });

  test.each([
    [0x31, "authentication", "FIDO_PIN_WRONG"],
    [0x32, "blocked", "FIDO_PIN_BLOCKED"],
    [0x33, "authentication", "FIDO_AUTH_INVALID"],
    [0x34, "blocked", "FIDO_PIN_PAUSED"],
    [0x2e, "device", "FIDO_NO_CREDENTIAL"],
    [0x27, "cancelled", "FIDO_DENIED"],
    [0x2d, "cancelled", "FIDO_CANCELLED"],
    [0x2f, "timeout", "FIDO_TIMEOUT"],
    [0x3a, "timeout", "FIDO_TIMEOUT"],
    [0x2b, "not-supported", "FIDO_NOT_SUPPORTED"],
    [0x2c, "not-supported", "FIDO_NOT_SUPPORTED"],
    [0x01, "not-supported", "FIDO_NOT_SUPPORTED"],
    [0x06, "service", "FIDO_BUSY"],
    [0x19, "conflict", "FIDO_ALREADY_ENROLLED"],
    [0x7f, "unexpected", "FIDO_FAILED"],
  ])("%i is %s, %s", (status, kind, code) => {
    expect(ctapError(status, "a command", { token })).toMatchObject({ kind, code });
  });

  test("33 does not blame the PIN, 34 says to unplug, 31 tells the tries left", () => {
    expect(ctapError(0x33, "a command", { token }).message).toMatch(/not necessarily a wrong PIN/);
    expect(ctapError(0x34, "a command", { token }).advice).toMatch(/take the token out/);
    expect(ctapError(0x31, "a command", { token, triesLeft: 1 })).toMatchObject({
      triesLeft: 1,
      message: 'wrong PIN on reader "ACR122" (1 try left, CTAP status 31 PIN_INVALID)',
    });
  });

  test("unknown ones keep their number", () => {
    expect([0x41, 0x7f, 0xe1, 0xf2].map(describeCtapStatus)).toEqual([
      "41 unknown",
      "7F OTHER",
      "E1 extension specific",
      "F2 vendor specific",
    ]);
    expect(ctapStatusOf(new HsmError("X", "usage", "no status in it"))).toBeUndefined();
  });
});
