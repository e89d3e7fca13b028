import type { DkekState } from "../cards/smartcard-hsm/token-status.ts";
import type { DeviceReport, ReportedPin } from "../services/device-report.ts";
import { explain } from "../services/explain.ts";
import { pinWords, simulatedMark, stateWords } from "./wording.ts";

type Rows = [name: string, value: string][];

/** The facts of `device status`: what an officer looks at every day. */
export function statusRows(report: DeviceReport): Rows {
  const { serial, label, where, simulated, state, userPin, soPin, version } = report;
  return [
    [
      "Token",
      `${serial ?? "no serial yet"}${label === null ? "" : `  "${label}"`}${simulated ? `  ${simulatedMark}` : ""}`,
    ],
    ["Where", where],
    ["State", stateWords[state]],
    ["User PIN", reportedPinWords(userPin)],
    ["SO-PIN", reportedPinWords(soPin)],
    ...domainRows(report),
    ["Version", version],
    ["Certificate", chainWords(report)],
  ];
}

/** What `device info` adds. */
export function infoRows(report: DeviceReport): Rows {
  const { chr, key, maker, platform, options, optionNames, chain } = report;
  const names = optionNames.length === 0 ? "none" : optionNames.join(", ");
  const rows: Rows = [
    ["CHR", chr ?? "none"],
    ["Key", key ?? "none"],
    ["Maker", maker],
    ["Platform", platform],
    ["Options", options === null ? "not told by this version" : `${options} (${names})`],
  ];
  if (chain.path.length > 0) rows.push(["Chain", chain.path.join(" < ")]);
  return rows;
}

/** What the facts mean and what can be done; the dead ends too. */
export function sentences(report: DeviceReport): string[] {
  const said = explain(report);
  // A simulated Pico HSM makes its own certificate, so only its place tells what it is.
  if (report.simulated && !said.some((sentence) => sentence.includes(simulatedMark))) {
    said.push(`${simulatedMark} token: a file on this computer, its keys are protected by nothing else`);
  }
  return said;
}

function reportedPinWords({ state, triesLeft, sw }: ReportedPin): string {
  return pinWords({ state, triesLeft, sw: Number.parseInt(sw, 16) });
}

function domainRows({ dkek, keyDomains, state }: DeviceReport): Rows {
  if (state === "uninitialised") return [];
  if (keyDomains === null) return [["DKEK", dkekStateWords(dkek)]];
  return keyDomains.map((domain) => [`Key domain ${domain.index}`, dkekStateWords(domain)]);
}

function dkekStateWords({ state, shares, outstanding, kcv, kcvNote }: DkekState): string {
  const check =
    kcv !== null ? `, check value ${kcv}` : kcvNote === "before-login" ? ", check value not readable before login" : "";
  const count = shares === null ? "" : ` from ${shares} ${shares === 1 ? "share" : "shares"}`;
  switch (state) {
    case "none":
      return "none";
    case "not-created":
      return "not created";
    case "pending":
      return `waiting for ${outstanding ?? "?"} of ${shares ?? "?"} shares`;
    case "complete":
      return `complete${count}${check}`;
    case "random":
      return `made inside the token${check}`;
    case "unknown":
      return "not told";
  }
}

function chainWords({ chain }: DeviceReport): string {
  switch (chain.status) {
    case "verified":
      return `verified, ${chain.rootTitle ?? chain.root}`;
    case "invalid":
      return `INVALID: ${chain.reason}`;
    case "not-verifiable":
      return "not verifiable";
  }
}
