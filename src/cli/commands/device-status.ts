import { reportDevice } from "../../services/device-report.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../device-session.ts";
import { sentences, statusRows } from "../report-lines.ts";
import { aligned } from "../wording.ts";

/** State, tries and DKEK of one token. Spends no try; exit code 0 whenever they could be read. */
export async function run(context: CommandContext): Promise<undefined> {
  await withDevice(context, "shared", async ({ card, simulated }) => {
    const report = { ...(await reportDevice(card)), simulated };
    const notes = sentences(report);
    context.output.result({ device: report, notes }, [
      ...aligned(statusRows(report)),
      ...(notes.length === 0 ? [] : ["", ...notes.map((note) => `- ${note}`)]),
    ]);
  });
}
