import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { DkekState } from "../../src/cards/smartcard-hsm/token-status.ts";
import type { DeviceReport } from "../../src/services/device-report.ts";
import { explain, type Lost } from "../../src/services/explain.ts";
import { reportOf } from "./reports.ts";
import { noDkek, statusOf } from "./statuses.ts";

/** docs/i-lost-a-pin.md is written for people; each row of its table must be what the program says, word for word. */
const situations: Record<string, readonly [DeviceReport, Lost?]> = {
  "user PIN blocked": [reportOf(statusOf("blocked", 15))],
  "user PIN blocked, counter reset allowed": [reportOf(statusOf("blocked", 15), { pinReset: "counter-only" })],
  "user PIN blocked, PIN reset not allowed": [reportOf(statusOf("blocked", 15), { pinReset: "never" })],
  "user PIN blocked, card before version 2": [reportOf(statusOf("blocked", 15), { pinReset: null })],
  "user PIN forgotten": [reportOf(), "user-pin"],
  "user PIN forgotten, PIN reset not allowed": [reportOf(statusOf(3, 15), { pinReset: "never" }), "user-pin"],
  "SO-PIN forgotten, tries left": [reportOf(statusOf(3, 12)), "so-pin"],
  "SO-PIN blocked, user PIN known": [reportOf(statusOf(3, "blocked"))],
  "SO-PIN blocked, user PIN forgotten": [reportOf(statusOf(3, "blocked")), "user-pin"],
  "both blocked": [reportOf(statusOf("blocked", "blocked"))],
  "both blocked, Pico HSM": [reportOf(statusOf("blocked", "blocked"), { maker: "pico" })],
  "both blocked, simulated token": [reportOf(statusOf("blocked", "blocked"), { maker: "simulated" })],
  "DKEK share lost or wrong, others missing": [reportOf(statusOf(3, 15, { dkek: pending() }))],
  "key check value not the expected one": [reportOf(), "key-check-value"],
  "key check value not the expected one, key domains": [
    reportOf(statusOf(3, 15, { keyDomains: [{ ...noDkek, state: "complete" }] })),
    "key-check-value",
  ],
  "transport PIN": [reportOf(statusOf("transport", 15))],
  "never initialised": [reportOf(statusOf("uninitialised", "uninitialised"))],
};

function pending(): Partial<DkekState> {
  return { state: "pending", shares: 3, outstanding: 2 };
}

const doc = readFileSync(new URL("../../docs/i-lost-a-pin.md", import.meta.url), "utf8");
const rows = [...doc.matchAll(/^\| (?!Situation|-)([^|]+) \| ([^|]+) \|$/gm)].map(
  ([, situation = "", sentences = ""]) => [situation, sentences.split("<br>")] as const,
);

test("the table has a row for each situation, and none besides", () => {
  expect(rows.map(([situation]) => situation)).toEqual(Object.keys(situations));
});

test.each(rows)("%s", (situation, sentences) => {
  const [report, lost] = situations[situation] ?? [];
  expect(report).toBeDefined();
  if (report !== undefined) expect(explain(report, lost)).toEqual(sentences);
});
