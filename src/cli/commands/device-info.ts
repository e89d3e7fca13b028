import { toHex } from "../../bytes/hex.ts";
import { recogniseAtr } from "../../cards/smartcard-hsm/atr.ts";
import { reportDevice } from "../../services/device-report.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { infoRows, sentences, statusRows } from "../report-lines.ts";
import { aligned } from "../wording.ts";

/** Everything a token tells without a login. */
export async function run(context: CommandContext): Promise<undefined> {
  await withDevice(context, "shared", async ({ card, simulated }) => {
    const report = { ...(await reportDevice(card)), simulated };
    const atr = toHex(card.channel.atr, " ");
    const known = recogniseAtr(card.channel.atr)?.name ?? null;
    const notes = sentences(report);
    const rows: [string, string][] = [
      ...statusRows(report),
      ...infoRows(report),
      ["ATR", `${atr}${known === null ? "" : ` (${known})`}`],
    ];
    context.output.result({ device: report, atr: { hex: toHex(card.channel.atr), name: known }, notes }, [
      ...aligned(rows),
      ...(notes.length === 0 ? [] : ["", ...notes.map((note) => `- ${note}`)]),
    ]);
  });
}
