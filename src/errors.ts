/**
 * The base error of hsmadm: what happened, on which token, what to do next.
 *
 * A foreign error is wrapped once, where it enters, with its `cause` kept. Nothing secret may appear in `message`,
 * `advice` or `details`: they are printed, put into JSON and pasted into bug reports.
 */

/** Exit codes of the command, one for each kind of failure; `error.kind` in JSON carries the name. See docs/exit-codes.md. */
export const exitCodes = {
  unexpected: 1,
  usage: 2,
  device: 3,
  authentication: 4,
  refused: 5,
  blocked: 6,
  "not-supported": 7,
  conflict: 8,
  "check-failed": 9,
  cancelled: 10,
  service: 11,
  timeout: 12,
  partial: 13,
  interrupted: 130,
} as const;

export type ErrorKind = keyof typeof exitCodes;

export interface HsmErrorOptions {
  /** What the operator can do next: one sentence, lower case, no full stop. */
  readonly advice?: string | undefined;
  /** Serial (or other name) of the token it happened on. */
  readonly token?: string | undefined;
  /** Tries left on the PIN concerned, where known. */
  readonly triesLeft?: number | undefined;
  /** Which PIN `triesLeft` speaks of. */
  readonly which?: "user-pin" | "so-pin" | undefined;
  /** Further facts for JSON and `--verbose`; never secrets. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

export class HsmError extends Error {
  /** Stable and greppable, for example `PIN_WRONG`. */
  readonly code: string;
  /** Decides the exit code. */
  readonly kind: ErrorKind;
  readonly advice: string | undefined;
  readonly token: string | undefined;
  readonly triesLeft: number | undefined;
  readonly which: "user-pin" | "so-pin" | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: string, kind: ErrorKind, message: string, options: HsmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HsmError";
    this.code = code;
    this.kind = kind;
    this.advice = options.advice;
    this.token = options.token;
    this.triesLeft = options.triesLeft;
    this.which = options.which;
    this.details = options.details;
  }

  get exitCode(): number {
    return exitCodes[this.kind];
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
