import type { Argv } from "yargs";
import { CommandArguments } from "./arguments.ts";
import type { CommandSpec } from "./command-spec.ts";
import { commands, nouns } from "./commands.ts";
import { usage } from "./failure.ts";
import { globalOptions, type OptionSpec } from "./options.ts";
import { nearest } from "./suggest.ts";

export type CommandLine =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | { readonly kind: "command"; readonly spec: CommandSpec; readonly args: CommandArguments };

const usualWidth = 80;
const everywhere = "Everywhere:";

/**
 * Reads the command line. Words that are no option, command or value are not repeated in errors: they may be a PIN
 * that was typed in the wrong place.
 * @throws HsmError of kind `usage`
 */
export async function parseCommandLine(argv: readonly string[], width = usualWidth): Promise<CommandLine> {
  let chosen: { spec: CommandSpec; values: Record<string, unknown> } | undefined;
  const parser = await buildParser(width, (spec, values) => {
    chosen = { spec, values };
  });
  let help = "";
  const seen = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const parsed = parser.parse([...argv], {}, (error: Error | undefined, values: unknown, output: string) => {
      help = output;
      if (error) reject(error);
      else resolve(values as Record<string, unknown>);
    });
    if (parsed instanceof Promise) parsed.catch(reject);
  });
  if (help !== "") return { kind: "help", text: `${help}\n` };
  if (seen["version"] === true) return { kind: "version" };
  const words = Array.isArray(seen["_"]) ? seen["_"].map(String) : [];
  if (chosen === undefined) throw noCommand(words);
  const { spec, values } = chosen;
  refuseUnknownOptions(spec, values);
  if (words.length > spec.words.length) {
    throw usage("ARGUMENT_UNEXPECTED", `\`${spec.words.join(" ")}\` takes no further words`, helpOf(spec));
  }
  const rest = Array.isArray(values["--"]) ? values["--"].map(String) : [];
  if (rest.length > 0 && !spec.takesCommand) {
    throw usage("ARGUMENT_UNEXPECTED", `\`${spec.words.join(" ")}\` runs no other command`, helpOf(spec));
  }
  return { kind: "command", spec, args: new CommandArguments(values, rest) };
}

/** Exactly what `hsmadm --help` prints at this width. */
export async function topHelp(width = usualWidth): Promise<string> {
  const parser = await buildParser(width, () => undefined);
  return `${await parser.getHelp()}\n`;
}

async function buildParser(
  width: number,
  chosen: (spec: CommandSpec, values: Record<string, unknown>) => void,
): Promise<Argv> {
  const { default: yargs } = await import("yargs");
  /** The command whose words were recognised, for what is said about the rest. */
  let recognised: CommandSpec | undefined;
  const describe = (parser: Argv, spec: CommandSpec) => {
    recognised = spec;
    return describeCommand(parser, spec);
  };
  const parser = yargs([])
    .scriptName("hsmadm")
    .usage(
      "hsmadm administers smart-card HSMs: SmartCard-HSM, Nitrokey HSM 2, Pico HSM.\n\nUsage: hsmadm [options] NOUN VERB",
    )
    .detectLocale(false)
    .locale("en")
    .exitProcess(false)
    .wrap(width)
    .parserConfiguration({
      "boolean-negation": false,
      "camel-case-expansion": false,
      "dot-notation": false,
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "populate--": true,
      "greedy-arrays": false,
      "short-option-groups": false,
      "strip-aliased": true,
    })
    .help("help", "this text")
    .alias("help", "h")
    .version(false)
    .option("version", { alias: "V", boolean: true, describe: "the version of hsmadm" })
    .fail((message, error) => {
      throw error === undefined || error.name === "YError" ? fromYargs(message ?? error?.message, recognised) : error;
    })
    .epilogue(
      "The options of a command: hsmadm NOUN VERB --help\nWithout a card: hsmadm device status --device sim:demo",
    );
  hideTypes(parser);
  // Named first, so that a command's own options, which join this group, stand above those of every command.
  parser.group(["help", "version"], "Options:");
  // Known at every level, so that they may stand anywhere; told with the commands only, where a list of nouns or verbs
  // would scroll away above them.
  addOptions(parser, globalOptions, true);
  for (const { name } of globalOptions) parser.hide(name);
  for (const [noun, summary] of Object.entries(nouns)) {
    const own = commands.filter((spec) => spec.words[0] === noun);
    const single = own.find((spec) => spec.words.length === 1);
    if (single) {
      parser.command(
        `${noun}${positionalWord(single)}`,
        summary,
        (inner) => describe(inner, single),
        (values) => chosen(single, values),
      );
      continue;
    }
    parser.command(noun, summary, (inner) => addVerbs(inner, own, 1, { describe, chosen }));
  }
  return parser;
}

/** The words that may follow, and below those that only begin a command (`vault slot`) the words after them. */
function addVerbs(
  parser: Argv,
  specs: readonly CommandSpec[],
  depth: number,
  found: {
    readonly describe: (parser: Argv, spec: CommandSpec) => Argv;
    readonly chosen: (spec: CommandSpec, values: Record<string, unknown>) => void;
  },
): Argv {
  const before = specs[0]?.words.slice(0, depth).join(" ") ?? "";
  parser
    .usage(`Usage: hsmadm ${before} VERB [options]`)
    .epilogue(`The options of a verb: hsmadm ${before} VERB --help`);
  for (const word of nextWords(specs, depth)) {
    const own = specs.filter(({ words }) => words[depth] === word);
    const single = own.find(({ words }) => words.length === depth + 1);
    if (single === undefined) {
      parser.command(word, nextWords(own, depth + 1).join(", "), (inner) => addVerbs(inner, own, depth + 1, found));
      continue;
    }
    parser.command(
      `${word}${positionalWord(single)}`,
      single.summary,
      (inner) => found.describe(inner, single),
      (values) => found.chosen(single, values),
    );
  }
  return parser;
}

function nextWords(specs: readonly CommandSpec[], depth: number): string[] {
  return [...new Set(specs.flatMap(({ words }) => words[depth] ?? []))];
}

/** `[string]` beside every option says nothing that the name of its value does not. Not in the type package yet. */
function hideTypes(parser: Argv): void {
  (parser as Argv & { usageConfiguration(settings: Record<string, boolean>): Argv }).usageConfiguration({
    "hide-types": true,
  });
}

const sourceHelp = "SOURCE: prompt, fd:N, file:PATH, env:NAME or cmd:HELPER, never the secret.";

/** Takes back what `hide` did on the level above. The method is not in the type package. */
function showAgain(parser: Argv, options: readonly OptionSpec[]): void {
  const { hiddenOptions } = (parser as Argv & { getOptions(): { hiddenOptions: string[] } }).getOptions();
  for (const { name } of options) {
    for (let at = hiddenOptions.indexOf(name); at >= 0; at = hiddenOptions.indexOf(name)) hiddenOptions.splice(at, 1);
  }
}

function positionalWord(spec: CommandSpec): string {
  const { positional } = spec;
  if (positional === undefined) return "";
  const name = positional.many ? `${positional.name}..` : positional.name;
  const more = furtherWords(positional)
    .map((word) => ` <${word.name}>`)
    .join("");
  return positional.required ? ` <${name}>${more}` : ` [${name}]${more}`;
}

type Word = { readonly name: string; readonly describe: string };

function furtherWords({ second, third }: NonNullable<CommandSpec["positional"]>): readonly Word[] {
  return [second, third].filter((word) => word !== undefined);
}

function wordsOf({ positional }: CommandSpec): readonly Word[] {
  return positional === undefined ? [] : [positional, ...furtherWords(positional)];
}

function describeCommand(parser: Argv, spec: CommandSpec): Argv {
  const tail = spec.takesCommand ? " [-- COMMAND…]" : "";
  parser
    .usage(`Usage: hsmadm ${spec.words.join(" ")}${positionalWord(spec)} [options]${tail}\n\n${spec.summary}`)
    .epilogue(spec.options?.some(({ value }) => value === "SOURCE") ? sourceHelp : "");
  showAgain(parser, globalOptions);
  parser.hide("version");
  for (const { name, describe } of wordsOf(spec)) parser.positional(name, { describe, type: "string" });
  addOptions(parser, spec.options ?? [], false);
  return parser;
}

function addOptions(parser: Argv, options: readonly OptionSpec[], global: boolean): void {
  for (const { name, value, describe } of options) {
    const common = global ? { global, group: everywhere } : { global };
    if (value === undefined) parser.option(name, { boolean: true, describe, ...common });
    else parser.option(name, { string: true, requiresArg: true, describe: `${value}: ${describe}`, ...common });
  }
}

function refuseUnknownOptions(spec: CommandSpec, values: Record<string, unknown>): void {
  const known = [...globalOptions, ...(spec.options ?? [])].map((option) => option.name);
  const builtIn = ["_", "--", "$0", "help", "h", "version", "V", ...wordsOf(spec).map(({ name }) => name)];
  for (const name of Object.keys(values)) {
    if (known.includes(name) || builtIn.includes(name)) continue;
    const near = nearest(name, known);
    const shown = /^[a-z][a-z-]*$/.test(name) ? `--${name}` : "an option";
    throw usage(
      "OPTION_UNKNOWN",
      `${shown} is not known to \`${spec.words.join(" ")}\``,
      near === undefined ? helpOf(spec) : `did you mean --${near}?`,
    );
  }
}

function noCommand(words: readonly string[]): Error {
  const [noun] = words;
  if (noun === undefined) return usage("COMMAND_MISSING", "no command given", "`hsmadm --help` lists them");
  if (!(noun in nouns)) {
    const near = nearest(noun, Object.keys(nouns));
    return usage(
      "COMMAND_UNKNOWN",
      /^[a-z][a-z-]*$/.test(noun) ? `there is no command \`${noun}\`` : "there is no such command",
      near === undefined ? "`hsmadm --help` lists them" : `did you mean \`${near}\`?`,
    );
  }
  return noVerb(words);
}

/** The words that begin commands, up to the one that goes nowhere. */
function noVerb(words: readonly string[]): Error {
  let depth = 1;
  const beginning = () => commands.filter((spec) => words.slice(0, depth).every((word, i) => spec.words[i] === word));
  while (depth < words.length && beginning().some((spec) => spec.words[depth] === words[depth])) depth++;
  const begun = words.slice(0, depth).join(" ");
  const verbs = nextWords(beginning(), depth);
  const verb = words[depth];
  if (verb === undefined) return usage("COMMAND_MISSING", `\`${begun}\` wants a verb`, `one of ${verbs.join(", ")}`);
  const near = nearest(verb, verbs);
  return usage(
    "COMMAND_UNKNOWN",
    /^[a-z][a-z-]*$/.test(verb) ? `\`${begun}\` has no verb \`${verb}\`` : `\`${begun}\` has no such verb`,
    near === undefined ? `one of ${verbs.join(", ")}` : `did you mean \`${begun} ${near}\`?`,
  );
}

/** Sentences of yargs name options and counts, never values. */
function fromYargs(text: string, spec: CommandSpec | undefined): Error {
  const missing = /^Not enough arguments following: (.+)$/.exec(text);
  if (missing) return usage("OPTION_VALUE", `--${missing[1]} wants a value`);
  if (/^Not enough non-option arguments/.test(text)) {
    if (spec?.positional === undefined) return usage("ARGUMENT_MISSING", "a word is missing");
    const wanted = wordsOf(spec).map(({ name, describe }) => `${name}: ${describe}`);
    return usage("ARGUMENT_MISSING", `\`${spec.words.join(" ")}\` wants ${wanted.join("; ")}`, helpOf(spec));
  }
  return usage("COMMAND_LINE_INVALID", "the command line is not understood", "`hsmadm --help` shows how it is written");
}

function helpOf(spec: CommandSpec): string {
  return `\`hsmadm ${spec.words.join(" ")} --help\` shows what it takes`;
}
