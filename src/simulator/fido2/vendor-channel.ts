import type { CtapChannel } from "../../apdu/ctap-channel.ts";
import type { SimulatorChannel } from "../channel.ts";
import type { SimulatedAuthenticator } from "./authenticator.ts";

/**
 * The maker's own commands of an authenticator, as they come over USB in frames of their own. It lives as long as the
 * channel beneath; closing it closes nothing.
 */
export function vendorChannel(channel: SimulatorChannel<SimulatedAuthenticator>): CtapChannel {
  return {
    where: channel.where,
    send: (message, options = {}) => channel.use((authenticator) => authenticator.vendor(message, options)),
    close: async () => undefined,
  };
}
