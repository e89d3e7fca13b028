import { fromHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import { usage } from "../failure.ts";
import { simulatedName, splitDevices } from "./device-spec.ts";

/** What `--device` names where a FIDO2 authenticator is wanted. */
export type AuthenticatorSpec =
  /** The one there is, by HID or in a reader. */
  | { readonly kind: "auto" }
  | { readonly kind: "simulated"; readonly name: string }
  | { readonly kind: "trace"; readonly path: string }
  | { readonly kind: "hid"; readonly path: string }
  /** The one of this model: an AAGUID is no identity. */
  | { readonly kind: "model"; readonly aaguid: Uint8Array }
  | { readonly kind: "reader"; readonly name: string };

/**
 * @param text of `--device`; without one, and for `none`, nothing is touched
 * @throws HsmError `AUTHENTICATOR_NOT_NAMED` (device), `DEVICE_NOT_SUPPORTED`, `DEVICE_SPEC_INVALID`
 */
export function parseAuthenticatorSpec(text: string | undefined): AuthenticatorSpec {
  if (text === undefined || text === "none") throw notNamed();
  if (splitDevices(text).length > 1) {
    throw usage("DEVICE_SPEC_INVALID", "one authenticator at a time with this command", "give one --device");
  }
  if (text === "auto") return { kind: "auto" };
  const value = text.slice(text.indexOf(":") + 1);
  if (text.startsWith("sim-fido:")) return { kind: "simulated", name: simulatedName(value) };
  if (text.startsWith("sim:")) {
    throw new HsmError("DEVICE_NOT_SUPPORTED", "not-supported", `${text} is a simulated HSM, no FIDO2 authenticator`, {
      advice: `a simulated authenticator is sim-fido:${value}`,
    });
  }
  if (value === "") throw usage("DEVICE_SPEC_INVALID", `--device ${text} wants a name after the colon`);
  if (text.startsWith("trace:")) return { kind: "trace", path: value };
  if (text.startsWith("pcsc:")) return { kind: "reader", name: value };
  if (!text.startsWith("fido:")) return { kind: "reader", name: text };
  return /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(value)
    ? { kind: "model", aaguid: fromHex(value.replaceAll("-", "")) }
    : { kind: "hid", path: value };
}

function notNamed(): HsmError {
  return new HsmError("AUTHENTICATOR_NOT_NAMED", "device", "no authenticator is named, so none was touched", {
    advice: [
      "give one of",
      "  --device auto                 the one that is there, by HID or in a reader",
      "  --device fido:PATH-OR-AAGUID  `hsmadm fido list --device auto` shows them",
      '  --device pcsc:"READER NAME"',
      "  --device sim-fido:NAME        a simulated one, to try everything with",
    ].join("\n"),
  });
}
