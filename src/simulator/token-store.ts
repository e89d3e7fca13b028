import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { messageOf } from "../errors.ts";
import { SimulatorChannel } from "./channel.ts";
import type { ProfileName } from "./profile.ts";
import { SimulatedToken } from "./simulator.ts";
import { decodeState } from "./state-file.ts";
import {
  lockStateFile,
  readStateFile,
  removeStateFile,
  unknownToken,
  unusable,
  writeStateFile,
} from "./state-store.ts";
import type { SimulatorWorld } from "./world.ts";

/** Simulated tokens in files: one token, one file, one process at a time. */

const extension = ".json";

export interface OpenTokenOptions {
  readonly world: SimulatorWorld;
  /** For a token that is made now; `genuine` when absent. A token that is there keeps its own. */
  readonly profile?: ProfileName | undefined;
  /** Makes the token when it is not there. */
  readonly create?: boolean | undefined;
}

/**
 * Opens a token as if it were put into a reader: powered on, nothing selected, nobody logged in.
 * Every change is on disk before the command that made it is answered.
 * @throws HsmError `TOKEN_UNKNOWN` (device), `TOKEN_FILE_INVALID` (check-failed; the file is left as it was),
 *   `TOKEN_FILE_UNUSABLE` (service); TransportError `SHARING_VIOLATION` while another process holds it
 */
export async function openTokenFile(path: string, options: OpenTokenOptions): Promise<SimulatorChannel> {
  const where = `sim:${nameOf(path)}`;
  if (options.create !== true && !existsSync(path)) throw unknownToken(where);
  const unlock = lockStateFile(path, where);
  try {
    return new SimulatorChannel(load(path, where, options), where, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

function load(path: string, where: string, options: OpenTokenOptions): SimulatedToken {
  const stored = readStateFile(path);
  if (stored === null) {
    if (options.create !== true) throw unknownToken(where);
    return keep(SimulatedToken.create(options.world, { profile: options.profile ?? "genuine" }), path, true);
  }
  return keep(SimulatedToken.restore(stored, options.world), path, false);
}

function keep(token: SimulatedToken, path: string, fresh: boolean): SimulatedToken {
  if (fresh) write(path, token);
  token.markSaved();
  token.onChange = (state) => writeStateFile(path, state);
  return token;
}

function write(path: string, token: SimulatedToken): void {
  try {
    writeStateFile(path, token.serialize());
  } catch (error) {
    throw unusable(path, error);
  }
}

export interface TokenListing {
  readonly name: string;
  readonly path: string;
  /** Serial number (CHR without its last five characters); `null` when unreadable, or a pico never initialised. */
  readonly serial: string | null;
  readonly profile: ProfileName | null;
  readonly initialised: boolean | null;
  /** Why the file is no token, else `null`. */
  readonly problem: string | null;
}

/** The tokens in a folder, by name. A folder that is not there holds none. Opens and locks nothing. */
export function listTokens(folder: string): TokenListing[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(extension));
  return names.sort().map((file) => describe(join(folder, file)));
}

function describe(path: string): TokenListing {
  const name = nameOf(path);
  try {
    const { device, profile, initialised } = decodeState(readStateFile(path));
    return { name, path, serial: device?.chr.slice(0, -5) ?? null, profile, initialised, problem: null };
  } catch (error) {
    return { name, path, serial: null, profile: null, initialised: null, problem: messageOf(error) };
  }
}

/**
 * Makes the token new: factory state, another serial, same profile unless told otherwise. Its keys are gone.
 * @throws HsmError as {@link openTokenFile}
 */
export async function resetToken(path: string, options: Omit<OpenTokenOptions, "create">): Promise<void> {
  const where = `sim:${nameOf(path)}`;
  if (!existsSync(path)) throw unknownToken(where);
  const unlock = lockStateFile(path, where);
  try {
    const profile = options.profile ?? decodeState(readStateFile(path)).profile;
    write(path, SimulatedToken.create(options.world, { profile }));
  } finally {
    unlock();
  }
}

/** Deletes the token and its keys, whatever its file holds. @throws as {@link openTokenFile} */
export async function removeToken(path: string): Promise<void> {
  const where = `sim:${nameOf(path)}`;
  if (!existsSync(path)) throw unknownToken(where);
  const unlock = lockStateFile(path, where);
  try {
    removeStateFile(path);
  } finally {
    unlock();
  }
}

function nameOf(path: string): string {
  return basename(path, extension);
}
