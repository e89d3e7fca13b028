import { toHex } from "../../bytes/hex.ts";
import { recogniseAtr } from "../../cards/smartcard-hsm/atr.ts";
import { exitCodes, type HsmError } from "../../errors.ts";
import type { ReaderInfo } from "../../transport/pcsc/reader-info.ts";
import type { CommandContext } from "../context.ts";
import { rememberDevices } from "../devices/device-cache.ts";
import type { OpenDevice } from "../devices/device-session.ts";
import { lookInto, openPcscFor } from "../devices/reader-device.ts";
import { listSimulated, type SimulatedHsm } from "../devices/simulated-tokens.ts";
import { type TokenFacts, tokenFacts } from "../facts.ts";
import { asHsmError } from "../failure.ts";
import { tryWithout } from "../newcomer.ts";
import type { Document } from "../output.ts";
import { allSettled } from "../several/settled.ts";
import type { SeveralPlan } from "../several/several-plan.ts";
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

/**
 * One row for each reader, empty ones too, and the simulated tokens under a heading of their own. Chooses nothing, so
 * `$HSMADM_DEVICE` changes nothing; with `--device A,B` or `--all` a row for each of these tokens.
 */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { planSeveral } = await import("../several/several-plan.ts");
  const plan = await planSeveral(context, context.args.texts("device"), 1);
  return plan === null ? listEverything(context) : listNamed(context, plan);
}

async function listNamed(context: CommandContext, plan: SeveralPlan): Promise<number> {
  const { withDevices } = await import("../several/several.ts");
  const { reportSeveral } = await import("../several/several-report.ts");
  let exitCode = 0;
  const look = async (device: OpenDevice) => {
    const seen = await listed(device);
    await rememberDevices(context, [seen.token]);
    return seen;
  };
  await withDevices(context, plan, look, (several) => {
    exitCode = reportSeveral(context, several, {
      facts: ({ facts }) => facts,
      nothing: { serial: null, chr: null, label: null, simulated: false, atr: null, card: null },
      heading: ["TOKEN", "LABEL", "CARD", "WHERE"],
      cells: ({ cells }) => cells,
    });
  });
  return exitCode;
}

async function listed(device: OpenDevice): Promise<{ token: TokenFacts; facts: Document; cells: readonly string[] }> {
  const token = await tokenFacts(device);
  const { where, serial, chr, label, simulated } = token;
  const { atr } = device.card.channel;
  const card = recogniseAtr(atr)?.name ?? null;
  return {
    token,
    facts: { serial, chr, label, simulated, atr: toHex(atr), card },
    cells: [serial ?? where, label ?? "", simulated ? simulatedMark : (card ?? ""), where],
  };
}

async function listEverything(context: CommandContext): Promise<number | undefined> {
  const { output } = context;
  const simulated = await listSimulated(context);
  const { rows, problem } = await realReaders(context);
  // Without anything else to show, the reason why readers cannot be listed is the answer.
  if (problem !== undefined && simulated.length === 0) throw problem;
  if (problem !== undefined) {
    output.warn(`real readers cannot be listed: ${problem.message}`);
    for (const hint of problem.advice?.split("\n") ?? []) output.note(`hsmadm: hint: ${hint}`);
  }
  const tokens = (rows ?? []).map(({ reader, serial, label }) => ({ where: `reader "${reader}"`, serial, label }));
  await rememberDevices(context, tokens);
  output.result(
    {
      readers: rows,
      simulated,
      problem: problem === undefined ? null : { kind: problem.kind, code: problem.code, message: problem.message },
    },
    apart(readerLines(rows, output.columns), simulatedLines(simulated, output.columns)),
  );
  // With no reader at all it stands in the list's place.
  if (simulated.length === 0 && rows !== null && rows.length > 0 && rows.every(({ state }) => state === "empty")) {
    output.note(`hsmadm: hint: ${tryWithout}`);
  }
  return problem === undefined ? undefined : exitCodes.partial;
}

async function realReaders(context: CommandContext): Promise<{ rows: Row[] | null; problem?: HsmError }> {
  try {
    const pcsc = await openPcscFor(context);
    try {
      const readers = await pcsc.listReaders();
      return { rows: await allSettled(readers.map((reader) => rowOf(context, pcsc, reader))) };
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

/** With an empty line between them where both say something. */
function apart(above: readonly string[], below: readonly string[]): string[] {
  return [...above, ...(above.length > 0 && below.length > 0 ? [""] : []), ...below];
}

function readerLines(rows: readonly Row[] | null, columns: number | undefined): string[] {
  if (rows === null) return [];
  if (rows.length === 0) return ["no reader is connected", tryWithout];
  const cells = rows.map((row) => [
    row.reader,
    row.serial ?? "",
    row.label ?? "",
    row.state === "empty" ? "(empty)" : (row.problem ?? (row.simulated ? simulatedMark : (row.card ?? ""))),
  ]);
  return table([["READER", "SERIAL", "LABEL", "CARD"], ...cells], columns);
}

function simulatedLines(tokens: readonly SimulatedHsm[], columns: number | undefined): string[] {
  if (tokens.length === 0) return [];
  const cells = tokens.map((token) => [`sim:${token.name}`, token.serial ?? "", token.problem ?? simulatedMark]);
  return table([["SIMULATED TOKEN", "SERIAL", ""], ...cells], columns);
}
