import { join } from "node:path";
import type { SimulatorWorld } from "../../simulator/world.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { CliIo } from "../io.ts";
import { ensurePrivateFolder } from "../paths.ts";
import type { RawDevice } from "./raw-device.ts";

export type SimulatorProfile = "genuine" | "pico";

/** Where the token's state is kept. */
export function simulatedFile(context: CommandContext, name: string): string {
  return join(context.paths.simulator, `${name}.json`);
}

/**
 * Randomness and clock of simulated tokens. `HSMADM_SIMULATOR_SEED` makes runs repeatable for documentation and tests;
 * keys made so are known to everybody who knows the seed.
 */
export async function simulatorWorld(io: CliIo, name: string): Promise<SimulatorWorld> {
  const seed = io.env["HSMADM_SIMULATOR_SEED"];
  if (seed) return (await import("../../simulator/repeatable-world.ts")).repeatableWorld(`${seed}:${name}`);
  return (await import("../../simulator/world.ts")).defaultWorld();
}

export function readProfile(text: string | undefined): SimulatorProfile | undefined {
  if (text === undefined || text === "genuine" || text === "pico") return text;
  throw usage("OPTION_VALUE", "--profile of a simulated HSM knows genuine and pico");
}

/** A simulated token; one that is not there yet springs up uninitialised. */
export async function openSimulated(context: CommandContext, name: string): Promise<RawDevice> {
  const { openTokenFile } = await import("../../simulator/token-store.ts");
  await ensurePrivateFolder(context.paths.simulator);
  const channel = await openTokenFile(simulatedFile(context, name), {
    world: await simulatorWorld(context.io, name),
    create: true,
  });
  return {
    channel,
    simulated: true,
    replayed: false,
    exact: true,
    expected: undefined,
    deadlineMs: context.globals.timeoutMs,
    close: async () => undefined,
  };
}
