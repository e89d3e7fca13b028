import { expect, test } from "vitest";
import { firmwareQuirks } from "../../src/services/doctor/doctor-quirks.ts";
import { reportOf } from "./reports.ts";
import { statusOf } from "./statuses.ts";

const genuine = (version: string) => firmwareQuirks(reportOf(undefined, { version })).join("\n");

test("a Nitrokey HSM 2 of today has none", () => {
  expect(genuine("4.1")).toBe("");
  expect(genuine("3.6")).toBe("");
});

test.each([
  ["3.5", [], ["6282", "6F00", "AES"]],
  ["3.4", [], ["6282"]],
  ["3.3", ["6282"], ["6F00", "AES"]],
  ["3.2", ["6282", "AES keys: it must not be compared"], ["6F00"]],
  ["3.1", ["6282", "6F00", "AES keys: it must not be compared"], ["no AES"]],
  ["2.6", ["6282", "no AES keys"], ["6F00", "does not tell"]],
  ["1.2", ["6282", "no AES keys", "does not tell"], ["6F00"]],
])("firmware %s", (version, says, saysNot) => {
  const text = genuine(version);
  for (const word of says) expect(text).toContain(word);
  for (const word of saysNot) expect(text).not.toContain(word);
});

test("a Pico HSM: the SO-PIN is not checked, serials collide, and no genuine version's quirk is told", () => {
  const text = firmwareQuirks(reportOf(undefined, { maker: "pico", version: "3.1", serial: "ESPICOHSMTR" })).join("\n");
  expect(text).toContain("does not check the SO-PIN");
  expect(text).toContain("ESPICOHSMTR");
  expect(text).toContain("key hash");
  expect(text).not.toContain("6F00");
  const other = firmwareQuirks(reportOf(undefined, { maker: "pico", serial: "OWN0001" })).join("\n");
  expect(other).not.toContain("share the serial");
});

test("while shares are missing, zeros are no key check value and anybody can finish", () => {
  const pending = statusOf("ready", 15, { dkek: { state: "pending", shares: 2, outstanding: 1 } });
  expect(firmwareQuirks(reportOf(pending)).join()).toMatch(/zeros.*without any PIN/);
});
