import { toHex } from "../../bytes/hex.ts";
import { recogniseAtr } from "../../cards/smartcard-hsm/atr.ts";
import { exitCodes, type HsmError } from "../../errors.ts";
import type { ReaderInfo } from "../../transport/pcsc/reader-info.ts";
import type { CommandContext } from "../context.ts";
import { asHsmError } from "../failure.ts";
import { lookInto, openPcscFor } from "../reader-device.ts";
import { listSimulated, type SimulatedEntry } from "../simulated-tokens.ts";
import { simulatedMark, table } from "../wording.ts";

interface Row {
  readonly reader: string;
  readonly state: ReaderInfo["state"];
  readonly atr: string | null;
  readonly card: string | null;
  readonly serial: string | null;
  readonly chr: string | null;
  readonly label: string | null;
  readonly simulated: boolean;
  readonly problem: string | null;
}

/** One row for each reader, empty ones too, and the simulated tokens under a heading of their own. Chooses nothing. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { output } = context;
  const simulated = await listSimulated(context);
  const { rows, problem } = await realReaders(context);
  // Without anything else to show, the reason why readers cannot be listed is the answer.
  if (problem !== undefined && simulated.length === 0) throw problem;
  if (problem !== undefined) {
    output.warn(`real readers cannot be listed: ${problem.message}`);
    if (problem.advice !== undefined) output.note(`hsmadm: hint: ${problem.advice}`);
  }
  output.result(
    {
      readers: rows,
      simulated,
      problem: problem === undefined ? null : { kind: problem.kind, code: problem.code, message: problem.message },
    },
    [...readerLines(rows), ...simulatedLines(simulated)],
  );
  return problem === undefined ? undefined : exitCodes.partial;
}

async function realReaders(context: CommandContext): Promise<{ rows: Row[] | null; problem?: HsmError }> {
  try {
    const pcsc = await openPcscFor(context);
    try {
      const rows: Row[] = [];
      for (const reader of await pcsc.listReaders()) rows.push(await rowOf(context, pcsc, reader));
      return { rows };
    } finally {
      await pcsc.close();
    }
  } catch (error) {
    const problem = asHsmError(error);
    if (problem.kind === "interrupted") throw problem;
    return { rows: null, problem };
  }
}

async function rowOf(context: CommandContext, pcsc: Parameters<typeof lookInto>[1], reader: ReaderInfo): Promise<Row> {
  const { name, state, atr } = reader;
  const row = { reader: name, state, atr: atr && toHex(atr), card: (atr && recogniseAtr(atr)?.name) ?? null };
  const nothing = { serial: null, chr: null, label: null, simulated: false, problem: null };
  if (state === "empty") return { ...row, ...nothing };
  const seen = await lookInto(context, pcsc, name, true);
  return "token" in seen
    ? { ...row, ...seen.token, problem: null }
    : { ...row, ...nothing, problem: seen.problem.message };
}

function readerLines(rows: readonly Row[] | null): string[] {
  if (rows === null) return [];
  if (rows.length === 0) return ["no reader is connected"];
  const cells = rows.map((row) => [
    row.reader,
    row.serial ?? "",
    row.label ?? "",
    row.state === "empty" ? "(empty)" : (row.problem ?? (row.simulated ? simulatedMark : (row.card ?? ""))),
  ]);
  return table([["READER", "SERIAL", "LABEL", "CARD"], ...cells]);
}

function simulatedLines(tokens: readonly SimulatedEntry[]): string[] {
  if (tokens.length === 0) return [];
  const cells = tokens.map((token) => [`sim:${token.name}`, token.serial ?? "", token.problem ?? simulatedMark]);
  return ["", ...table([["SIMULATED TOKEN", "SERIAL", ""], ...cells])];
}
