import { HsmError } from "../../errors.ts";
import type { KeySource } from "../../services/vault/key-source.ts";
import type { CommandContext } from "../context.ts";
import { splitDevices } from "../devices/device-spec.ts";
import { asHsmError } from "../failure.ts";
import type { SecretReader } from "../secrets/secrets.ts";
import type { VaultDevices } from "../vaults/vault-devices.ts";

/** Which devices the plugin may touch. */
export interface DevicePolicy {
  /** As after `--device`; empty: none. */
  readonly named: readonly string[];
  /** Why it is none, for people. */
  readonly why: string;
}

/**
 * What `HSMADM_DEVICE` names. Without it everything that is attached, where it is certain that one of our keys is meant:
 * whoever gave age this identity asked for it. `none` is always none.
 */
export function devicePolicy({ io }: Pick<CommandContext, "io">, certain: boolean): DevicePolicy {
  const text = io.env["HSMADM_DEVICE"] ?? "";
  const named = splitDevices(text).filter((device) => device !== "none" && device !== "");
  if (named.length > 0) return { named, why: "" };
  if (text !== "") return { named, why: "HSMADM_DEVICE says none" };
  return { named: certain ? ["auto"] : [], why: "HSMADM_DEVICE is not set" };
}

/** Devices, opened when they are needed; and what could not even be looked for. */
export interface PluginDevices extends VaultDevices {
  readonly problem: HsmError | undefined;
}

/** Everything is given back at the end, also where something fails on the way. */
export async function withDevices<T>(
  context: CommandContext,
  secrets: SecretReader,
  { named }: DevicePolicy,
  work: (devices: PluginDevices) => Promise<T>,
): Promise<T> {
  const nothing = { sources: [], tokens: [], authenticators: [] };
  if (named.length === 0) return work({ ...nothing, problem: undefined });
  const [{ VaultReach }, { vaultDevices }] = [
    await import("../vaults/vault-reach.ts"),
    await import("../vaults/vault-devices.ts"),
  ];
  const reach = await VaultReach.open(context, secrets, false);
  let sources: readonly KeySource[] = [];
  try {
    let devices: PluginDevices;
    try {
      devices = { ...(await vaultDevices(context, reach, named)), problem: undefined };
    } catch (error) {
      if (!(error instanceof HsmError) || error.kind === "interrupted") throw error;
      devices = { ...nothing, problem: error };
    }
    sources = devices.sources;
    return await work(devices);
  } finally {
    for (const source of [...sources].reverse()) await source.close().catch(asHsmError);
    await reach.close();
  }
}
