import { existsSync } from "node:fs";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { simulatedName } from "./device-spec.ts";
import { simulatedFile } from "./simulated-device.ts";

export interface SimulatedEntry {
  readonly name: string;
  readonly profile: string | null;
  readonly serial: string | null;
  readonly initialised: boolean | null;
  /** Why nothing could be read. */
  readonly problem: string | null;
}

/** The simulated tokens that exist, by name. */
export async function listSimulated(context: CommandContext): Promise<SimulatedEntry[]> {
  if (!existsSync(context.paths.simulator)) return [];
  const { listTokens } = await import("../../simulator/token-store.ts");
  return listTokens(context.paths.simulator).map(({ name, profile, serial, initialised, problem }) => ({
    name,
    profile,
    serial,
    initialised,
    problem,
  }));
}

/**
 * The name a `simulator` verb was given: as a word, or with `--device sim:NAME`.
 * @throws HsmError of kind `usage`
 */
export function namedSimulated(context: CommandContext): string {
  const word = context.args.text("NAME") ?? context.globals.device;
  if (word === undefined) throw usage("ARGUMENT_MISSING", "no simulated token is named", "give --device sim:NAME");
  if (word.includes(":") && !word.startsWith("sim:"))
    throw usage("DEVICE_SPEC_INVALID", "this verb is for simulated tokens only, sim:NAME");
  return simulatedName(word.startsWith("sim:") ? word.slice(4) : word);
}

/** @throws HsmError `SIMULATED_TOKEN_NOT_FOUND` (device): these verbs make nothing spring up */
export async function existingSimulated(context: CommandContext): Promise<SimulatedEntry> {
  const name = namedSimulated(context);
  const known = (await listSimulated(context)).find((token) => token.name === name);
  if (known !== undefined) return known;
  if (existsSync(simulatedFile(context, name))) {
    return { name, profile: null, serial: null, initialised: null, problem: "not readable" };
  }
  throw new HsmError("SIMULATED_TOKEN_NOT_FOUND", "device", `there is no simulated token sim:${name}`, {
    advice: "`hsmadm simulator list` shows them",
  });
}
