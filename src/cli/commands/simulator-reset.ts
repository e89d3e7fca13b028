import type { CommandContext } from "../context.ts";
import { simulatedFile, simulatorWorld } from "../devices/simulated-device.ts";
import { existingSimulated } from "../devices/simulated-tokens.ts";
import { confirmDestruction } from "../terminal/confirm.ts";

/** Puts a simulated token back as it came from the factory. */
export async function run(context: CommandContext): Promise<undefined> {
  const token = await existingSimulated(context);
  if (context.globals.dryRun) {
    context.output.result({ dryRun: true, name: token.name }, [`would reset sim:${token.name}`]);
    return;
  }
  await confirmDestruction(context, {
    losses: [`everything on the SIMULATED token sim:${token.name}: keys, certificates, PINs, label`],
    serial: token.serial ?? `sim:${token.name}`,
    exact: true,
    device: `sim:${token.name}`,
  });
  const { resetToken } = await import("../../simulator/token-store.ts");
  await resetToken(simulatedFile(context, token.name), { world: await simulatorWorld(context.io, token.name) });
  context.output.result({ name: token.name, reset: true }, [`sim:${token.name} (SIMULATED) is as new`]);
}
