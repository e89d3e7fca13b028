import { exitCodes } from "../../errors.ts";
import type { GuardedVault } from "../../services/vault/guard.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { namesAuthenticator } from "../devices/device-spec.ts";
import { tokenFacts } from "../facts.ts";
import type { Document } from "../output.ts";
import { endangeredVaults, guardLines } from "../vaults/vault-guarded.ts";
import { tokenName } from "../wording.ts";

/** The vaults this computer knows that would be lost, or nearly, with the token at hand. */
export async function run(context: CommandContext): Promise<number | undefined> {
  if (namesAuthenticator(context.globals.device ?? "")) return withFido(context);
  return withDevice(context, "shared", async (device) => {
    const vaults = await endangeredVaults(context, device.card);
    return tell(context, await tokenName(device), await tokenFacts(device), vaults);
  });
}

async function withFido(context: CommandContext): Promise<number | undefined> {
  const [{ withAuthenticator }, { endangeredWith }] = await Promise.all([
    import("../fido/authenticator-session.ts"),
    import("../vaults/authenticator-guarded.ts"),
  ]);
  return withAuthenticator(context, async ({ authenticator, device, name, simulated }) => {
    // It has neither serial nor label; where it is says which one.
    const token = { where: device, serial: null, chr: null, label: null, simulated };
    return tell(context, name, token, await endangeredWith(context, authenticator));
  });
}

function tell(
  { output }: CommandContext,
  name: string,
  token: Document,
  vaults: readonly GuardedVault[],
): number | undefined {
  output.result(
    { token, vaults },
    vaults.length === 0 ? [`${name} opens no vault that this computer knows`] : guardLines(name, vaults),
  );
  return vaults.some(({ role }) => role === "only") ? exitCodes.refused : undefined;
}
