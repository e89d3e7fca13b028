import type { CommandContext } from "../context.ts";
import { listSimulated } from "../devices/simulated-tokens.ts";
import { table } from "../wording.ts";

export async function run(context: CommandContext): Promise<undefined> {
  const tokens = await listSimulated(context);
  const rows = tokens.map((token) => [
    `sim:${token.name}`,
    token.serial ?? "",
    token.profile ?? "",
    token.problem ?? (token.initialised ? "initialised" : "uninitialised"),
  ]);
  context.output.result(
    { folder: context.paths.simulator, tokens },
    tokens.length === 0
      ? ["no simulated tokens; `hsmadm device status --device sim:demo` makes one"]
      : table([["SIMULATED TOKEN", "SERIAL", "PROFILE", "STATE"], ...rows], context.output.columns),
  );
}
