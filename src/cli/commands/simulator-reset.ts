import type { CommandContext } from "../context.ts";
import { existingSimulated, resetSimulated, type SimulatedEntry } from "../devices/simulated-tokens.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { refuseLastSimulated } from "../vaults/simulated-guarded.ts";

/** Puts a simulated token back as it came from the factory. */
export async function run(context: CommandContext): Promise<undefined> {
  const token = await existingSimulated(context);
  const vaults = await refuseLastSimulated(context, token);
  if (context.globals.dryRun) {
    context.output.result({ dryRun: true, name: token.name, device: token.device }, [
      `would reset ${token.device}`,
      ...vaults,
    ]);
    return;
  }
  await confirmDestruction(context, {
    losses: [`everything on the SIMULATED token ${token.device}: ${contents(token)}`, ...vaults],
    serial: token.serial ?? token.device,
    exact: true,
    device: token.device,
  });
  await resetSimulated(context, token);
  context.output.result({ name: token.name, device: token.device, reset: true }, [
    `${token.device} (SIMULATED) is as new`,
  ]);
}

function contents({ kind }: SimulatedEntry): string {
  return kind === "hsm" ? "keys, certificates, PINs, label" : "its PIN, and every credential ever made with it";
}
