import { resolve } from "node:path";
import type { Replay } from "../../transport/trace/replay.ts";
import type { CommandContext } from "../context.ts";
import { type DeviceSpec, parseDeviceSpec, splitDevices } from "../devices/device-spec.ts";
import { openReplayOf } from "../devices/trace-device.ts";
import { usage } from "../failure.ts";

/** The devices that one command line names, each once. */
export interface SeveralPlan {
  /** Every token in a reader, whatever else is named. */
  readonly all: boolean;
  readonly named: readonly NamedDevice[];
}

export type NamedDevice =
  | { readonly asked: string; readonly kind: "simulated"; readonly name: string }
  | { readonly asked: string; readonly kind: "trace"; readonly replay: Replay }
  | NamedInReader;

/** By serial, label or reader. */
export interface NamedInReader {
  readonly asked: string;
  readonly kind: "pcsc" | "name";
  readonly name: string;
}

/**
 * What `--all` and `--device A,B` name, or `null` when the command line is about one device. A trace of several tokens
 * is several devices too. Nothing but traces is opened here.
 * @param least number of devices from which on there is a row for each
 * @throws HsmError of kind `usage`: what names no device, or one of them twice
 */
export async function planSeveral(
  { args, globals }: CommandContext,
  texts: readonly string[] = globals.devices,
  least: 1 | 2 = 2,
): Promise<SeveralPlan | null> {
  const all = args.flag("all");
  // Whoever says --all does not mean the one that $HSMADM_DEVICE names.
  const words = (all ? args.texts("device") : texts).flatMap(splitDevices);
  const trace = words.length === 1 && words[0]?.startsWith("trace:") === true;
  if (!all && words.length < least && !trace) return null;
  const specs = words.map((asked) => ({ asked, spec: namable(asked, all, words.length > 1) }));
  refuseTwice(specs);
  const named = await Promise.all(specs.map(({ asked, spec }) => opened(asked, spec)));
  const connections = named.reduce((sum, device) => sum + (device.kind === "trace" ? device.replay.connections : 1), 0);
  return all || connections >= least ? { all, named } : null;
}

type Namable = Exclude<DeviceSpec, { kind: "auto" | "none" }>;

function namable(asked: string, all: boolean, several: boolean): Namable {
  if (asked === "" && several) throw usage("DEVICE_SPEC_INVALID", "a name is missing beside a comma in --device");
  const spec = parseDeviceSpec(asked);
  if (spec.kind === "none" || spec.kind === "auto") {
    const advice = "name each of them, or give --all";
    throw usage("DEVICE_SPEC_INVALID", `${asked} names no device that could stand in a list`, advice);
  }
  if (all && spec.kind !== "simulated" && spec.kind !== "trace") {
    throw usage("DEVICE_TWICE", `--all and --device ${asked} name a token in a reader twice`, "give one of the two");
  }
  return spec;
}

function refuseTwice(specs: readonly { asked: string; spec: Namable }[]): void {
  const seen = new Map<string, string>();
  for (const { asked, spec } of specs) {
    const place = spec.kind === "trace" ? `trace:${resolve(spec.path)}` : spec.kind === "simulated" ? asked : spec.name;
    const before = seen.get(place);
    if (before !== undefined) throw namedTwice(before, asked, asked);
    seen.set(place, asked);
  }
}

/** Two commands at one token at once would end each other's logins. */
export function namedTwice(first: string, second: string, token: string): Error {
  const how = first === second ? `${first} twice` : `${token} twice, as ${first} and as ${second}`;
  return usage("DEVICE_TWICE", `--device names ${how}`, "name each token once");
}

async function opened(asked: string, spec: Namable): Promise<NamedDevice> {
  return spec.kind === "trace"
    ? { asked, kind: "trace", replay: await openReplayOf(spec.path) }
    : { asked, kind: spec.kind, name: spec.name };
}
