import type { CommandArguments } from "../arguments.ts";
import type { CommandSpec } from "../command-spec.ts";
import { globalOptions, type OptionSpec } from "../options.ts";

/** Where the record goes, and what only says how a result is shown: not what was done. */
const leftOut = new Set(["ceremony", "officer", "json", "quiet", "trace", "timeout", "driver"]);
/** Stands where a word must not be told. */
const withheld = "[withheld]";

/**
 * The command line for the record: command, words, options. Of a secret nothing is told but the kind of its source
 * (`prompt`, `file`, …), and of another program only that there is one.
 */
export function recordedWords(spec: CommandSpec, args: CommandArguments): string[] {
  const options = [...(spec.options ?? []), ...globalOptions].filter(({ name }) => !leftOut.has(name));
  return [
    ...spec.words,
    ...positionalWords(spec, args),
    ...options.flatMap((option) => optionWords(option, args)),
    ...(args.rest.length === 0 ? [] : ["--", withheld]),
  ];
}

function positionalWords({ positional }: CommandSpec, args: CommandArguments): string[] {
  if (positional === undefined) return [];
  const names = [positional, positional.second, positional.third].flatMap((word) => word?.name ?? []);
  return names.flatMap((name) => args.texts(name).map((text) => (positional.secret === true ? withheld : text)));
}

function optionWords({ name, value }: OptionSpec, args: CommandArguments): string[] {
  if (value === undefined) return args.flag(name) ? [`--${name}`] : [];
  return args.texts(name).flatMap((text) => [`--${name}`, takesSecret(value) ? sourceKind(text) : text]);
}

/** `SOURCE`, `prompt|file:PATH` */
function takesSecret(value: string): boolean {
  return value === "SOURCE" || value.includes("prompt");
}

/** A source that is none may be the secret itself. */
function sourceKind(text: string): string {
  const [kind = ""] = text.split(":");
  return ["prompt", "fd", "file", "env", "cmd", "literal"].includes(kind) ? kind : withheld;
}
