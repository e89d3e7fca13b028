import { readFile } from "node:fs/promises";
import { HsmError, messageOf } from "../../errors.ts";
import { writePrivateFile } from "../atomic-file.ts";

/** What is known of a device since it was first seen. */
export interface KnownDevice {
  /** `TokenIdentity.key`. */
  readonly key: string;
  readonly chr: string;
  /** What its chain was worth then. */
  readonly trust: "genuine" | "pinned" | "simulated" | "not-verifiable";
  /** Firmware, `4.1`. */
  readonly version: string;
  /** ISO date-times. */
  readonly firstSeen: string;
  readonly lastSeen: string;
}

/** The device keys this host has met, by serial: trust on first use. */
export interface KnownDevices {
  recall(serial: string): Promise<KnownDevice | null>;
  remember(serial: string, device: KnownDevice): Promise<void>;
}

/** Where nothing may be remembered: recordings. */
export const noKnownDevices: KnownDevices = { recall: async () => null, remember: async () => undefined };

const schemaVersion = 1;

/** @throws HsmError `KNOWN_DEVICES_UNREADABLE` (refused), `KNOWN_DEVICES_NOT_WRITTEN` (service), from its verbs */
export function fileKnownDevices(path: string): KnownDevices {
  return {
    recall: async (serial) => (await readAll(path)).get(serial) ?? null,
    async remember(serial, device) {
      const devices = await readAll(path);
      devices.set(serial, device);
      const sorted = Object.fromEntries([...devices].sort(([a], [b]) => (a < b ? -1 : 1)));
      try {
        await writePrivateFile(path, `${JSON.stringify({ schemaVersion, devices: sorted }, null, 2)}\n`);
      } catch (cause) {
        throw new HsmError(
          "KNOWN_DEVICES_NOT_WRITTEN",
          "service",
          `${path} could not be written: ${messageOf(cause)}`,
          {
            advice: "free space or make its folder writable; without it an exchanged device would not be noticed here",
            cause,
          },
        );
      }
    },
  };
}

async function readAll(path: string): Promise<Map<string, KnownDevice>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return new Map();
    throw unreadable(path, messageOf(cause), cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unreadable(path, "it is no JSON", cause);
  }
  const devices = isRecord(value) && value["schemaVersion"] === schemaVersion ? value["devices"] : undefined;
  if (!isRecord(devices)) throw unreadable(path, "it is no record of devices");
  const found = new Map<string, KnownDevice>();
  for (const [serial, device] of Object.entries(devices)) {
    const known = deviceFrom(device);
    if (known === null) throw unreadable(path, `the record of ${JSON.stringify(serial)} is damaged`);
    found.set(serial, known);
  }
  return found;
}

function deviceFrom(value: unknown): KnownDevice | null {
  if (!isRecord(value)) return null;
  const { key, chr, trust, version, firstSeen, lastSeen } = value;
  if (typeof key !== "string" || !/^[0-9a-f]{64}$/.test(key) || typeof chr !== "string") return null;
  if (typeof version !== "string" || typeof firstSeen !== "string" || typeof lastSeen !== "string") return null;
  if (trust !== "genuine" && trust !== "pinned" && trust !== "simulated" && trust !== "not-verifiable") return null;
  return { key, chr, trust, version, firstSeen, lastSeen };
}

function isRecord(value: unknown): value is Partial<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(path: string, problem: string, cause?: unknown): HsmError {
  return new HsmError("KNOWN_DEVICES_UNREADABLE", "refused", `the record of known devices is lost: ${problem}`, {
    advice: `check the device's key hash with the one you noted (\`hsmadm device info\`), then move ${path} away`,
    details: { file: path },
    cause,
  });
}
