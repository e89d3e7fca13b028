/** What is written at once, and what may wait meanwhile. */
const batchBytes = 1024 * 1024;

/** Writes pieces while the next ones are made. */
export interface WriteBehind {
  /** Waits while as much is waiting as may. The piece is not the caller's any more. @throws what an earlier write threw */
  push(piece: Uint8Array): Promise<void> | undefined;
  /** Waits until all was written. @throws what a write threw */
  end(): Promise<void>;
  /** Waits until nothing is being written; what was not begun is dropped. */
  abandon(): Promise<void>;
}

/**
 * One write at a time, of all that came while the last one ran: slow pieces go out at once, fast ones together.
 * @param write takes pieces in their order and is done when they are
 */
export function writeBehind(write: (batch: readonly Uint8Array[]) => Promise<void>): WriteBehind {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  let writing: Promise<void> | undefined;
  let failure: { readonly cause: unknown } | undefined;
  const begin = (): void => {
    if (writing !== undefined || failure !== undefined || waiting.length === 0) return;
    const batch = waiting;
    [waiting, bytes] = [[], 0];
    writing = write(batch).then(
      () => next(),
      (cause: unknown) => {
        failure = { cause };
        next();
      },
    );
  };
  const next = (): void => {
    writing = undefined;
    begin();
  };
  const check = (): void => {
    if (failure !== undefined) throw failure.cause;
  };
  const room = async (): Promise<void> => {
    while (writing !== undefined && bytes >= batchBytes) await writing;
    check();
  };
  return {
    push(piece) {
      check();
      waiting.push(piece);
      bytes += piece.length;
      begin();
      return bytes >= batchBytes ? room() : undefined;
    },
    async end() {
      while (writing !== undefined) await writing;
      check();
    },
    async abandon() {
      waiting = [];
      await writing;
    },
  };
}
