import { type ErrorKind, HsmError, type HsmErrorOptions } from "../errors.ts";

/**
 * Why no answer came back. A card's refusal (a status word) is never one of these, and none of these is ever
 * reported as a refusal by the card.
 */
export const transportFaults = {
  /** Another program reset the card: the channel is connected again, but the applet must be selected and every login is gone. */
  CARD_RESET: "device",
  /** Taken out of the reader. */
  CARD_REMOVED: "device",
  /** There, but it does not answer to power (no ATR). */
  CARD_MUTE: "device",
  /** The reader itself was unplugged. */
  READER_GONE: "device",
  NO_READER: "device",
  NO_CARD: "device",
  /** Another program holds the card. */
  SHARING_VIOLATION: "service",
  /** pcscd is not there. */
  SERVICE_NOT_RUNNING: "service",
  /** polkit or a file mode said no. */
  ACCESS_REFUSED: "service",
  /** Neither PC/SC binding could be loaded into this Node. */
  BINDING_NOT_LOADABLE: "service",
  /** No answer within the deadline. */
  TIMEOUT: "timeout",
  /** Two exchanges at once on one channel: a bug of the caller. */
  CHANNEL_BUSY: "unexpected",
  CHANNEL_CLOSED: "unexpected",
  /** The exchange failed in the reader or on the contacts. */
  EXCHANGE_FAILED: "unexpected",
} as const satisfies Record<string, ErrorKind>;

export type TransportFault = keyof typeof transportFaults;

export interface TransportErrorOptions extends HsmErrorOptions {
  /** Which part of the way failed: the name of the PC/SC binding, `reader host`, `deadline`, `sim`. */
  readonly layer?: string | undefined;
  /** How often it was tried, where it was tried more than once. */
  readonly attempts?: number | undefined;
  /** What went wrong the first time, where that differs from the last (`cause`). */
  readonly firstCause?: unknown;
}

export class TransportError extends HsmError {
  declare readonly code: TransportFault;
  readonly layer: string | undefined;
  readonly attempts: number;
  readonly firstCause: unknown;

  constructor(fault: TransportFault, message: string, options: TransportErrorOptions = {}) {
    super(fault, transportFaults[fault], message, options);
    this.name = "TransportError";
    this.layer = options.layer;
    this.attempts = options.attempts ?? 1;
    this.firstCause = options.firstCause ?? options.cause;
  }
}

export function isTransportFault(error: unknown, ...faults: readonly TransportFault[]): error is TransportError {
  return error instanceof TransportError && (faults.length === 0 || faults.includes(error.code));
}
