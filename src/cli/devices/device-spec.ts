import { HsmError } from "../../errors.ts";
import { usage } from "../failure.ts";

/** What `--device` or `HSMADM_DEVICE` names. */
export type DeviceSpec =
  /** The one token in a reader. */
  | { readonly kind: "auto" }
  | { readonly kind: "none" }
  | { readonly kind: "simulated"; readonly name: string }
  | { readonly kind: "trace"; readonly path: string }
  /** A real token by serial or the reader it is in. */
  | { readonly kind: "pcsc"; readonly name: string }
  /** A real token by serial or label, or the reader it is in. */
  | { readonly kind: "name"; readonly name: string };

const prefixes = ["pcsc:", "sim:", "sim-fido:", "fido:", "trace:"];

/** @throws HsmError `DEVICE_SPEC_INVALID`, `DEVICE_NOT_SUPPORTED` */
export function parseDeviceSpec(text: string): DeviceSpec {
  if (splitDevices(text).length > 1) {
    throw usage(
      "DEVICE_SPEC_INVALID",
      "several devices at once are not possible with this command",
      "give one --device",
    );
  }
  if (text === "auto") return { kind: "auto" };
  if (text === "none") return { kind: "none" };
  const value = text.slice(text.indexOf(":") + 1);
  if (text.startsWith("sim:")) return { kind: "simulated", name: simulatedName(value) };
  if (namesAuthenticator(text)) {
    throw new HsmError("DEVICE_NOT_SUPPORTED", "not-supported", "a FIDO authenticator is no smart-card HSM", {
      advice: "`hsmadm fido` and `hsmadm vault` work with authenticators",
    });
  }
  if (text.startsWith("trace:") || text.startsWith("pcsc:")) {
    if (value === "") throw usage("DEVICE_SPEC_INVALID", `--device ${text} wants a name after the colon`);
    return text.startsWith("trace:") ? { kind: "trace", path: value } : { kind: "pcsc", name: value };
  }
  if (text === "") throw usage("DEVICE_SPEC_INVALID", "--device is empty");
  return { kind: "name", name: text };
}

/** Whether only a FIDO authenticator can be meant: `sim-fido:NAME`, `fido:PATH-OR-AAGUID`. */
export function namesAuthenticator(text: string): boolean {
  return text.startsWith("sim-fido:") || text.startsWith("fido:");
}

/** Whether it takes a closer look (several-plan.ts, loaded for that) to tell that a command line is about one device. */
export function perhapsSeveral(all: boolean, texts: readonly string[]): boolean {
  return all || texts.length > 1 || texts.some((text) => text.includes(",") || text.startsWith("trace:"));
}

/**
 * The devices of `A,B`. A comma separates them, except inside a path or reader name that was given with its prefix:
 * there only where another prefix follows.
 */
export function splitDevices(text: string): string[] {
  const devices: string[] = [];
  for (const part of text.split(",")) {
    const last = devices.at(-1);
    const mayHoldCommas = last?.startsWith("trace:") === true || last?.startsWith("pcsc:") === true;
    if (mayHoldCommas && !prefixes.some((prefix) => part.trimStart().startsWith(prefix))) {
      devices[devices.length - 1] = `${last},${part}`;
    } else {
      devices.push(part.trim());
    }
  }
  return devices;
}

/** @throws HsmError `DEVICE_SPEC_INVALID`: the name becomes a file name */
export function simulatedName(name: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(name) && !name.startsWith(".")) return name;
  throw usage(
    "DEVICE_SPEC_INVALID",
    "the name of a simulated token has letters, digits, . _ and -, at most 64, and does not begin with a dot",
  );
}
