import type { DeviceReport } from "./device-report.ts";
import type { DoctorFinding } from "./doctor.ts";
import { explain } from "./explain.ts";

/** Judgements of what the command found, apart from finding it: the probes of `doctor` are made of these. */

const oldestNode = [20, 19] as const;

/** @param version as `process.versions.node` has it: `20.19.0` */
export function nodeFinding(version: string, platform: string): DoctorFinding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const facts = { version, platform };
  const [wantedMajor, wantedMinor] = oldestNode;
  const enough = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  return enough ? { facts } : { facts, fault: "NODE_TOO_OLD", detail: version };
}

/** One PC/SC binding, as `transport/pcsc` probes it. */
export interface ProbedBinding {
  readonly name: string;
  readonly loads: boolean;
  readonly version: string | null;
  readonly error: string | null;
  readonly fix: string | null;
}

/** One of them is enough; the others are told with their fix. */
export function bindingsFinding(bindings: readonly ProbedBinding[]): DoctorFinding {
  const facts = Object.fromEntries(
    bindings.map(({ name, loads, version, error }) => [
      name,
      loads ? `loads (${version ?? "version unknown"})` : `does not load (${firstLine(error)})`,
    ]),
  );
  if (!bindings.some(({ loads }) => loads)) return { facts, fault: "BINDING_NOT_LOADABLE" };
  return {
    facts,
    notes: bindings.flatMap(({ name, loads, fix }) => (loads || fix === null ? [] : [`${name}: ${fix}`])),
  };
}

export interface ListedReader {
  readonly name: string;
  readonly state: string;
}

export function readersFinding(readers: readonly ListedReader[]): DoctorFinding {
  const facts = { readers: readers.map(({ name, state }) => `${name} (${state})`) };
  return readers.length === 0 ? { facts, fault: "NO_READER" } : { facts };
}

/** @param known what the driver recognises in the ATR, `null` for a stranger: no fault, SELECT decides */
export function atrFinding(atr: string, known: string | null): DoctorFinding {
  return known === null
    ? { facts: { atr }, notes: ["this ATR is none that we know of a SmartCard-HSM: the answer to SELECT decides"] }
    : { facts: { atr, card: known } };
}

export function selectFinding(report: DeviceReport): DoctorFinding {
  const { serial, version, platform, options, chain, simulated } = report;
  return {
    facts: { serial, version, platform, options, certificate: chain.status, simulated },
  };
}

/** A blocked PIN is no fault of the installation: it is told as a note, and the dead ends with it. */
export function pinsFinding(report: DeviceReport): DoctorFinding {
  const { state, userPin, soPin } = report;
  const pin = ({ state: name, triesLeft, sw }: DeviceReport["userPin"]): string =>
    `${name}${triesLeft === null ? "" : `, ${triesLeft} left`} (SW ${sw})`;
  const facts = { state, "user PIN": pin(userPin), "SO-PIN": pin(soPin) };
  return state === "unreadable" ? { facts, fault: "PINS_UNREADABLE" } : { facts, notes: explain(report) };
}

function firstLine(text: string | null): string {
  return text?.split("\n")[0]?.trim() || "no reason given";
}
