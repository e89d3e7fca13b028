import { existsSync } from "node:fs";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { existingSimulated, namedSimulated, openInReader, profileFor, stateFile } from "../devices/simulated-tokens.ts";

/** Makes a token as it comes from the factory, where another profile than the usual one is wanted. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const which = namedSimulated(context);
  const { device, name } = which;
  const profile = profileFor(which, args.text("profile"));
  if (existsSync(stateFile(context, which))) {
    throw new HsmError("SIMULATED_TOKEN_EXISTS", "conflict", `there is a simulated token ${device} already`, {
      advice: "`hsmadm simulator reset` makes it new",
    });
  }
  if (globals.dryRun) {
    output.result({ dryRun: true, name, device, profile }, [`would make ${device} (SIMULATED, ${profile})`]);
    return;
  }
  const channel = await openInReader(context, which, profile);
  await channel.close();
  const token = await existingSimulated(context, which);
  const state = token.kind === "hsm" ? `serial ${token.serial ?? "none yet"}, uninitialised` : "without a PIN";
  output.result({ ...token }, [`${device} is there (SIMULATED, ${profile}), ${state}`]);
}
