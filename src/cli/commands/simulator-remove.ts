import type { CommandContext } from "../context.ts";
import { existingSimulated, removeSimulated } from "../devices/simulated-tokens.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { refuseLastSimulated } from "../vaults/simulated-guarded.ts";

/** Deletes a simulated token. */
export async function run(context: CommandContext): Promise<undefined> {
  const token = await existingSimulated(context);
  const vaults = await refuseLastSimulated(context, token);
  if (context.globals.dryRun) {
    context.output.result({ dryRun: true, name: token.name, device: token.device }, [
      `would remove ${token.device}`,
      ...vaults,
    ]);
    return;
  }
  await confirmDestruction(context, {
    losses: [`the SIMULATED token ${token.device} and everything on it`, ...vaults],
    serial: token.serial ?? token.device,
    exact: true,
    device: token.device,
  });
  await removeSimulated(context, token);
  context.output.result({ name: token.name, device: token.device, removed: true }, [
    `${token.device} (SIMULATED) is removed`,
  ]);
}
