/** What the command gets from outside: everything a test replaces. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Data, nothing else. */
  readonly stdout: TextSink;
  /**
   * Data of any length: waits until it was taken. Absent: as `stdout` does.
   * @throws HsmError `INTERRUPTED` once the signal was given, also while nobody takes it; `OUTPUT_GONE` (partial) when
   *   nobody reads any more; `OUTPUT_NOT_WRITABLE` (service)
   */
  readonly pour?: (pieces: readonly Uint8Array[], signal: AbortSignal) => Promise<void>;
  /** Everything that is not data. */
  readonly stderr: TextSink;
  /** Given when nobody reads standard output any more: what only prints may end then. */
  readonly outputGone?: AbortSignal;
  /** Whom to ask, or `null` where nobody sits. Opened at the first prompt, not before. */
  readonly terminal: () => Terminal | null;
  /** Whether standard input is the keyboard: what is typed there would be seen. Absent: it is not. */
  readonly typedInput?: () => boolean;
  /** Registers a listener and gives back the way to take it off. While one is registered the signal does not kill. */
  readonly onSignal: (name: CliSignal, listener: () => void) => () => void;
  /** Ends the process without waiting for anything: the second Ctrl-C. */
  readonly exitNow: (code: number) => void;
  /** Of hsmadm, as `--version` prints it. */
  readonly version: () => string;
  /** Where `.local/state` and `.config` are when no XDG variable says otherwise. */
  readonly homeFolder: string;
  readonly now: () => Date;
  /** Who owns files that hold secrets; `null` where the system has no user numbers. */
  readonly userId: number | null;
}

export type CliSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

interface TextSink {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** The person at the keyboard. */
export interface Terminal {
  /**
   * Asks without showing what is typed.
   * @throws HsmError `INTERRUPTED` on Ctrl-C, `CANCELLED` on Ctrl-D or Escape; the terminal is as it was then
   */
  readSecret(prompt: string): Promise<Uint8Array>;
  /** Asks and shows what is typed. @throws as {@link Terminal.readSecret} */
  readLine(prompt: string): Promise<string>;
}
