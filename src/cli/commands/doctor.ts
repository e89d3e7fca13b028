import { existsSync } from "node:fs";
import { toHex } from "../../bytes/hex.ts";
import { recogniseAtr } from "../../cards/smartcard-hsm/atr.ts";
import { type ErrorKind, exitCodes, HsmError } from "../../errors.ts";
import { type DeviceReport, reportDevice } from "../../services/device-report.ts";
import {
  type DoctorFinding,
  type DoctorProbes,
  type DoctorRungName,
  doctorLines,
  runDoctor,
} from "../../services/doctor.ts";
import {
  atrFinding,
  bindingsFinding,
  nodeFinding,
  pinsFinding,
  readersFinding,
  selectFinding,
} from "../../services/doctor-findings.ts";
import type { ReaderInfo } from "../../transport/pcsc/reader-info.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../device-session.ts";
import { parseDeviceSpec } from "../device-spec.ts";
import { errorDocument } from "../failure.ts";
import { openPcscFor } from "../reader-device.ts";

/** What the command ends with when this rung is the first that does not hold. */
const kinds: Readonly<Record<DoctorRungName, ErrorKind>> = {
  node: "service",
  bindings: "service",
  service: "service",
  access: "service",
  readers: "device",
  card: "device",
  atr: "device",
  select: "not-supported",
  pins: "check-failed",
};

/** From the Node that runs to the PINs of the card: the first rung that does not hold, and the fix. Presents no PIN. */
export async function run(context: CommandContext): Promise<number> {
  const { output } = context;
  const report = await runDoctor(probesFor(context));
  const failing = report.rungs.find((rung) => rung.name === report.firstFailing);
  const kind = failing === undefined ? undefined : kinds[failing.name];
  const version = context.io.version();
  const lines = [`hsmadm ${version}`, ...doctorLines(report).flatMap((line) => line.split("\n"))];
  if (failing === undefined || kind === undefined) {
    output.result({ version, ...report }, [...lines, "everything holds"]);
    return 0;
  }
  const error = new HsmError(`DOCTOR_${failing.name.toUpperCase()}`, kind, failing.problem ?? "", {
    advice: failing.fix?.join("\n"),
  });
  output.result({ version, ...report, error: errorDocument(error, exitCodes[kind]) }, lines);
  return exitCodes[kind];
}

function probesFor(context: CommandContext): DoctorProbes {
  const spec = parseDeviceSpec(context.globals.device ?? "auto");
  const real = spec.kind !== "simulated" && spec.kind !== "trace";
  let readers: readonly ReaderInfo[] = [];
  let seen: { atr: Uint8Array; report: DeviceReport } | undefined;
  const unlessReal = (probe: () => Promise<DoctorFinding> | DoctorFinding) => async (): Promise<DoctorFinding> =>
    real ? probe() : { facts: { "not needed": `${context.globals.device} is in no reader` } };
  const look = async () => {
    seen ??= await withDevice(context, "shared", async ({ card, simulated }) => ({
      atr: card.channel.atr,
      report: { ...(await reportDevice(card)), simulated },
    }));
    return seen;
  };
  return {
    node: () => nodeFinding(process.versions.node, `${process.platform} ${process.arch}`),
    bindings: unlessReal(async () => {
      const { probeBindings } = await import("../../transport/pcsc/probe.ts");
      return bindingsFinding(await probeBindings({ timeoutMs: context.globals.timeoutMs }));
    }),
    service: unlessReal(() => serviceFinding(context)),
    access: unlessReal(async () => {
      const pcsc = await openPcscFor(context);
      try {
        readers = await pcsc.listReaders();
        return { facts: { driver: pcsc.driver } };
      } finally {
        await pcsc.close();
      }
    }),
    readers: unlessReal(() => readersFinding(readers)),
    card: unlessReal(() => cardFinding(readers)),
    atr: async () => {
      if (real) {
        const [card] = readers.filter(({ atr }) => atr !== null);
        if (card?.atr) return atrFinding(toHex(card.atr, " "), recogniseAtr(card.atr)?.name ?? null);
      }
      const { atr } = await look();
      return atrFinding(toHex(atr, " "), recogniseAtr(atr)?.name ?? null);
    },
    select: async () => selectFinding((await look()).report),
    pins: async () => pinsFinding((await look()).report),
  };
}

const usualSocket = "/run/pcscd/pcscd.comm";
const usualService = ["/usr/sbin/pcscd", "/usr/local/sbin/pcscd"];

/** On Linux pcscd is reached by a socket in the file system; elsewhere the system has its own service. */
function serviceFinding(context: CommandContext): DoctorFinding {
  if (process.platform !== "linux") return { facts: { service: "of the system" } };
  const socket = context.io.env["PCSCLITE_CSOCK_NAME"] ?? usualSocket;
  const there = existsSync(socket);
  const installed = usualService.some((path) => existsSync(path));
  const facts = { socket, "is there": there, "pcscd installed": installed };
  if (there) return { facts };
  return { facts, fault: installed ? "SERVICE_NOT_RUNNING" : "SERVICE_NOT_INSTALLED" };
}

function cardFinding(readers: readonly ReaderInfo[]): DoctorFinding {
  const cards = readers.filter(({ state }) => state !== "empty");
  const facts = { cards: cards.map(({ name, state }) => `${name} (${state})`) };
  if (cards.length === 0) return { facts, fault: "NO_CARD" };
  return cards.every(({ state }) => state === "mute") ? { facts, fault: "CARD_MUTE" } : { facts };
}
