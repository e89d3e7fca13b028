import { standardStack } from "../../apdu/standard-stack.ts";
import { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { Pcsc } from "../../transport/pcsc/pcsc.ts";
import type { TraceRecorder } from "../../transport/trace/recorder.ts";
import type { CommandContext } from "../context.ts";
import { asHsmError } from "../failure.ts";
import { interruptible, throwIfInterrupted } from "../interruption.ts";
import { tellOfSimulation } from "../newcomer.ts";
import { type ChosenReader, chooseReader, type Look } from "./choose-reader.ts";
import type { DeviceSpec } from "./device-spec.ts";
import type { RawDevice } from "./raw-device.ts";

/** A layer above gives up a little later than the reader host, so that the host's own words are heard. */
const graceMs = 1000;

export async function openPcscFor(context: CommandContext): Promise<Pcsc> {
  const { openPcsc } = await import("../../transport/pcsc/pcsc.ts");
  const { driver, timeoutMs } = context.globals;
  return openPcsc({ timeoutMs, ...(driver === undefined ? {} : { driver }) }).catch((error: unknown) => {
    throw tellOfSimulation(error);
  });
}

/** The card in a real reader that `--device` means, or the one that is there. */
export async function openInReader(
  context: CommandContext,
  spec: Extract<DeviceSpec, { kind: "auto" | "pcsc" | "name" }>,
  access: "shared" | "exclusive",
  recorder: TraceRecorder | undefined,
): Promise<RawDevice> {
  const pcsc = await openPcscFor(context);
  try {
    const name = spec.kind === "auto" ? null : spec.name;
    const chosen = await chooseReader(await pcsc.listReaders(), name, (reader) =>
      lookInto(context, pcsc, reader, spec.kind === "name"),
    );
    const device = await connectReader(context, pcsc, chosen, access).catch((error: unknown) => {
      if (asHsmError(error).kind !== "interrupted") recorder?.recordFailedConnect(`reader "${chosen.reader}"`, error);
      throw error;
    });
    return { ...device, close: () => pcsc.close() };
  } catch (error) {
    await pcsc.close();
    throw error;
  }
}

/** Connects to the card in the chosen reader; giving it back leaves PC/SC open. */
export async function connectReader(
  context: CommandContext,
  pcsc: Pcsc,
  chosen: ChosenReader,
  access: "shared" | "exclusive",
): Promise<RawDevice> {
  throwIfInterrupted(context.signal);
  return {
    channel: await pcsc.connect(chosen.reader, { share: access }),
    simulated: false,
    replayed: false,
    exact: chosen.by === "serial",
    expected: chosen.token,
    deadlineMs: context.globals.timeoutMs + graceMs,
    close: async () => undefined,
  };
}

/** Whose card is in a reader. Not recorded: a trace tells of the token that was chosen. */
export async function lookInto(context: CommandContext, pcsc: Pcsc, reader: string, withLabel: boolean): Promise<Look> {
  throwIfInterrupted(context.signal);
  try {
    const raw = await pcsc.connect(reader, { share: "shared" });
    const channel = interruptible(
      standardStack(raw, { deadlineMs: context.globals.timeoutMs + graceMs }),
      context.signal,
    );
    try {
      const card = await SmartCardHsm.open(channel);
      const { serial, chr, simulated } = await card.identity();
      return { token: { serial, chr, simulated, label: withLabel ? await card.label() : null } };
    } finally {
      await channel.close();
    }
  } catch (error) {
    const problem = asHsmError(error);
    if (problem.kind === "interrupted") throw problem;
    return { problem };
  }
}
