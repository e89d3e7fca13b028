import type { CtapChannel } from "../../apdu/ctap-channel.ts";
import { TransportError } from "../../apdu/transport-error.ts";
import type { SimulatorChannel } from "../channel.ts";
import type { SimulatedAuthenticator } from "./authenticator.ts";

/**
 * The maker's own commands of an authenticator, as they come over USB in frames of their own. It lives as long as the
 * channel beneath; closing it closes nothing.
 */
export function vendorChannel({ token, where }: SimulatorChannel<SimulatedAuthenticator>): CtapChannel {
  let closed = false;
  return {
    where,
    send: async (message, options = {}) => {
      if (closed) throw new TransportError("CHANNEL_CLOSED", `${where} was given back already`, { layer: "sim" });
      return token.vendor(message, options);
    },
    close: async () => {
      closed = true;
    },
  };
}
