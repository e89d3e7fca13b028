import { join } from "node:path";
import { exitCodes, HsmError } from "../../errors.ts";
import type { CommandFacts } from "../../services/ceremony/ceremony-entry.ts";
import { addEntry, openCeremony } from "../../services/ceremony/ceremony-file.ts";
import { type CeremonyMemory, fileCeremonyMemory } from "../../services/ceremony/ceremony-memory.ts";
import type { CommandArguments } from "../arguments.ts";
import type { CommandSpec } from "../command-spec.ts";
import { usage } from "../failure.ts";
import type { CliIo } from "../io.ts";
import { ensurePrivateFolder, type Paths, pathsFor } from "../paths.ts";
import { recordedWords } from "./ceremony-words.ts";
import { TokenWatch } from "./token-watch.ts";

type OwnFacts = Pick<CommandFacts, "officer" | "command" | "words">;

/** A command that is written into a ceremony record when it is over. */
export class CeremonyRecording {
  readonly watch = new TokenWatch();
  readonly #path: string;
  readonly #io: CliIo;
  readonly #memory: CeremonyMemory;
  readonly #facts: OwnFacts;

  private constructor(path: string, io: CliIo, memory: CeremonyMemory, facts: OwnFacts) {
    this.#path = path;
    this.#io = io;
    this.#memory = memory;
    this.#facts = facts;
  }

  /**
   * Looks at the record before anything is done to a token.
   * @returns `undefined` where nothing is recorded: without `--ceremony`, and for a dry run
   * @throws HsmError `CEREMONY_CLOSED` (conflict), `OPTIONS_CONFLICT` (usage), check-failed where the record does not hold
   */
  static async begin(spec: CommandSpec, args: CommandArguments, io: CliIo): Promise<CeremonyRecording | undefined> {
    const path = args.text("ceremony");
    const officer = args.text("officer") ?? null;
    const ownWords = spec.words[0] === "audit";
    if (path === undefined) {
      if (officer === null || ownWords) return undefined;
      throw usage("OPTION_MISSING", "--officer goes into a record", "give --ceremony FILE too");
    }
    if (ownWords) throw usage("OPTIONS_CONFLICT", "--ceremony records commands on tokens", "`audit` takes FILE itself");
    const memory = await ceremonyMemory(pathsFor(io));
    await openCeremony(path, memory);
    if (args.flag("dry-run")) return undefined;
    const facts = { officer, command: spec.words.join(" "), words: recordedWords(spec, args) };
    return new CeremonyRecording(path, io, memory, facts);
  }

  /** A command that runs inside this one, on its connection; it has an entry of its own, before this one's. */
  within(spec: CommandSpec, args: CommandArguments): CeremonyRecording | undefined {
    if (args.flag("dry-run")) return undefined;
    const { officer } = this.#facts;
    const facts = { officer, command: spec.words.join(" "), words: recordedWords(spec, args) };
    return new CeremonyRecording(this.#path, this.#io, this.#memory, facts);
  }

  /**
   * The command is over, however it went.
   * @throws HsmError `CEREMONY_NOT_RECORDED` (partial)
   */
  async end(exitCode: number, error: HsmError | null): Promise<void> {
    const entry = {
      kind: "command",
      ...this.#facts,
      exitCode,
      result: error?.kind ?? resultOf(exitCode),
      error: error === null ? null : { code: error.code, message: error.message },
      tokens: this.watch.tokens,
    } as const;
    try {
      await addEntry(this.#path, entry, {
        now: this.#io.now(),
        tool: `hsmadm ${this.#io.version()}`,
        memory: this.#memory,
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HsmError(
        "CEREMONY_NOT_RECORDED",
        "partial",
        `\`${entry.command}\` is over (exit ${exitCode}) and stands in no ceremony record: ${reason}`,
        { advice: "write it down by hand; look with `hsmadm device status` what was done", cause },
      );
    }
  }
}

/** Also where a command tells in its own document what went wrong; another program has codes of its own. */
function resultOf(exitCode: number): string {
  if (exitCode === 0) return "done";
  return Object.entries(exitCodes).find(([, code]) => code === exitCode)?.[0] ?? "ended";
}

/** What this computer remembers of records. */
export async function ceremonyMemory(paths: Pick<Paths, "state">): Promise<CeremonyMemory> {
  await ensurePrivateFolder(paths.state);
  return fileCeremonyMemory(join(paths.state, "ceremonies.json"));
}
