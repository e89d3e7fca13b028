/** The port behind which a PC/SC binding stands, inside the reader host. Everything it throws is a `PcscFailureError`. */
import type { PcscFailure } from "../pcsc-codes.ts";
import type { ReaderInfo } from "../reader-info.ts";
import type { Share } from "./messages.ts";

export interface PcscBinding {
  /** Starts to watch the readers. Resolves when the first list is whole; from then on every change is told. */
  start(listener: BindingListener): Promise<void>;
  /** @param reader one of those told to the listener */
  connect(reader: string, share: Share): Promise<BindingCard>;
}

export interface BindingListener {
  readers(list: readonly ReaderInfo[]): void;
  /** Watching ended: there will be no more news. */
  broken(failure: PcscFailure): void;
}

export interface BindingCard {
  readonly atr: Uint8Array;
  transmit(command: Uint8Array): Promise<Uint8Array>;
  /** Connects to the same card again, with a warm reset or (after another program's reset) without one. @returns the ATR */
  reconnect(how: "reset" | "leave"): Promise<Uint8Array>;
  /** Gives the card back as it is. */
  disconnect(): Promise<void>;
}

/** The largest answer that PC/SC can carry: an extended APDU of 65,536 bytes with header and lengths (`MAX_BUFFER_SIZE_EXTENDED`). */
export const longestAnswer = 65_548;
