import type { CtapChannel } from "../../apdu/ctap-channel.ts";

/** An authenticator that was reached, nothing asked of it yet. */
export interface RawAuthenticator {
  readonly ctap: CtapChannel;
  /** The same authenticator for commands of its maker's own, where the way to it carries them. */
  readonly vendorChannel?: CtapChannel | undefined;
  /** What to give to `--device`: `fido:/dev/hidraw3`, `sim-fido:demo`, `pcsc:READER`. */
  readonly spec: string;
  /** As its maker calls it, where the way to it tells. */
  readonly product: string | null;
  readonly simulated: boolean;
  readonly replayed: boolean;
  /** After the channel was closed without an error: whether everything that had to happen did. */
  readonly complete?: () => void;
  /** Closes the channel and what lies under it. */
  readonly close: () => Promise<void>;
}
