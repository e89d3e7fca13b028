import type { CommandContext } from "../context.ts";
import { simulatedFile } from "../devices/simulated-device.ts";
import { existingSimulated } from "../devices/simulated-tokens.ts";
import { confirmDestruction } from "../terminal/confirm.ts";

/** Deletes a simulated token. */
export async function run(context: CommandContext): Promise<undefined> {
  const token = await existingSimulated(context);
  if (context.globals.dryRun) {
    context.output.result({ dryRun: true, name: token.name }, [`would remove sim:${token.name}`]);
    return;
  }
  await confirmDestruction(context, {
    losses: [`the SIMULATED token sim:${token.name} and everything on it`],
    serial: token.serial ?? `sim:${token.name}`,
    exact: true,
    device: `sim:${token.name}`,
  });
  const { removeToken } = await import("../../simulator/token-store.ts");
  await removeToken(simulatedFile(context, token.name));
  context.output.result({ name: token.name, removed: true }, [`sim:${token.name} (SIMULATED) is removed`]);
}
