import type { KeySource } from "../../services/vault/key-source.ts";
import type { CommandContext } from "../context.ts";
import { namesAuthenticator, splitDevices } from "../devices/device-spec.ts";
import type { VaultReach } from "./vault-reach.ts";

/** What the command line names, as sources of keys and as places where a new key may be enrolled. */
export interface VaultDevices {
  readonly sources: readonly KeySource[];
  readonly tokens: readonly TokenHolder[];
  readonly authenticators: readonly AuthenticatorHolder[];
}

type TokenHolder = import("./token-holder.ts").TokenHolder;
type AuthenticatorHolder = import("./authenticator-holder.ts").AuthenticatorHolder;

/** The words behind `--device` and `HSMADM_DEVICE`; none where it says `none`. */
export function namedDevices({ globals }: Pick<CommandContext, "globals">): string[] {
  const named = globals.devices.flatMap(splitDevices).filter((device) => device !== "none" && device !== "");
  return [...new Set(named)];
}

/** Nothing is opened here, except that `auto` looks for readers and HID devices. */
export async function vaultDevices(
  context: CommandContext,
  reach: VaultReach,
  named: readonly string[],
): Promise<VaultDevices> {
  const sources: KeySource[] = [];
  const tokens: TokenHolder[] = [];
  const authenticators: AuthenticatorHolder[] = [];
  const devices = named.includes("auto")
    ? [...named.filter((one) => one !== "auto"), ...(await found(context))]
    : named;
  for (const device of new Set(devices)) {
    const perhapsToken = !namesAuthenticator(device);
    // A card in a reader may be either; what is simulated or recorded says so.
    const perhapsFido = !perhapsToken || !/^(?:sim|trace):/.test(device);
    const token = perhapsToken ? await reach.token(device, tokens.length) : undefined;
    const authenticator = perhapsFido ? await reach.authenticator(device, authenticators.length) : undefined;
    if (token !== undefined) tokens.push(token);
    if (authenticator !== undefined) authenticators.push(authenticator);
    sources.push(await reach.source(token, authenticator));
  }
  return { sources, tokens, authenticators };
}

async function found(context: CommandContext): Promise<string[]> {
  const { searchAuthenticators } = await import("../devices/authenticator-search.ts");
  const search = await searchAuthenticators(context);
  await search.close();
  const [problem] = search.problems;
  if (search.places.length === 0 && problem !== undefined) throw problem;
  return search.places.map(({ spec }) => spec);
}
