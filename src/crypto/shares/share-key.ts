import { Worker } from "node:worker_threads";
import { HsmError, messageOf } from "../../errors.ts";
import { md5ChainModule } from "./md5-chain-wasm.ts";
import { shareKeyWorker } from "./share-key-worker.ts";

/** Rounds of each of the three MD5 chains: sc-hsm-tool's number, and not ours to change: shares open in both programs. */
export const shareKeyIterations = 10_000_000;

export interface DerivationOptions {
  /** From 0 to 1, several times a second, true to the work done; 1 comes once, at the end. */
  readonly progress?: ((fraction: number) => void) | undefined;
  /** Ends the work within milliseconds. */
  readonly signal?: AbortSignal | undefined;
  /** For tests only: a share file of another number of rounds opens nowhere else. */
  readonly iterations?: number | undefined;
}

export interface ShareKey {
  /** AES-256. */
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
}

/** Rounds between two reports: about 20 ms of work. */
const slice = 250_000;

/**
 * Key and IV of a DKEK share file: OpenSSL's `EVP_BytesToKey` with MD5 (reference 05 section 5.2). Takes seconds on
 * purpose, so a thread does it and the caller stays awake.
 * @throws the signal's reason when it is an HsmError, else HsmError `DERIVATION_CANCELLED` (cancelled), on abort
 */
export async function deriveShareKey(
  password: Uint8Array,
  salt: Uint8Array,
  options: DerivationOptions = {},
): Promise<ShareKey> {
  const { progress, signal, iterations = shareKeyIterations } = options;
  if (signal?.aborted) throw cancelled(signal);
  const worker = new Worker(shareKeyWorker, {
    eval: true,
    execArgv: [],
    env: {},
    workerData: { module: md5ChainModule(), password: password.slice(), salt: salt.slice(), iterations, slice },
  });
  let abort: (() => void) | undefined;
  try {
    const digests = await new Promise<Uint8Array>((resolve, reject) => {
      abort = () => reject(cancelled(signal));
      signal?.addEventListener("abort", abort, { once: true });
      worker.on("message", (message: { readonly done?: number; readonly digests?: Uint8Array }) => {
        if (message.digests !== undefined) resolve(message.digests);
        else progress?.((message.done ?? 0) / (3 * iterations));
      });
      worker.on("error", (cause) => reject(failed(cause)));
      worker.on("exit", (code) => reject(failed(new Error(`the thread ended with ${code}`))));
    });
    progress?.(1);
    return { key: digests.slice(0, 32), iv: digests.slice(32) };
  } finally {
    if (abort !== undefined) signal?.removeEventListener("abort", abort);
    await worker.terminate();
  }
}

function cancelled(signal: AbortSignal | undefined): HsmError {
  if (signal?.reason instanceof HsmError) return signal.reason;
  return new HsmError("DERIVATION_CANCELLED", "cancelled", "the password derivation was cancelled", {
    advice: "nothing was written or sent, simply run the command again",
  });
}

function failed(cause: unknown): HsmError {
  return new HsmError("DERIVATION_FAILED", "unexpected", `the password derivation failed: ${messageOf(cause)}`, {
    cause,
  });
}
