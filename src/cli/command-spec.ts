import type { CommandModule } from "./context.ts";
import type { OptionSpec } from "./options.ts";

/** One command: what the parser, `--help`, completion and the manual page are made from. */
export interface CommandSpec {
  readonly words:
    | readonly [noun: string]
    | readonly [noun: string, verb: string]
    /** `vault slot add`: a verb of a part of the noun. */
    | readonly [noun: string, part: string, verb: string];
  readonly summary: string;
  readonly positional?: {
    readonly name: string;
    readonly describe: string;
    readonly required: boolean;
    readonly many?: boolean;
    /** Opens something, or may be a secret that was typed: no record tells it. */
    readonly secret?: true;
    /** A second word, as needed as the first: `key rename KEY NAME`. */
    readonly second?: { readonly name: string; readonly describe: string };
    /** `vault derive FILE PURPOSE CONTEXT`. */
    readonly third?: { readonly name: string; readonly describe: string };
  };
  readonly options?: readonly OptionSpec[];
  /** Takes another command after `--`. */
  readonly takesCommand?: boolean;
  /** With `--json`: a document on each line, as things happen, not one at the end. */
  readonly manyLines?: boolean;
  /** Works on several devices at once. */
  readonly manyDevices?: boolean;
  /** Loaded when the command runs, not before. */
  readonly load: () => Promise<CommandModule>;
}
