import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { endangeredVaults, guardLines } from "../vaults/vault-guarded.ts";
import { tokenName } from "../wording.ts";

/** The vaults this computer knows that would be lost, or nearly, with the token at hand. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { output } = context;
  return withDevice(context, "shared", async (device) => {
    const vaults = await endangeredVaults(context, device.card);
    const name = await tokenName(device);
    output.result(
      { token: await tokenFacts(device), vaults },
      vaults.length === 0 ? [`${name} opens no vault that this computer knows`] : guardLines(name, vaults),
    );
    return vaults.some(({ role }) => role === "only") ? 5 : undefined;
  });
}
