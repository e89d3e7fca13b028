import type { FileHandle } from "node:fs/promises";

/** What may gather in memory before the disk begins with it. With less, writing and syncing get into each other's way. */
const stepBytes = 128 * 1024 * 1024;

/** Has the disk work while the rest of a file is made, so that the sync at its end finds little left to do. */
export interface SyncBehind {
  wrote(bytes: number): void;
  /** Waits until none runs. @throws what one of them found: the system tells a failed write once, whoever asks first */
  end(): Promise<void>;
}

export function syncBehind(file: Pick<FileHandle, "datasync">): SyncBehind {
  let behind = 0;
  let running: Promise<void> | undefined;
  let failure: { readonly cause: unknown } | undefined;
  return {
    wrote(bytes) {
      behind += bytes;
      if (behind < stepBytes || running !== undefined) return;
      behind = 0;
      running = file
        .datasync()
        .catch((cause: unknown) => {
          failure ??= { cause };
        })
        .finally(() => {
          running = undefined;
        });
    },
    async end() {
      await running;
      if (failure !== undefined) throw failure.cause;
    },
  };
}
