import type { DeviceEvidence } from "../../cards/smartcard-hsm/token-status.ts";
import { HsmError } from "../../errors.ts";
import { dateWords } from "../../services/identity/certificate-dates.ts";
import {
  type DeviceJudgement,
  type DeviceTrust,
  judgeDevice,
  rememberDevice,
} from "../../services/identity/device-judgement.ts";
import { deviceRefusal } from "../../services/identity/device-refusals.ts";
import { pinnedRoots, readRoot } from "../../services/identity/device-roots.ts";
import { fileKnownDevices, type KnownDevices, noKnownDevices } from "../../services/identity/known-devices.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import type { Document } from "../output.ts";
import { aligned, simulatedMark } from "../wording.ts";

/**
 * Whether the token is what it says: its certificates, the key behind them, and the key this host knew for its serial.
 * That nobody vouches for an emulator is told and is no error; everything that speaks against the token is exit code 9.
 */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, io, output, paths } = context;
  const rootPath = args.text("root");
  const roots = rootPath === undefined ? await pinnedRoots(paths.roots) : [await readRoot(rootPath)];
  await withDevice(context, "exclusive", async (device) => {
    const known = knownDevicesOf(context);
    const judging = { roots, onlyThese: rootPath !== undefined, known, now: io.now() };
    const evidence = await device.card.evidence();
    const judged = await judgeDevice(evidence, () => proofOf(context, device), judging);
    const accepted = args.flag("accept-new-key") && judged.memory.status === "changed";
    const judgement: DeviceJudgement = accepted ? { ...judged, memory: { status: "first-seen" } } : judged;
    const dates = !args.flag("ignore-dates");
    const problem = deviceRefusal(evidence, judgement, { mustChainTo: rootPath && roots[0]?.name, dates });
    const document = { token: await tokenFacts(device), ...factsOf(evidence, judged), acceptedNewKey: accepted };
    output.result(document, lines(device, evidence, judged));
    if (problem !== undefined) throw withDetails(problem, document);
    if (!globals.dryRun) await rememberDevice(evidence, judgement, judging);
    if (!dates && judged.dates !== null) output.warn(`left out of it: ${dateWords(judged.dates)}`);
    if (globals.requireGenuine && !isProved(judged)) {
      throw withDetails(
        new HsmError("DEVICE_NOT_GENUINE", "check-failed", "nobody known vouches for this token and its key", {
          advice: "the lines above say what is missing",
          token: evidence.identity.serial || evidence.where,
        }),
        document,
      );
    }
  });
  return undefined;
}

function isProved({ trust, possession }: DeviceJudgement): boolean {
  return (trust === "genuine" || trust === "pinned") && possession.status === "proved";
}

function withDetails(problem: HsmError, verification: Document): HsmError {
  const { code, kind, message, advice, token } = problem;
  return new HsmError(code, kind, message, { advice, token, details: { verification } });
}

/** What a recording said once is nothing to remember a token by. */
function knownDevicesOf({ globals, paths }: CommandContext): KnownDevices {
  return isRecording(globals.device) ? noKnownDevices : fileKnownDevices(paths.knownDevices);
}

function isRecording(device: string | undefined): boolean {
  return device?.startsWith("trace:") === true;
}

async function proofOf({ globals }: CommandContext, { card }: OpenDevice) {
  const proof = await card.proveDeviceKey();
  return isRecording(globals.device)
    ? ({ status: "not-proved", reason: "a recording proves nothing now" } as const)
    : proof;
}

function factsOf({ identity }: DeviceEvidence, { trust, chain, dates, possession, memory }: DeviceJudgement): Document {
  const verified = chain.status === "verified";
  return {
    trust,
    key: identity.key || null,
    chain: {
      status: chain.status,
      root: verified ? chain.root.name : null,
      rootTitle: verified ? chain.root.title : null,
      path: verified ? chain.path : [],
      reason: verified ? null : chain.reason,
    },
    dates: {
      status: dates?.state ?? (verified ? "valid" : "unknown"),
      chr: dates?.chr ?? null,
      date: dates?.date ?? null,
    },
    possession: { status: possession.status, reason: possession.status === "proved" ? null : possession.reason },
    memory: {
      status: memory.status,
      before: memory.status === "changed" ? memory.before : null,
      mayBe: memory.status === "changed" ? memory.mayBe : [],
    },
  };
}

const trustWords: Readonly<Record<DeviceTrust, string>> = {
  genuine: "GENUINE: its maker vouches for it",
  pinned: "trusted: it chains to a root that you pinned",
  simulated: `${simulatedMark}: no hardware, its keys are protected by nothing`,
  "not-verifiable": "not verifiable: nobody known vouches for it",
  invalid: "INVALID",
};

function lines({ card }: OpenDevice, { identity }: DeviceEvidence, judgement: DeviceJudgement): string[] {
  const { trust, chain, dates, possession, memory } = judgement;
  const rows: [string, string][] = [
    ["Token", identity.serial || card.channel.where],
    ["Verdict", trustWords[trust]],
    ["Chain", chain.status === "verified" ? chain.path.join(" < ") : chain.reason],
  ];
  if (chain.status === "verified") {
    rows.push(["Root", chain.root.title], ["Dates", dates === null ? "valid today" : dateWords(dates)]);
  }
  rows.push(
    ["Device key", identity.key || "none"],
    [
      "Its proof",
      possession.status === "proved" ? "the token has this key" : `${possession.status}: ${possession.reason}`,
    ],
    ["Here before", memoryWords(judgement)],
  );
  const mayBe = memory.status === "changed" ? memory.mayBe : [];
  return [...aligned(rows), ...(mayBe.length === 0 ? [] : ["", "It may be:"]), ...mayBe.map((each) => `- ${each}`)];
}

function memoryWords({ memory, trust }: DeviceJudgement): string {
  switch (memory.status) {
    case "unnamed":
      return "cannot be recognised: it has no serial";
    case "known":
      return "yes, with this key";
    case "first-seen":
      return trust === "invalid" ? "no" : "no; this key is remembered for its serial from now on";
    case "changed":
      return `CHANGED: on ${memory.before.lastSeen.slice(0, 10)} its key was ${memory.before.key.slice(0, 16)}…`;
  }
}
