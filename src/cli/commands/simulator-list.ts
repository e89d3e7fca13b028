import type { CommandContext } from "../context.ts";
import { listAllSimulated, type SimulatedEntry } from "../devices/simulated-tokens.ts";
import { table } from "../wording.ts";

export async function run(context: CommandContext): Promise<undefined> {
  const tokens = await listAllSimulated(context);
  const rows = tokens.map((token) => [
    token.device,
    token.serial ?? "",
    token.profile ?? "",
    token.problem ?? stateOf(token),
  ]);
  context.output.result(
    { folder: context.paths.simulator, tokens },
    tokens.length === 0
      ? ["no simulated tokens; `hsmadm device status --device sim:demo` makes one"]
      : table([["SIMULATED TOKEN", "SERIAL", "PROFILE", "STATE"], ...rows], context.output.columns),
  );
}

function stateOf({ kind, initialised, pinSet }: SimulatedEntry): string {
  if (kind === "fido2") return pinSet ? "FIDO2, PIN set" : "FIDO2, no PIN";
  return initialised ? "initialised" : "uninitialised";
}
