/** One CTAP2 message out, one back: what an authenticator driver may know of APDUs, HID packets and simulators. */
export interface CtapChannel {
  /** Where the authenticator is, for messages: `reader "…"`, `hid /dev/hidraw3`, `sim-fido:demo`. */
  readonly where: string;
  /**
   * Sends a command byte and its CBOR map, and waits for the answer: a status byte and a CBOR map, which may be left out.
   * One message at a time. @throws TransportError when the answer did not come
   */
  send(message: Uint8Array, options?: CtapSendOptions): Promise<Uint8Array>;
  /** Gives the authenticator back. A second close does nothing. */
  close(): Promise<void>;
}

export interface CtapSendOptions {
  /** Told when the authenticator asks for patience: 1 working, 2 waiting for a touch. */
  readonly onKeepAlive?: ((status: number) => void) | undefined;
  /** Cancels the command on the authenticator; the answer is then status 2D. */
  readonly signal?: AbortSignal | undefined;
  /** How long the authenticator may take for it, in milliseconds, where touches or key generation make it slow. */
  readonly patienceMs?: number | undefined;
}
