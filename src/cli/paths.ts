import { chmod, mkdir } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { HsmError, messageOf } from "../errors.ts";
import type { CliIo } from "./io.ts";

/** Where hsmadm keeps what it must remember. */
export interface Paths {
  /** `$HSMADM_HOME`, else `$XDG_STATE_HOME/hsmadm`, else `~/.local/state/hsmadm`. */
  readonly state: string;
  /** `$HSMADM_HOME`, else `$XDG_CONFIG_HOME/hsmadm`, else `~/.config/hsmadm`. */
  readonly config: string;
  /** State files of simulated tokens. */
  readonly simulator: string;
  /** The last refused PIN of each token, as a digest. */
  readonly ledger: string;
  /** Which shares went into key domains that still wait for others, as digests. */
  readonly shares: string;
  /** The device key of each serial that was verified. */
  readonly knownDevices: string;
  /** Root certificates an officer trusts besides those everybody knows, `*.cvc`. */
  readonly roots: string;
  /** Real tokens that were met, for completion; no secrets, and nobody misses it. */
  readonly devices: string;
}

export function pathsFor(io: Pick<CliIo, "env" | "homeFolder">): Paths {
  const home = folder(io, "HSMADM_HOME");
  const xdg = (name: string, fallback: string) => join(folder(io, name) ?? join(io.homeFolder, fallback), "hsmadm");
  const state = home ?? xdg("XDG_STATE_HOME", ".local/state");
  const config = home ?? xdg("XDG_CONFIG_HOME", ".config");
  return {
    state,
    config,
    simulator: join(state, "simulator"),
    ledger: join(state, "ledger.json"),
    shares: join(state, "shares.json"),
    knownDevices: join(state, "known-devices.json"),
    roots: join(config, "roots"),
    devices: join(state, "devices.json"),
  };
}

function folder(io: Pick<CliIo, "env">, name: string): string | undefined {
  const value = io.env[name];
  if (value === undefined || value === "") return undefined;
  if (isAbsolute(value)) return value;
  // The XDG specification says that a relative path is to be ignored; our own variable is refused, so that a token is
  // not looked for in another place with every `cd`.
  if (name !== "HSMADM_HOME") return undefined;
  throw new HsmError("HOME_NOT_ABSOLUTE", "usage", "HSMADM_HOME is not an absolute path");
}

/** Makes the folder with mode 0700 where it is not there. @throws HsmError `FOLDER_NOT_WRITABLE` */
export async function ensurePrivateFolder(path: string): Promise<void> {
  try {
    const made = await mkdir(path, { recursive: true, mode: 0o700 });
    // A umask may take bits away from mkdir's mode and never adds any; what was there already is left as it is.
    if (made !== undefined) await chmod(path, 0o700);
  } catch (cause) {
    throw new HsmError("FOLDER_NOT_WRITABLE", "service", `the folder ${path} cannot be made: ${messageOf(cause)}`, {
      advice: "set HSMADM_HOME to a folder of your own",
      cause,
    });
  }
}
