import { isTransportFault } from "../../apdu/transport-error.ts";
import { toHex } from "../../bytes/hex.ts";
import { recogniseAtr } from "../../cards/smartcard-hsm/atr.ts";
import { type ErrorKind, exitCodes, HsmError } from "../../errors.ts";
import {
  type DoctorFinding,
  type DoctorProbes,
  type DoctorRungName,
  doctorLines,
  runDoctor,
} from "../../services/doctor/doctor.ts";
import { bindingsFinding } from "../../services/doctor/doctor-bindings.ts";
import {
  atrFinding,
  type CardUser,
  cardFinding,
  extendedFinding,
  identityFinding,
  nodeFinding,
  pinsFinding,
  readersFinding,
  selectFinding,
} from "../../services/doctor/doctor-findings.ts";
import { firmwareQuirks } from "../../services/doctor/doctor-quirks.ts";
import {
  accessFacts,
  accessNotes,
  forbiddenFinding,
  type ServiceSight,
  serviceFinding,
} from "../../services/doctor/doctor-service.ts";
import type { ReaderInfo } from "../../transport/pcsc/reader-info.ts";
import type { CommandContext } from "../context.ts";
import { parseDeviceSpec } from "../devices/device-spec.ts";
import { openPcscFor } from "../devices/reader-device.ts";
import { CardOnLadder, type CardSpec } from "../doctor/doctor-card.ts";
import { seeCardUsers } from "../doctor/doctor-card-users.ts";
import { seeBuildTools } from "../doctor/doctor-install.ts";
import { hangsUp, type Machine, seeService } from "../doctor/doctor-machine.ts";
import { witnessWith } from "../doctor/doctor-witness.ts";
import { errorDocument, usage } from "../failure.ts";

/** What the command ends with when this rung is the first that does not hold, and no error says it better. */
const kinds: Readonly<Record<DoctorRungName, ErrorKind>> = {
  node: "service",
  bindings: "service",
  service: "service",
  access: "service",
  readers: "device",
  card: "device",
  connect: "device",
  atr: "device",
  select: "not-supported",
  extended: "unexpected",
  identity: "check-failed",
  pins: "check-failed",
  firmware: "unexpected",
};

/** From the Node that runs to the firmware of the card: the first rung that does not hold, and the fix. Presents no PIN. */
export async function run(context: CommandContext): Promise<number> {
  const { output } = context;
  const machine = thisMachine(context);
  const users = (): CardUser[] => seeCardUsers(machine, process.pid);
  const spec = parseDeviceSpec(context.globals.device ?? "auto");
  if (spec.kind === "none") throw usage("DEVICE_NONE", "this command needs a token, and --device says none");
  const card = new CardOnLadder(context, spec);
  await card.record();
  let whole = false;
  const report = await runDoctor(probesFor(context, spec, machine, card, users), witnessWith(users))
    .then((done) => {
      whole = done.firstFailing === null;
      return done;
    })
    .finally(() => card.close(whole));
  const failing = report.rungs.find((rung) => rung.name === report.firstFailing);
  const version = context.io.version();
  const lines = [`hsmadm ${version}`, ...doctorLines(report).flatMap((line) => line.split("\n"))];
  if (failing === undefined) {
    output.result({ version, ...report }, [...lines, "everything holds"]);
    return 0;
  }
  const kind = failing.kind ?? kinds[failing.name];
  const error = new HsmError(`DOCTOR_${failing.name.toUpperCase()}`, kind, failing.problem ?? "", {
    advice: failing.fix?.join("\n"),
  });
  output.result({ version, ...report, error: errorDocument(error, exitCodes[kind]) }, lines);
  return exitCodes[kind];
}

function thisMachine({ io }: CommandContext): Machine {
  const { env, homeFolder, userId } = io;
  return { root: "", env, homeFolder, userId, groups: process.getgroups?.() ?? [] };
}

function probesFor(
  context: CommandContext,
  spec: CardSpec,
  machine: Machine,
  card: CardOnLadder,
  users: () => CardUser[],
): DoctorProbes {
  const real = spec.kind !== "simulated" && spec.kind !== "trace";
  const unlessReal = (probe: () => Promise<DoctorFinding> | DoctorFinding) => async (): Promise<DoctorFinding> =>
    real ? probe() : { facts: { "not needed": `${context.globals.device} is in no reader` } };
  let sight: ServiceSight | null = null;
  let readers: readonly ReaderInfo[] = [];
  return {
    node: () => nodeFinding(process.versions.node, `${process.platform} ${process.arch}`),
    bindings: unlessReal(async () => {
      const { probeBindings } = await import("../../transport/pcsc/probe.ts");
      const probed = await probeBindings({ timeoutMs: context.globals.timeoutMs });
      return bindingsFinding(probed, seeBuildTools(machine, process.platform), process.versions.node);
    }),
    service: unlessReal(async () => {
      // Elsewhere than on Linux PC/SC is part of the system.
      if (process.platform !== "linux") return { facts: { service: "of the system" } };
      sight = await seeService(machine);
      return serviceFinding(sight);
    }),
    access: unlessReal(async () => {
      const forbidden = sight && forbiddenFinding(sight);
      if (forbidden !== null) return forbidden;
      const facts = sight === null ? {} : accessFacts(sight);
      try {
        const { driver, list } = await askReaders(context);
        readers = list;
        return { facts: { driver, ...facts } };
      } catch (error) {
        if (sight === null || !(await refused(error, sight.socket))) throw error;
        return {
          facts: { ...facts, answer: (error as Error).message },
          fault: "ACCESS_REFUSED",
          notes: accessNotes(sight),
        };
      }
    }),
    readers: unlessReal(() => readersFinding(readers, users)),
    card: unlessReal(() => cardFinding(readers, users)),
    connect: async () => ({ facts: { where: await card.connect() } }),
    atr: () => atrFinding(toHex(card.atr, " "), recogniseAtr(card.atr)?.name ?? null),
    select: async () => selectFinding(await card.select()),
    extended: async () => extendedFinding(await card.extendedLength()),
    identity: async () => identityFinding(await card.report()),
    pins: async () => pinsFinding(await card.report()),
    firmware: async () => {
      const report = await card.report();
      return { facts: { firmware: report.version, maker: report.maker }, notes: firmwareQuirks(report) };
    },
  };
}

async function askReaders(context: CommandContext): Promise<{ driver: string; list: ReaderInfo[] }> {
  const pcsc = await openPcscFor(context);
  try {
    return { driver: pcsc.driver, list: await pcsc.listReaders() };
  } finally {
    await pcsc.close();
  }
}

/** PC/SC libraries do not agree on a word for being turned away; pcscd's way of doing it is to hang up. */
async function refused(error: unknown, socket: string): Promise<boolean> {
  if (isTransportFault(error, "ACCESS_REFUSED")) return true;
  return isTransportFault(error, "SERVICE_NOT_RUNNING", "EXCHANGE_FAILED") && (await hangsUp(socket));
}
