/** Bytes `start` to `end - 1`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What of one exchange must never reach a trace, and what the exchange is in words. */
export interface RedactedExchange {
  /** Ranges of the command APDU that are secret. */
  readonly command: readonly ByteRange[];
  /** Ranges of the answer (status word included, which is never in a range) that are secret. */
  readonly response: readonly ByteRange[];
  /** `VERIFY user PIN`: the comment beside the command in a trace. */
  readonly note?: string | undefined;
}

/**
 * Tells the recorder what is secret. One for each connection: it follows command chaining and GET RESPONSE, whose
 * parts are as secret as the command they belong to. `cards/` knows the rules; `cli/` hands them to the recorder.
 */
export interface ExchangeRedactor {
  /** Called once for each exchange, in order, before anything of it is written. */
  redact(command: Uint8Array, response: Uint8Array): RedactedExchange;
  /** The card was reset or powered: an unfinished chain is over. */
  restart(): void;
}
