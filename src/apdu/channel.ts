/** Bytes in, bytes out: all that a driver may know of readers, simulators and traces. */
export interface CardChannel {
  /** Answer to reset. After a {@link CardChannel.reset} it is the new one. */
  readonly atr: Uint8Array;
  /** Where the card is, for messages: `reader "SCM SCR 3310"`, `sim:demo`, `trace:first-status.apdu`. */
  readonly where: string;
  /**
   * Sends one command APDU and waits for its answer, which always ends in the two status bytes.
   * One exchange at a time: a second call before the first has answered is a bug and throws (`oneAtATime`).
   * @throws TransportError when the answer did not come: then the card may or may not have worked on the command
   */
  transceive(command: Uint8Array, options?: ExchangeOptions): Promise<Uint8Array>;
  /** Warm reset: ends every login. */
  reset(): Promise<void>;
  /** Gives the card back. A second close does nothing. */
  close(): Promise<void>;
}

export interface ExchangeOptions {
  /**
   * How long this command may take on a card, in milliseconds, where it is known to be slow (key generation takes
   * minutes). The deadline wrapper takes the longer of this and its own.
   */
  readonly patienceMs?: number | undefined;
}
