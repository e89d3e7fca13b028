import { existsSync } from "node:fs";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { readProfile, simulatedFile, simulatorWorld } from "../devices/simulated-device.ts";
import { existingSimulated, namedSimulated } from "../devices/simulated-tokens.ts";
import { ensurePrivateFolder } from "../paths.ts";

/** Makes a token as it comes from the factory, where another profile than the usual one is wanted. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const name = namedSimulated(context);
  const profile = readProfile(args.text("profile")) ?? "genuine";
  const file = simulatedFile(context, name);
  if (existsSync(file)) {
    throw new HsmError("SIMULATED_TOKEN_EXISTS", "conflict", `there is a simulated token sim:${name} already`, {
      advice: "`hsmadm simulator reset` makes it new",
    });
  }
  if (globals.dryRun) {
    output.result({ dryRun: true, name, profile }, [`would make sim:${name} (SIMULATED, ${profile})`]);
    return;
  }
  const { openTokenFile } = await import("../../simulator/token-store.ts");
  await ensurePrivateFolder(context.paths.simulator);
  const channel = await openTokenFile(file, { world: await simulatorWorld(context.io, name), profile, create: true });
  await channel.close();
  const token = await existingSimulated(context);
  output.result({ ...token }, [
    `sim:${name} is there (SIMULATED, ${profile}), serial ${token.serial ?? "none yet"}, uninitialised`,
  ]);
}
