import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type DriverName, driverNames } from "../driver-name.ts";
import type { PcscBinding } from "./binding.ts";
import type { BindingProbeAnswer } from "./messages.ts";
import { loadPcscMini } from "./pcsc-mini-binding.ts";
import { loadPcsclite } from "./pcsclite-binding.ts";

const loaders: Readonly<Record<DriverName, () => Promise<PcscBinding>>> = {
  pcsclite: loadPcsclite,
  "pcsc-mini": loadPcscMini,
};

export type Loaded =
  | { readonly driver: string; readonly binding: PcscBinding }
  | { readonly reasons: { readonly driver: string; readonly reason: string }[] };

/** Loads the named binding, or the first that loads. */
export async function loadBinding(name: string | null): Promise<Loaded> {
  const reasons: { driver: string; reason: string }[] = [];
  for (const driver of driverNames) {
    if (name !== null && name !== driver) continue;
    try {
      return { driver, binding: await loaders[driver]() };
    } catch (error) {
      reasons.push({ driver, reason: reasonOf(error) });
    }
  }
  if (name !== null && reasons.length === 0) reasons.push({ driver: name, reason: "no such driver" });
  return { reasons };
}

export async function probeBinding(driver: string): Promise<BindingProbeAnswer> {
  const loaded = await loadBinding(driver);
  const error = "reasons" in loaded ? (loaded.reasons[0]?.reason ?? "unknown") : null;
  return { loads: error === null, version: installedVersion(driver), error };
}

function installedVersion(driver: string): string | null {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(driver) ?? []) {
    try {
      const text = readFileSync(join(folder, driver, "package.json"), "utf8");
      const { version } = JSON.parse(text) as { version?: unknown };
      return typeof version === "string" ? version : null;
    } catch {
      // Not in this folder; the next one up may have it.
    }
  }
  return null;
}

/** The first line says it, except of a binding for another Node: there the version numbers stand on the lines below. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const told = text.includes("NODE_MODULE_VERSION") ? lines.join(" ").slice(0, longestReason) : lines[0];
  return told ?? "no reason given";
}

const longestReason = 500;
