import { describe, expect, test } from "vitest";
import { chooseReader, type Look, type ReaderWithState } from "../../src/cli/devices/choose-reader.ts";
import { parseDeviceSpec } from "../../src/cli/devices/device-spec.ts";
import { HsmError } from "../../src/errors.ts";

const alpha = "SCM SCR 3310 00 00";
const beta = "Nitrokey HSM (DENK0105213) 01 00";
const gamma = "Yubico YubiKey 02 00";

const tokens: Record<string, Look> = {
  [alpha]: { token: { serial: "UTAAA000001", chr: "UTAAA00000100000", label: "payroll", simulated: false } },
  [beta]: { token: { serial: "DENK0105213", chr: "DENK010521300000", label: "payroll", simulated: false } },
  [gamma]: { problem: new HsmError("NOT_A_SMARTCARD_HSM", "not-supported", "no SmartCard-HSM") },
};

const present = (...names: string[]): ReaderWithState[] => names.map((name) => ({ name, state: "present" }));
const empty = (...names: string[]): ReaderWithState[] => names.map((name) => ({ name, state: "empty" }));

async function choose(readers: ReaderWithState[], name: string | null) {
  const looked: string[] = [];
  const outcome = await chooseReader(readers, name, async (reader) => {
    looked.push(reader);
    return tokens[reader] ?? { problem: new HsmError("X", "device", "unknown") };
  }).catch((error: unknown) => {
    if (error instanceof HsmError) return error;
    throw error;
  });
  return { outcome, looked };
}

describe("which reader did the operator mean", () => {
  const cases: [why: string, readers: ReaderWithState[], name: string | null, expected: object, looks: number][] = [
    ["the one card there is", [...empty(gamma), ...present(alpha)], null, { reader: alpha, by: "only-card" }, 0],
    ["a reader by its name", present(alpha, beta), beta, { reader: beta, by: "reader" }, 0],
    [
      "an empty reader by its name, so that its error is told",
      [...empty(alpha)],
      alpha,
      { reader: alpha, by: "reader" },
      0,
    ],
    ["the one token among other cards", present(alpha, gamma), null, { reader: alpha, by: "only-token" }, 2],
    ["a serial", present(alpha, beta), "DENK0105213", { reader: beta, by: "serial" }, 2],
    ["a CHR", present(alpha, beta), "DENK010521300000", { reader: beta, by: "serial" }, 2],
    ["a label that one token has", present(alpha, gamma), "payroll", { reader: alpha, by: "label" }, 2],
    ["a serial also when one card is there", present(alpha), "UTAAA000001", { reader: alpha, by: "serial" }, 1],
    ["two tokens, none named", present(alpha, beta), null, { code: "DEVICE_AMBIGUOUS", kind: "device" }, 2],
    ["a label that two tokens have", present(alpha, beta), "payroll", { code: "DEVICE_AMBIGUOUS", kind: "device" }, 2],
    ["a serial nobody has, although one card is there", present(alpha), "DENK9999999", { code: "DEVICE_NOT_FOUND" }, 1],
    ["a part of a reader's name is not its name", present(alpha, beta), "Nitrokey", { code: "DEVICE_NOT_FOUND" }, 2],
    ["no card", empty(alpha), null, { code: "NO_CARD", kind: "device" }, 0],
    ["no reader", [], null, { code: "NO_READER", kind: "device" }, 0],
    ["no reader, one named", [], "DENK0105213", { code: "NO_READER", kind: "device" }, 0],
  ];
  for (const [why, readers, name, expected, looks] of cases) {
    test(why, async () => {
      const { outcome, looked } = await choose(readers, name);
      expect(outcome).toMatchObject(expected);
      expect(looked).toHaveLength(looks);
    });
  }

  test("several tokens are listed with what tells them apart", async () => {
    const { outcome } = await choose(present(alpha, beta), null);
    expect((outcome as HsmError).advice).toContain(`UTAAA000001 "payroll" in reader "${alpha}"`);
    expect((outcome as HsmError).advice).toContain("DENK0105213");
  });

  test("a newcomer without reader or card hears of simulated tokens", async () => {
    for (const readers of [[], empty(alpha)]) {
      const { outcome } = await choose(readers, null);
      expect((outcome as HsmError).advice).toContain("--device sim:demo");
    }
  });
});

describe("--device", () => {
  test.each([
    ["auto", { kind: "auto" }],
    ["none", { kind: "none" }],
    ["sim:demo", { kind: "simulated", name: "demo" }],
    ["sim:A.b_c-9", { kind: "simulated", name: "A.b_c-9" }],
    ["trace:/tmp/a, b.apdu", { kind: "trace", path: "/tmp/a, b.apdu" }],
    ["pcsc:Reader, with comma 00", { kind: "pcsc", name: "Reader, with comma 00" }],
    ["DENK0105213", { kind: "name", name: "DENK0105213" }],
    ["SCM SCR 3310 [CCID]: x", { kind: "name", name: "SCM SCR 3310 [CCID]: x" }],
  ])("%s", (text, expected) => {
    expect(parseDeviceSpec(text)).toEqual(expected);
  });

  test.each([
    "",
    "sim:",
    "sim:../x",
    "sim:.hidden",
    "sim:a/b",
    `sim:${"x".repeat(65)}`,
    "trace:",
    "pcsc:",
    "A,B",
    "sim:a,sim:b",
    "trace:a,sim:b",
  ])("%j is a usage error", (text) => {
    expect(() => parseDeviceSpec(text)).toThrow(expect.objectContaining({ kind: "usage" }));
  });

  test.each(["fido:auto", "sim-fido:x"])("%s is not supported yet", (text) => {
    expect(() => parseDeviceSpec(text)).toThrow(expect.objectContaining({ kind: "not-supported" }));
  });
});
