import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type CommandApdu, encodeCommand } from "../../src/apdu/command.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { selectApplication } from "../../src/cards/smartcard-hsm/application.ts";
import { deleteBinary, enumerateObjects, readBinary, updateBinary } from "../../src/cards/smartcard-hsm/files.ts";
import { type InitializeSettings, initializeDevice } from "../../src/cards/smartcard-hsm/initialize.ts";
import { queryKeyDomain } from "../../src/cards/smartcard-hsm/key-domains.ts";
import { changePin, queryPin, resetRetryCounter, verifyPin } from "../../src/cards/smartcard-hsm/pin-commands.ts";
import { encodeTokenInfo } from "../../src/cards/smartcard-hsm/pkcs15-token-info.ts";

// The vectors' origin: test/vectors/README.md.
const { apdus } = JSON.parse(readFileSync(new URL("../vectors/apdus.json", import.meta.url), "utf8")) as {
  apdus: Record<string, string>;
};

const pin = utf8Bytes("648219");
const soPin = fromHex("3537363231383830");
const hex = ({ apdu }: { apdu: CommandApdu }): string => toHex(encodeCommand(apdu));

test.each([
  ["select_fci", selectApplication("x")],
  ["read_ef_2f02_from_0_extended", readBinary(0x2f02, 0, 65_536, "x")],
  ["read_ef_2f02_from_0_short", readBinary(0x2f02, 0, 256, "x")],
  ["enumerate", enumerateObjects(true, "x")],
  ["verify_user_pin_status", queryPin("user-pin")],
  ["verify_user_pin_648219", verifyPin("user-pin", pin)],
  ["verify_so_pin", verifyPin("so-pin", soPin)],
  ["initialize_example", initializeDevice({ soPin, userPin: pin, dkek: { kind: "shares", shares: 1 } })],
  ["initialize_no_dkek", initializeDevice({ soPin, userPin: pin, retries: 3, dkek: { kind: "none" } })],
  ["dkek_status", queryKeyDomain(0)],
  ["delete_ef_ce01", deleteBinary(0xce01, "x")],
  ["tokeninfo_write", updateBinary(0x2f03, 0, encodeTokenInfo("test hsm"), "x")],
] as const)("%s is byte for byte the vector", (name, command) => {
  expect(hex(command)).toBe(apdus[name]);
});

test("CHANGE and RESET RETRY COUNTER put one value behind the other", () => {
  expect(hex(changePin("user-pin", pin, utf8Bytes("123456")))).toBe("002400810C363438323139313233343536");
  expect(hex(changePin("so-pin", soPin, fromHex("0123456789ABCDEF")))).toBe(
    "002400881035373632313838300123456789ABCDEF",
  );
  // As OpenSC sent it in recording 17.
  expect(hex(resetRetryCounter(soPin, pin))).toBe("002C00810E3537363231383830363438323139");
  expect(hex(resetRetryCounter(soPin))).toBe("002C0181083537363231383830");
});

const settings = (more: Partial<InitializeSettings>): InitializeSettings => ({
  soPin,
  userPin: pin,
  dkek: { kind: "none" },
  ...more,
});

test.each([
  ["counter-only reset and transport PIN", { pinReset: "counter-only", transportPin: true }, "80020023", "910103"],
  ["no reset", { pinReset: "never" }, "80020000", "910103"],
  ["random DKEK", { dkek: { kind: "random" } }, "80020001", "910103920100"],
  ["key domains", { dkek: { kind: "key-domains", domains: 4 } }, "80020001", "910103970104"],
  [
    "public keys, 2 of 3, before key domains",
    { publicKeyAuthentication: { required: 2, total: 3 }, dkek: { kind: "key-domains", domains: 2 } },
    "80020001",
    "91010393020302970102",
  ],
  ["fewer tries", { retries: 1 }, "80020001", "910101"],
] as const)("INITIALIZE, %s", (_, more, head, tail) => {
  const data = toHex(initializeDevice(settings(more)).apdu.data ?? new Uint8Array(0));
  expect(data).toBe(`${head}8106363438323139820835373632313838 30${tail}`.replace(" ", ""));
});

test("INITIALIZE without user PIN, for public keys alone", () => {
  const { apdu } = initializeDevice({
    soPin,
    dkek: { kind: "none" },
    publicKeyAuthentication: { required: 1, total: 1 },
  });
  expect(toHex(apdu.data ?? new Uint8Array(0))).toBe("8002000182083537363231383830910103" + "93020101");
});

test.each([
  ["4 tries for 6 characters", { retries: 4 }, /at most 3 tries/],
  ["6 tries for 7 characters", { userPin: utf8Bytes("1234567"), retries: 6 }, /at most 5 tries/],
  ["11 tries", { userPin: utf8Bytes("12345678"), retries: 11 }, /from 1 to 10/],
  ["0 tries", { retries: 0 }, /from 1 to 10/],
  ["0 shares", { dkek: { kind: "shares", shares: 0 } }, /number of key shares/],
  ["256 domains", { dkek: { kind: "key-domains", domains: 256 } }, /number of key domains/],
  ["3 of 2 keys", { publicKeyAuthentication: { required: 3, total: 2 } }, /keys required/],
  ["91 keys", { publicKeyAuthentication: { required: 1, total: 91 } }, /authentication keys/],
  ["no way to log in", { userPin: undefined }, /needs a user PIN/],
  ["a short user PIN", { userPin: utf8Bytes("12345") }, /6 to 15/],
  ["a long user PIN", { userPin: utf8Bytes("1234567890123456") }, /6 to 15/],
  ["a short SO-PIN", { soPin: fromHex("01020304050607") }, /16 hex digits/],
] as const)("INITIALIZE with %s is refused on the host", (_, more, message) => {
  expect(() => initializeDevice(settings(more))).toThrow(message);
});

test.each([
  [7, 5],
  [8, 10],
  [15, 10],
])("a user PIN of %i characters may have %i tries", (length, retries) => {
  expect(() => initializeDevice(settings({ userPin: utf8Bytes("7".repeat(length)), retries }))).not.toThrow();
});
