import { join } from "node:path";
import type { SimulatorChannel } from "../../simulator/channel.ts";
import type { SimulatedAuthenticator } from "../../simulator/fido2/authenticator.ts";
import type { Touch } from "../../simulator/fido2/device.ts";
import {
  type AuthenticatorProfileName,
  authenticatorProfileNames,
  isAuthenticatorProfileName,
} from "../../simulator/fido2/profile-names.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { ensurePrivateFolder } from "../paths.ts";
import { simulatorWorld } from "./simulated-device.ts";

/** Where the state of `sim-fido:NAME` is kept: beside the simulated HSMs. */
export function authenticatorFile(context: CommandContext, name: string): string {
  return join(context.paths.simulator, `${name}.fido2`);
}

/**
 * A simulated FIDO2 authenticator as a card in a reader; one that is not there yet springs up without a PIN. It touches
 * itself; `HSMADM_SIMULATOR_TOUCH=denied` or `timeout` plays somebody who refuses, or nobody.
 * It keeps its power from one program to the next, unless `HSMADM_SIMULATOR_POWER=cycle` says that it was unplugged.
 * @throws HsmError as `openAuthenticatorFile`
 */
export async function openSimulatedAuthenticator(
  context: CommandContext,
  name: string,
  options: { readonly profile?: AuthenticatorProfileName | undefined } = {},
): Promise<SimulatorChannel<SimulatedAuthenticator>> {
  const { openAuthenticatorFile } = await import("../../simulator/fido2/authenticator-store.ts");
  await ensurePrivateFolder(context.paths.simulator);
  return openAuthenticatorFile(authenticatorFile(context, name), {
    world: await simulatorWorld(context.io, `sim-fido:${name}`),
    touch: touchOf(context),
    create: true,
    powerCycled: powerCycled(context),
    ...options,
  });
}

function touchOf({ io }: CommandContext): Touch | undefined {
  const outcome = io.env["HSMADM_SIMULATOR_TOUCH"];
  if (outcome === undefined || outcome === "touched") return undefined;
  if (outcome === "denied" || outcome === "timeout") return async () => outcome;
  throw usage("OPTION_VALUE", "HSMADM_SIMULATOR_TOUCH knows touched, denied and timeout");
}

function powerCycled({ io }: CommandContext): boolean {
  const power = io.env["HSMADM_SIMULATOR_POWER"];
  if (power === undefined || power === "kept") return false;
  if (power === "cycle") return true;
  throw usage("OPTION_VALUE", "HSMADM_SIMULATOR_POWER knows kept and cycle");
}

export function readAuthenticatorProfile(text: string | undefined): AuthenticatorProfileName | undefined {
  if (text === undefined || isAuthenticatorProfileName(text)) return text;
  const known = authenticatorProfileNames.join(", ");
  throw usage("OPTION_VALUE", `--profile of a simulated authenticator knows ${known}`);
}
