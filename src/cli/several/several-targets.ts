import { HsmError } from "../../errors.ts";
import type { Pcsc } from "../../transport/pcsc/pcsc.ts";
import type { ReaderInfo } from "../../transport/pcsc/reader-info.ts";
import type { CommandContext } from "../context.ts";
import { type ChosenReader, chooseReader, type Look, nothingThere } from "../devices/choose-reader.ts";
import { connectReader, lookInto, openPcscFor } from "../devices/reader-device.ts";
import { openSimulated } from "../devices/simulated-device.ts";
import { nextConnection } from "../devices/trace-device.ts";
import { asHsmError } from "../failure.ts";
import { throwIfInterrupted } from "../interruption.ts";
import { allSettled } from "./settled.ts";
import { type NamedDevice, type NamedInReader, namedTwice, type SeveralPlan } from "./several-plan.ts";
import type { Target } from "./several-run.ts";

/** Where the devices of a plan are, and what to end when their work is done. */
export interface Targets {
  readonly targets: readonly Target[];
  /** @throws HsmError of a trace that was not followed to its end */
  readonly complete: () => void;
  readonly close: () => Promise<void>;
}

/**
 * Finds the devices. One that is not there is a target that cannot be opened: its row tells why.
 * @throws HsmError `DEVICE_TWICE` (usage) when two names turn out to mean the token in one reader; `INTERRUPTED`
 */
export async function findTargets(context: CommandContext, plan: SeveralPlan): Promise<Targets> {
  const inReaders = plan.named.filter(isInReader);
  const readers = plan.all || inReaders.length > 0 ? await openReaders(context) : undefined;
  try {
    const chosen = readers === undefined ? new Map() : await chooseEach(context, readers, inReaders);
    const ofAll = plan.all && readers !== undefined ? allInReaders(context, readers) : [];
    const named = plan.named.flatMap((device) => namedTargets(context, device, readers, chosen));
    return {
      targets: [...ofAll, ...named],
      complete: () => {
        for (const device of plan.named) if (device.kind === "trace") device.replay.finish();
      },
      close: async () => readers?.pcsc?.close(),
    };
  } catch (error) {
    await readers?.pcsc?.close();
    throw error;
  }
}

function isInReader(device: NamedDevice): device is NamedInReader {
  return device.kind === "pcsc" || device.kind === "name";
}

/** The readers of this machine, or why there are none to be had: the row of every token that would be in one tells it. */
type Readers =
  | { readonly pcsc: Pcsc; readonly list: readonly ReaderInfo[] }
  | { readonly pcsc?: undefined; readonly problem: HsmError };

async function openReaders(context: CommandContext): Promise<Readers> {
  try {
    const pcsc = await openPcscFor(context);
    return { pcsc, list: await pcsc.listReaders() };
  } catch (error) {
    return { problem: asHsmError(error) };
  }
}

type Choice = ChosenReader | { readonly problem: HsmError };

/** Which reader each name means. Every card is looked into once at most, all of them at the same time. */
async function chooseEach(
  context: CommandContext,
  readers: Readers,
  names: readonly NamedInReader[],
): Promise<Map<NamedDevice, Choice>> {
  const { pcsc } = readers;
  if (pcsc === undefined) return new Map(names.map((device) => [device, { problem: readers.problem }]));
  const withLabel = names.some(({ kind }) => kind === "name");
  const looks = new Map<string, Promise<Look>>();
  const look = (reader: string): Promise<Look> => {
    const begun = looks.get(reader) ?? lookInto(context, pcsc, reader, withLabel);
    looks.set(reader, begun);
    return begun;
  };
  const choices = names.map(async (device): Promise<[NamedDevice, Choice]> => {
    try {
      return [device, await chooseReader(readers.list, device.name, look)];
    } catch (error) {
      const problem = asHsmError(error);
      if (problem.kind === "interrupted") throw problem;
      return [device, { problem }];
    }
  });
  const chosen = new Map(await allSettled(choices));
  refuseSameReader(chosen);
  return chosen;
}

function refuseSameReader(chosen: ReadonlyMap<NamedDevice, Choice>): void {
  const byReader = new Map<string, NamedDevice>();
  for (const [device, choice] of chosen) {
    if ("problem" in choice) continue;
    const before = byReader.get(choice.reader);
    if (before !== undefined) throw namedTwice(before.asked, device.asked, `the token in reader "${choice.reader}"`);
    byReader.set(choice.reader, device);
  }
}

/** Every card that is in a reader. None at all is a failure: whoever asks for all means at least one. */
function allInReaders(context: CommandContext, readers: Readers): Target[] {
  if (readers.pcsc === undefined) return [unreachable(null, "the readers", readers.problem)];
  const { pcsc, list } = readers;
  const cards = list.filter(({ state }) => state !== "empty");
  if (cards.length === 0) return [unreachable(null, "the readers", nothingThere(list, null))];
  return cards.map(({ name }) => ({
    asked: null,
    where: `reader "${name}"`,
    perhapsForeign: true,
    open: () => connectReader(context, pcsc, { reader: name, by: "reader" }, "shared"),
  }));
}

function namedTargets(
  context: CommandContext,
  device: NamedDevice,
  readers: Readers | undefined,
  chosen: ReadonlyMap<NamedDevice, Choice>,
): Target[] {
  const { asked } = device;
  switch (device.kind) {
    case "simulated": {
      const open = async () => {
        throwIfInterrupted(context.signal);
        return openSimulated(context, device.name);
      };
      return [{ asked, where: asked, perhapsForeign: false, open }];
    }
    case "trace": {
      const { replay } = device;
      return Array.from({ length: Math.max(1, replay.connections) }, () => ({
        asked,
        where: asked,
        perhapsForeign: true,
        open: async () => nextConnection(context, replay),
      }));
    }
    default: {
      const choice = chosen.get(device);
      const pcsc = readers?.pcsc;
      if (choice === undefined || "problem" in choice || pcsc === undefined) {
        return [unreachable(asked, asked, choice !== undefined && "problem" in choice ? choice.problem : undefined)];
      }
      const open = () => connectReader(context, pcsc, choice, "shared");
      return [{ asked, where: `reader "${choice.reader}"`, perhapsForeign: false, open }];
    }
  }
}

function unreachable(asked: string | null, where: string, problem: HsmError | undefined): Target {
  const error = problem ?? new HsmError("DEVICE_NOT_FOUND", "device", `no token or reader is "${where}"`);
  return { asked, where, perhapsForeign: false, open: () => Promise.reject(error) };
}
