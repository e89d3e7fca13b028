import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fromHex, toHex } from "../../bytes/hex.ts";
import type { RefusedPinMemory } from "../../cards/smartcard-hsm/attempt-policy.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { writePrivateFile } from "../atomic-file.ts";
import { type Ledger, type LedgerEntry, type LedgerPin, parseLedger } from "./ledger-file.ts";

/**
 * The ledger of refused PINs: what keeps a script, a retry or an impatient hand from sending the same wrong PIN to
 * the same token twice. It holds, for each token and PIN, a scrypt digest of the last refused value and the counter
 * after that refusal. See docs/ledger.md for the format and what it does and does not protect.
 */

/** About 32 MiB and 0.1 s a guess. */
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;
const saltBytes = 16;
const digestBytes = 32;

/**
 * The ledger in this file. The file is read at each question, so that several commands may share it, and is made at
 * the first refusal.
 *
 * All three verbs throw HsmError `LEDGER_UNREADABLE` (refused) when the file is there and is no ledger. It is left as
 * it was: it may be newer than this program, or somebody else's.
 */
export function fileLedger(path: string): RefusedPinMemory {
  const queue = oneAfterAnother();
  return {
    async wasRefused(token, which, pin, triesLeft) {
      if (token === "") return false;
      const { entries } = await read(path, ", so the PIN was NOT sent");
      const entry = entries.find((candidate) => candidate.token === token && candidate.which === which);
      // Scrypt costs a tenth of a second: not for the usual case, in which nothing was refused or the counter has moved.
      if (entry === undefined || entry.triesLeft !== triesLeft) return false;
      return timingSafeEqual(await digest(pin, fromHex(entry.salt)), fromHex(entry.digest));
    },

    noteRefused: (token, which, pin, triesLeft) =>
      queue(async () => {
        if (token === "") return;
        const ledger = await read(path);
        // Without the counter nothing ties the entry to the token's state; an older one is out of date all the same.
        if (triesLeft === null) return write(path, without(ledger, token, which));
        const known = ledger.entries.find((entry) => entry.token === token);
        const salt = known === undefined ? new Uint8Array(randomBytes(saltBytes)) : fromHex(known.salt);
        const entry: LedgerEntry = {
          token,
          which,
          salt: toHex(salt),
          digest: toHex(await digest(pin, salt)),
          triesLeft,
        };
        const rest = without(ledger, token, which);
        await write(path, { ...rest, entries: [...rest.entries, entry] });
      }),

    noteAccepted: (token, which) =>
      queue(async () => {
        const ledger = await read(path);
        const rest = without(ledger, token, which);
        if (rest.entries.length < ledger.entries.length) await write(path, rest);
      }),
  };
}

function without(ledger: Ledger, token: string, which: LedgerPin): Ledger {
  return { ...ledger, entries: ledger.entries.filter((entry) => entry.token !== token || entry.which !== which) };
}

async function read(path: string, consequence = ""): Promise<Ledger> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return { schemaVersion: 1, entries: [] };
    throw unreadable(path, `it cannot be read${consequence}`, cause);
  }
  try {
    return parseLedger(text);
  } catch (cause) {
    throw unreadable(path, `${messageOf(cause)}${consequence}`, cause);
  }
}

async function write(path: string, ledger: Ledger): Promise<void> {
  try {
    await writePrivateFile(path, `${JSON.stringify(ledger, null, 2)}\n`);
  } catch (cause) {
    throw new HsmError("LEDGER_NOT_WRITTEN", "unexpected", `the ledger of refused PINs ${path} could not be written`, {
      advice:
        "free space or make its folder writable; `--no-ledger` works without it, and then nothing remembers refused PINs",
      cause,
    });
  }
}

function unreadable(path: string, problem: string, cause: unknown): HsmError {
  return new HsmError("LEDGER_UNREADABLE", "refused", `the ledger of refused PINs ${path} does not serve: ${problem}`, {
    advice: "move the file away to begin a new ledger, or use `--no-ledger` for this command",
    cause,
  });
}

/** `promisify(scrypt)` loses the options' type. The work is done in Node's thread pool. */
function digest(pin: Uint8Array, salt: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(pin, salt, digestBytes, cost, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

/** Two notes in one process must not read the same old file. */
function oneAfterAnother(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => undefined);
    return next;
  };
}
