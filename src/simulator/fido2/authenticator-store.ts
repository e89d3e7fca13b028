import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { messageOf } from "../../errors.ts";
import { SimulatorChannel } from "../channel.ts";
import {
  lockStateFile,
  readStateFile,
  removeStateFile,
  unknownToken,
  unusable,
  writeStateFile,
} from "../state-store.ts";
import type { SimulatorWorld } from "../world.ts";
import { type AuthenticatorOptions, SimulatedAuthenticator } from "./authenticator.ts";
import { decodeAuthenticator, lockMemoryIn, withLockMemory } from "./authenticator-file.ts";
import type { AuthenticatorProfileName } from "./profile-names.ts";

/** Simulated authenticators in files, beside those of simulated HSMs: one authenticator, one file, one process at a time. */

/** Of the state files; those of simulated HSMs end in `.json`, and a name may be used for one of each. */
export const authenticatorExtension = ".fido2";

export interface OpenAuthenticatorOptions extends AuthenticatorOptions {
  readonly world: SimulatorWorld;
  /** For one that is made now; `standard` when absent. One that is there keeps its own. */
  readonly profile?: AuthenticatorProfileName | undefined;
  /** Makes it when it is not there. */
  readonly create?: boolean | undefined;
  /** It lost its power since it was last open; otherwise what a lock keeps in memory is still there. */
  readonly powerCycled?: boolean | undefined;
}

/**
 * Opens an authenticator as if it were put into a reader. Every change is on disk before the command that made it is answered.
 * @throws HsmError `TOKEN_UNKNOWN` (device), `TOKEN_FILE_INVALID` (check-failed; the file is left as it was),
 *   `TOKEN_FILE_UNUSABLE` (service); TransportError `SHARING_VIOLATION` while another process holds it
 */
export async function openAuthenticatorFile(
  path: string,
  options: OpenAuthenticatorOptions,
): Promise<SimulatorChannel<SimulatedAuthenticator>> {
  const where = whereIs(path);
  if (options.create !== true && !existsSync(path)) throw unknownToken(where);
  const unlock = lockStateFile(path, where);
  try {
    return load(path, where, unlock, options);
  } catch (error) {
    unlock();
    throw error;
  }
}

function load(
  path: string,
  where: string,
  unlock: () => void,
  { world, touch, profile = "standard", powerCycled = false }: OpenAuthenticatorOptions,
): SimulatorChannel<SimulatedAuthenticator> {
  const stored = readStateFile(path);
  const authenticator =
    stored === null
      ? SimulatedAuthenticator.create(world, { profile, touch })
      : SimulatedAuthenticator.restore(stored, world, { touch });
  const lockMemory = stored === null || powerCycled ? null : lockMemoryIn(stored);
  if (stored === null || powerCycled) write(path, authenticator);
  const channel = new SimulatorChannel(authenticator, where, unlock);
  authenticator.session.lock.key = lockMemory;
  authenticator.onChange = (state) => writeStateFile(path, withLockMemory(state, authenticator.session.lock.key));
  return channel;
}

function write(path: string, authenticator: SimulatedAuthenticator): void {
  try {
    writeStateFile(path, authenticator.serialize());
  } catch (error) {
    throw unusable(path, error);
  }
}

export interface AuthenticatorListing {
  readonly name: string;
  readonly path: string;
  /** `null` when the file cannot be read. */
  readonly profile: AuthenticatorProfileName | null;
  readonly pinSet: boolean | null;
  /** Why the file is no authenticator, else `null`. */
  readonly problem: string | null;
}

/** The authenticators in a folder, by name. A folder that is not there holds none. Opens and locks nothing. */
export function listAuthenticators(folder: string): AuthenticatorListing[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.endsWith(authenticatorExtension));
  return files.sort().map((file) => describe(join(folder, file)));
}

function describe(path: string): AuthenticatorListing {
  const name = basename(path, authenticatorExtension);
  try {
    const { profile, pin } = decodeAuthenticator(readStateFile(path));
    return { name, path, profile, pinSet: pin !== null, problem: null };
  } catch (error) {
    return { name, path, profile: null, pinSet: null, problem: messageOf(error) };
  }
}

/**
 * Makes the authenticator new: no PIN, no credentials, and the old ones are unknown to it. Its profile stays.
 * @throws HsmError as {@link openAuthenticatorFile}
 */
export async function resetAuthenticator(path: string, world: SimulatorWorld): Promise<void> {
  whileLocked(path, () => {
    const { profile } = decodeAuthenticator(readStateFile(path));
    write(path, SimulatedAuthenticator.create(world, { profile }));
  });
}

/** Deletes the authenticator, whatever its file holds. @throws as {@link openAuthenticatorFile} */
export async function removeAuthenticator(path: string): Promise<void> {
  whileLocked(path, () => removeStateFile(path));
}

function whileLocked(path: string, work: () => void): void {
  if (!existsSync(path)) throw unknownToken(whereIs(path));
  const unlock = lockStateFile(path, whereIs(path));
  try {
    work();
  } finally {
    unlock();
  }
}

function whereIs(path: string): string {
  return `sim-fido:${basename(path, authenticatorExtension)}`;
}
