import type { CardChannel } from "../../apdu/channel.ts";

/** A card that was reached, before anything is stacked on its channel. */
export interface RawDevice {
  readonly channel: CardChannel;
  readonly simulated: boolean;
  readonly replayed: boolean;
  /** What the operator named: the very token (serial, simulated name), or something another token could answer to. */
  readonly exact: boolean;
  /** Whose card was seen in the reader when it was chosen: it must still be there. */
  readonly expected: { readonly serial: string } | undefined;
  /** Milliseconds after which an exchange is given up here; where a layer below has its own deadline, a little later. */
  readonly deadlineMs: number;
  /** After the channel was closed without an error: whether everything that had to happen did. */
  readonly complete?: () => void;
  readonly close: () => Promise<void>;
}
