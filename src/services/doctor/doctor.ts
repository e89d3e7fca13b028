import { type ErrorKind, HsmError, messageOf } from "../../errors.ts";
import { type DoctorFault, doctorFaults, isDoctorFault } from "./doctor-faults.ts";

/**
 * `hsmadm doctor`: a ladder from the Node that runs to the firmware of the card. The first rung that does not hold is
 * where to look; those above it cannot be judged and are not tried. What looks at the machine is handed in by the command.
 */

/** From the ground up. */
export const doctorRungs = [
  "node",
  "bindings",
  "service",
  "access",
  "readers",
  "card",
  "connect",
  "atr",
  "select",
  "extended",
  "identity",
  "pins",
  "firmware",
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
  /** In place of the fault's own lines, where this machine is known well enough to say it better. */
  readonly fix?: readonly string[] | undefined;
  /** Worth knowing although the rung holds, or beside its fault. */
  readonly notes?: readonly string[] | undefined;
}

/** May throw: an `HsmError` whose code is a known fault is that fault. */
export type DoctorProbe = () => DoctorFinding | Promise<DoctorFinding>;

export type DoctorProbes = Readonly<Record<DoctorRungName, DoctorProbe>>;

/** What the command knows of a thrown error beyond its message: causes, layer, who is to blame. */
export type DoctorWitness = (error: unknown) => Pick<DoctorFinding, "facts" | "notes">;

export interface DoctorRung {
  readonly name: DoctorRungName;
  readonly ok: boolean;
  readonly facts: DoctorFacts;
  readonly notes: readonly string[];
  /** Stable and greppable, for example `SHARING_VIOLATION`; present when not ok. */
  readonly fault?: string;
  /** What an error of this kind ends a command with; present when the rung failed with an error of ours. */
  readonly kind?: ErrorKind;
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

/** Never throws, but for what `witness` throws: an interruption is no finding. */
export async function runDoctor(probes: DoctorProbes, witness?: DoctorWitness): Promise<DoctorReport> {
  const rungs: DoctorRung[] = [];
  for (const name of doctorRungs) {
    const rung = await climb(name, probes[name], witness);
    rungs.push(rung);
    if (!rung.ok) return { rungs, firstFailing: name, notTried: doctorRungs.slice(rungs.length) };
  }
  return { rungs, firstFailing: null, notTried: [] };
}

async function climb(
  name: DoctorRungName,
  probe: DoctorProbe,
  witness: DoctorWitness | undefined,
): Promise<DoctorRung> {
  let finding: DoctorFinding;
  try {
    finding = await probe();
  } catch (error) {
    return thrown(name, error, witness?.(error));
  }
  const { facts, fault, detail, notes = [] } = finding;
  if (fault === undefined) return { name, ok: true, facts, notes };
  const { problem, fix } = doctorFaults[fault];
  return {
    name,
    ok: false,
    facts,
    notes,
    fault,
    problem: detail === undefined ? problem : `${problem}: ${detail}`,
    fix: finding.fix ?? fix,
  };
}

function thrown(name: DoctorRungName, error: unknown, told: ReturnType<DoctorWitness> | undefined): DoctorRung {
  const { notes = [] } = told ?? {};
  const problem = messageOf(error);
  if (!(error instanceof HsmError)) {
    const facts = told?.facts ?? {};
    return { name, ok: false, facts, notes, fault: "UNEXPECTED", problem, fix: doctorFaults.UNEXPECTED.fix };
  }
  const { code, kind, advice } = error;
  const known = isDoctorFault(code) ? doctorFaults[code].fix : [];
  const fix = known.length > 0 || advice === undefined ? known : advice.split("\n");
  return { name, ok: false, facts: { code, ...told?.facts }, notes, fault: code, kind, problem, fix };
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
