import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { HsmError } from "../../errors.ts";
import { writeNewFile } from "../../services/atomic-file.ts";
import {
  decodeAnswer,
  encodeChallenge,
  type LoginAnswer,
  type LoginChallenge,
} from "../../services/pka/login-files.ts";
import type { Custodian } from "../../services/pka/pka-login.ts";
import type { CommandContext } from "../context.ts";
import { throwIfInterrupted } from "../interruption.ts";
import { readWhole } from "../keys/key-files.ts";

/** Where the challenge goes; one file, whose content is always the challenge that is waited for. */
export class ChallengeFile {
  readonly path: string;
  readonly #overwrite: boolean;
  #last: string | undefined;

  constructor(path: string, overwrite: boolean) {
    this.path = path;
    this.#overwrite = overwrite;
  }

  /** @returns whether it is another than before */
  async write(challenge: LoginChallenge): Promise<boolean> {
    const bytes = encodeChallenge(challenge);
    const text = new TextDecoder().decode(bytes);
    if (text === this.#last) return false;
    await writeNewFile(this.path, bytes, { overwrite: this.#overwrite || this.#last !== undefined, mode: 0o644 });
    this.#last = text;
    return true;
  }
}

/** How often a file is looked for. */
const lookMs = 100;
/** A file that is being copied is not whole at once. */
const patienceWithPartsMs = 3_000;

/** A custodian who signs on another computer: the challenge goes out as a file, the answer comes back as one. */
export class CustodianElsewhere implements Custodian {
  readonly title: string;
  readonly #context: CommandContext;
  readonly #chr: string | null;
  readonly #path: string;
  readonly #challenge: ChallengeFile;
  readonly #waitMs: number;

  constructor(
    context: CommandContext,
    { chr, path }: { readonly chr: string | null; readonly path: string },
    challenge: ChallengeFile,
    waitMs: number,
  ) {
    this.title = chr === null ? `the answer in ${path}` : `"${chr}"`;
    this.#context = context;
    this.#chr = chr;
    this.#path = path;
    this.#challenge = challenge;
    this.#waitMs = waitMs;
  }

  async holder(): Promise<string | null> {
    return this.#chr;
  }

  async answer(challenge: LoginChallenge): Promise<LoginAnswer> {
    const whom = challenge.custodian === null ? "a custodian" : `"${challenge.custodian}"`;
    if (await this.#challenge.write(challenge)) {
      this.#context.output.say(`hsmadm: the challenge for ${whom} is in ${this.#challenge.path}`);
    }
    this.#context.output.note(`hsmadm: waiting for the answer of ${whom} in ${this.#path}`);
    const end = Date.now() + this.#waitMs;
    for (let brokenSince: number | undefined; ; ) {
      throwIfInterrupted(this.#context.signal);
      if (existsSync(this.#path)) {
        try {
          return decodeAnswer(await readWhole(this.#context, this.#path));
        } catch (error) {
          brokenSince ??= Date.now();
          if (Date.now() - brokenSince >= Math.min(patienceWithPartsMs, this.#waitMs)) throw error;
        }
      }
      if (Date.now() >= end) throw this.#late(whom);
      await pause(lookMs);
    }
  }

  #late(whom: string): HsmError {
    return new HsmError("PKA_ANSWER_LATE", "timeout", `the answer of ${whom} did not come in time, as ${this.#path}`, {
      advice: "the challenge is void now; start anew, with a longer `--wait` where the way is long",
    });
  }
}
