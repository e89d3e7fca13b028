import { existsSync } from "node:fs";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { ensurePrivateFolder } from "../paths.ts";
import { simulatedName } from "./device-spec.ts";
import { authenticatorFile, openSimulatedAuthenticator, readAuthenticatorProfile } from "./simulated-authenticator.ts";
import { readProfile, simulatedFile, simulatorWorld } from "./simulated-device.ts";

/** A simulated token by its name, there or not. */
export interface NamedSimulated {
  readonly kind: "hsm" | "fido2";
  readonly name: string;
  /** As after `--device`: `sim:demo`, `sim-fido:demo`. */
  readonly device: string;
}

/** What is told of a simulated HSM. */
export interface SimulatedHsm {
  readonly name: string;
  readonly profile: string | null;
  readonly serial: string | null;
  readonly initialised: boolean | null;
  /** Why nothing could be read. */
  readonly problem: string | null;
}

export interface SimulatedEntry extends NamedSimulated {
  readonly profile: string | null;
  /** `null` for an authenticator: it has none. */
  readonly serial: string | null;
  /** `null` for an authenticator: it is ready as it comes. */
  readonly initialised: boolean | null;
  /** `null` for an HSM. */
  readonly pinSet: boolean | null;
  /** Why nothing could be read. */
  readonly problem: string | null;
}

/** The simulated HSMs that exist, by name. */
export async function listSimulated(context: CommandContext): Promise<SimulatedHsm[]> {
  if (!existsSync(context.paths.simulator)) return [];
  const { listTokens } = await import("../../simulator/token-store.ts");
  return listTokens(context.paths.simulator).map(({ name, profile, serial, initialised, problem }) => ({
    name,
    profile,
    serial,
    initialised,
    problem,
  }));
}

/** The simulated tokens that exist: HSMs by name, then authenticators by name. */
export async function listAllSimulated(context: CommandContext): Promise<SimulatedEntry[]> {
  const hsms = (await listSimulated(context)).map((hsm) => ({ ...named("hsm", hsm.name), ...hsm, pinSet: null }));
  if (!existsSync(context.paths.simulator)) return hsms;
  const { listAuthenticators } = await import("../../simulator/fido2/authenticator-store.ts");
  const authenticators = listAuthenticators(context.paths.simulator).map(({ name, profile, pinSet, problem }) => {
    return { ...named("fido2", name), profile, serial: null, initialised: null, pinSet, problem };
  });
  return [...hsms, ...authenticators];
}

/**
 * What a `simulator` verb was given: as a word, or with `--device sim:NAME` or `sim-fido:NAME`.
 * @throws HsmError of kind `usage`
 */
export function namedSimulated(context: CommandContext): NamedSimulated {
  const word = context.args.text("NAME") ?? context.globals.device;
  if (word === undefined) throw usage("ARGUMENT_MISSING", "no simulated token is named", "give --device sim:NAME");
  return readSimulated(word);
}

/** @param word `sim:NAME`, `sim-fido:NAME` or `NAME`. @throws HsmError `DEVICE_SPEC_INVALID` */
export function readSimulated(word: string): NamedSimulated {
  if (word.startsWith("sim-fido:")) return named("fido2", simulatedName(word.slice("sim-fido:".length)));
  if (word.includes(":") && !word.startsWith("sim:"))
    throw usage("DEVICE_SPEC_INVALID", "this verb is for simulated tokens only, sim:NAME or sim-fido:NAME");
  return named("hsm", simulatedName(word.startsWith("sim:") ? word.slice(4) : word));
}

/** @throws HsmError `SIMULATED_TOKEN_NOT_FOUND` (device): these verbs make nothing spring up */
export async function existingSimulated(
  context: CommandContext,
  which: NamedSimulated = namedSimulated(context),
): Promise<SimulatedEntry> {
  const known = (await listAllSimulated(context)).find(({ device }) => device === which.device);
  if (known !== undefined) return known;
  if (existsSync(stateFile(context, which))) {
    return { ...which, profile: null, serial: null, initialised: null, pinSet: null, problem: "not readable" };
  }
  throw new HsmError("SIMULATED_TOKEN_NOT_FOUND", "device", `there is no simulated token ${which.device}`, {
    advice: "`hsmadm simulator list` shows them",
  });
}

export function stateFile(context: CommandContext, { kind, name }: NamedSimulated): string {
  return kind === "hsm" ? simulatedFile(context, name) : authenticatorFile(context, name);
}

/** The profile that a new token gets. @throws HsmError `OPTION_VALUE` for one that its kind does not know */
export function profileFor({ kind }: NamedSimulated, text: string | undefined): string {
  return kind === "hsm" ? (readProfile(text) ?? "genuine") : (readAuthenticatorProfile(text) ?? "standard");
}

/** As from the factory, in a reader. One that is there is opened as it is. */
export async function openInReader(context: CommandContext, which: NamedSimulated, profile: string | undefined) {
  if (which.kind === "fido2") {
    return openSimulatedAuthenticator(context, which.name, { profile: readAuthenticatorProfile(profile) });
  }
  const { openTokenFile } = await import("../../simulator/token-store.ts");
  await ensurePrivateFolder(context.paths.simulator);
  return openTokenFile(stateFile(context, which), {
    world: await simulatorWorld(context.io, which.name),
    create: true,
    profile: readProfile(profile),
  });
}

/** Puts it back as it came from the factory. */
export async function resetSimulated(context: CommandContext, which: NamedSimulated): Promise<void> {
  const file = stateFile(context, which);
  if (which.kind === "hsm") {
    const { resetToken } = await import("../../simulator/token-store.ts");
    await resetToken(file, { world: await simulatorWorld(context.io, which.name) });
  } else {
    const { resetAuthenticator } = await import("../../simulator/fido2/authenticator-store.ts");
    await resetAuthenticator(file, await simulatorWorld(context.io, which.device));
  }
}

export async function removeSimulated(context: CommandContext, which: NamedSimulated): Promise<void> {
  const file = stateFile(context, which);
  if (which.kind === "hsm") await (await import("../../simulator/token-store.ts")).removeToken(file);
  else await (await import("../../simulator/fido2/authenticator-store.ts")).removeAuthenticator(file);
}

function named(kind: NamedSimulated["kind"], name: string): NamedSimulated {
  return { kind, name, device: kind === "hsm" ? `sim:${name}` : `sim-fido:${name}` };
}
