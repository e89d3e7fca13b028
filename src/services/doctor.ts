import { HsmError, messageOf } from "../errors.ts";
import { type DoctorFault, doctorFaults } from "./doctor-faults.ts";

/**
 * `hsmadm doctor`: a ladder from the Node that runs to the PINs of the card. The first rung that does not hold is where to
 * look; those above it cannot be judged and are not tried. What looks at the machine is handed in by the command.
 */

/** From the ground up. */
export const doctorRungs = [
  "node",
  "bindings",
  "service",
  "access",
  "readers",
  "card",
  "atr",
  "select",
  "pins",
] as const;

export type DoctorRungName = (typeof doctorRungs)[number];

/** Ready for JSON and for a bug report: never a secret. Raw bytes go in as hex. */
export type DoctorFacts = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface DoctorFinding {
  readonly facts: DoctorFacts;
  /** Absent: the rung holds. */
  readonly fault?: DoctorFault | undefined;
  /** What is special about this case, put behind the fault's own words. */
  readonly detail?: string | undefined;
  /** Worth knowing although the rung holds. */
  readonly notes?: readonly string[] | undefined;
}

/** May throw: an `HsmError` whose code is a known fault is that fault. */
export type DoctorProbe = () => DoctorFinding | Promise<DoctorFinding>;

export type DoctorProbes = Readonly<Record<DoctorRungName, DoctorProbe>>;

export interface DoctorRung {
  readonly name: DoctorRungName;
  readonly ok: boolean;
  readonly facts: DoctorFacts;
  readonly notes: readonly string[];
  /** One sentence; present when not ok. */
  readonly problem?: string;
  /** Lines to read or to paste; present when not ok. */
  readonly fix?: readonly string[];
}

export interface DoctorReport {
  /** Those that were tried; at most the last one is not ok. */
  readonly rungs: readonly DoctorRung[];
  readonly firstFailing: DoctorRungName | null;
  readonly notTried: readonly DoctorRungName[];
}

/** Never throws. */
export async function runDoctor(probes: DoctorProbes): Promise<DoctorReport> {
  const rungs: DoctorRung[] = [];
  for (const name of doctorRungs) {
    const rung = await climb(name, probes[name]);
    rungs.push(rung);
    if (!rung.ok) return { rungs, firstFailing: name, notTried: doctorRungs.slice(rungs.length) };
  }
  return { rungs, firstFailing: null, notTried: [] };
}

async function climb(name: DoctorRungName, probe: DoctorProbe): Promise<DoctorRung> {
  let finding: DoctorFinding;
  try {
    finding = await probe();
  } catch (error) {
    return thrown(name, error);
  }
  const { facts, fault, detail, notes = [] } = finding;
  if (fault === undefined) return { name, ok: true, facts, notes };
  const { problem, fix } = doctorFaults[fault];
  return { name, ok: false, facts, notes, problem: detail === undefined ? problem : `${problem}: ${detail}`, fix };
}

function thrown(name: DoctorRungName, error: unknown): DoctorRung {
  const facts: DoctorFacts = error instanceof HsmError ? { code: error.code } : {};
  const failed = { name, ok: false, facts, notes: [], problem: messageOf(error) } as const;
  if (error instanceof HsmError) {
    const known = isFault(error.code) ? doctorFaults[error.code].fix : [];
    return { ...failed, fix: known.length > 0 || error.advice === undefined ? known : [error.advice] };
  }
  return { ...failed, fix: doctorFaults.UNEXPECTED.fix };
}

function isFault(code: string): code is DoctorFault {
  return Object.hasOwn(doctorFaults, code);
}

/** The report as text, to be read and to be pasted into a question. */
export function doctorLines({ rungs, firstFailing, notTried }: DoctorReport): string[] {
  const lines = rungs.flatMap(({ name, ok, facts, notes, problem, fix = [] }) => [
    `${ok ? "ok  " : "FAIL"} ${name.padEnd(8)} ${factsText(facts)}`.trimEnd(),
    ...(problem === undefined ? [] : [`     problem: ${problem}`]),
    ...notes.map((note) => `     note: ${note}`),
    ...fix.map((line) => `     ${line}`.trimEnd()),
  ]);
  if (firstFailing !== null && notTried.length > 0) lines.push(`not tried: ${notTried.join(", ")}`);
  return lines;
}

function factsText(facts: DoctorFacts): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(", ") || "none" : value}`)
    .join("; ");
}
