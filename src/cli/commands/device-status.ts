import type { PinState, TokenState } from "../../cards/smartcard-hsm/token-status.ts";
import { type DeviceReport, reportDevice } from "../../services/device-report.ts";
import type { CommandContext } from "../context.ts";
import { rememberDevices } from "../devices/device-cache.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { perhapsSeveral } from "../devices/device-spec.ts";
import { sentences, statusRows } from "../report-lines.ts";
import type { SeveralPlan } from "../several/several-plan.ts";
import { aligned, simulatedMark } from "../wording.ts";

interface Seen {
  readonly report: DeviceReport;
  /** What the facts mean, for people. */
  readonly notes: readonly string[];
}

/** State, tries and DKEK of one token or a row for each of several. Spends no try; 0 whenever all could be read. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const perhaps = perhapsSeveral(context.args.flag("all"), context.globals.devices);
  const plan = perhaps ? await (await import("../several/several-plan.ts")).planSeveral(context) : null;
  if (plan !== null) return runSeveral(context, plan);
  await withDevice(context, "shared", async (device) => {
    const { report, notes } = await look(context, device);
    context.output.result({ device: report, notes }, [
      ...aligned(statusRows(report)),
      ...(notes.length === 0 ? [] : ["", ...notes.map((note) => `- ${note}`)]),
    ]);
  });
  return undefined;
}

async function look(context: CommandContext, { card, simulated }: OpenDevice): Promise<Seen> {
  const report = { ...(await reportDevice(card)), simulated };
  await rememberDevices(context, [report]);
  return { report, notes: sentences(report) };
}

async function runSeveral(context: CommandContext, plan: SeveralPlan): Promise<number> {
  const { withDevices } = await import("../several/several.ts");
  const { reportSeveral } = await import("../several/several-report.ts");
  let exitCode = 0;
  await withDevices(
    context,
    plan,
    (device) => look(context, device),
    (several) => {
      exitCode = reportSeveral(context, several, {
        facts: ({ report, notes }) => ({ device: report, notes }),
        nothing: { device: null, notes: [] },
        heading: ["TOKEN", "LABEL", "STATE", "USER PIN", "SO-PIN", "WHERE"],
        cells: ({ report }) => [
          report.serial ?? report.where,
          report.label ?? "",
          shortState[report.state],
          shortPin(report.userPin),
          shortPin(report.soPin),
          `${report.simulated ? `${simulatedMark} ` : ""}${report.where}`,
        ],
      });
    },
  );
  return exitCode;
}

/** As short as a column; `device status` of the one token says it in full. */
const shortState: Readonly<Record<TokenState, string>> = {
  uninitialised: "uninitialised",
  operational: "operational",
  "transport-pin": "transport PIN",
  "user-pin-blocked": "PIN BLOCKED",
  "so-pin-blocked": "SO-PIN BLOCKED",
  "both-blocked": "BOTH BLOCKED",
  "dkek-shares-pending": "shares missing",
  "public-key-authentication": "public keys",
  unreadable: "not readable",
};

function shortPin({ state, triesLeft }: Pick<PinState, "state" | "triesLeft">): string {
  switch (state) {
    case "ready":
      return triesLeft === null ? "ready" : `${triesLeft} left`;
    case "verified":
      return "logged in";
    case "blocked":
      return "BLOCKED";
    case "transport":
      return "transport";
    case "uninitialised":
      return "not set";
    case "public-key":
      return "keys";
    case "unreadable":
      return "unknown";
  }
}
