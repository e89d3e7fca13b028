/**
 * What may stand at the cursor of a command line, from the command table. The shells ask at every press of the tab key,
 * so nothing here touches a reader, a card or a token's state: names come from what earlier commands left behind.
 */
import type { CommandSpec } from "../command-spec.ts";
import { commands, nouns } from "../commands.ts";
import { globalOptions, type OptionSpec } from "../options.ts";
import {
  type Candidate,
  type CompletionSources,
  deviceValues,
  optionValues,
  positionalValues,
} from "./completion-values.ts";

export type Completion =
  | { readonly kind: "candidates"; readonly candidates: readonly Candidate[] }
  /** Another command begins at this word (counted from the first after `hsmadm`): the shell knows how to complete it. */
  | { readonly kind: "command"; readonly from: number };

const helpOption: OptionSpec = { name: "help", describe: "this text" };
const versionOption: OptionSpec = { name: "version", describe: "the version of hsmadm" };

/**
 * @param words what stands after `hsmadm` up to the cursor; the last one is being typed and may be empty
 * @returns candidates for the whole last word, those that begin with it
 */
export function complete(words: readonly string[], sources: CompletionSources): Completion {
  const current = words.at(-1) ?? "";
  const line = readWords(words.slice(0, -1));
  if (line.rest !== undefined) {
    return line.spec?.takesCommand ? { kind: "command", from: line.rest } : { kind: "candidates", candidates: [] };
  }
  const offered = offer(line, current, sources);
  return { kind: "candidates", candidates: offered.filter(({ value }) => value.startsWith(current)) };
}

/** What the finished words say. */
interface ReadLine {
  readonly noun: string | undefined;
  /** The word between noun and verb, where there is one: `vault slot add`. */
  readonly part: string | undefined;
  readonly spec: CommandSpec | undefined;
  /** Words that are neither noun, verb nor option. */
  readonly positionals: number;
  readonly given: ReadonlySet<string>;
  /** The option whose value comes next. */
  readonly awaiting: OptionSpec | undefined;
  /** Where the words after `--` begin. */
  readonly rest: number | undefined;
}

function readWords(words: readonly string[]): ReadLine {
  let noun: string | undefined;
  let part: string | undefined;
  let spec: CommandSpec | undefined;
  let positionals = 0;
  let awaiting: OptionSpec | undefined;
  let rest: number | undefined;
  const given = new Set<string>();
  for (const [at, word] of words.entries()) {
    if (awaiting !== undefined) {
      awaiting = undefined;
    } else if (word === "--") {
      rest = at + 1;
      break;
    } else if (word.startsWith("--")) {
      const [name = "", value] = splitOption(word);
      given.add(name);
      const option = optionsOf(spec).find((one) => one.name === name) ?? anyOption(noun, name);
      if (value === undefined && option?.value !== undefined) awaiting = option;
    } else if (noun === undefined) {
      noun = word;
      spec = commands.find((one) => one.words.length === 1 && one.words[0] === noun);
    } else if (spec === undefined) {
      const own = commands.filter(({ words }) => words[0] === noun && (part === undefined || words[1] === part));
      spec = own.find(({ words }) => words.slice(part === undefined ? 1 : 2).join(" ") === word);
      if (spec === undefined && part === undefined && own.some(({ words }) => words[1] === word)) part = word;
    } else {
      positionals += 1;
    }
  }
  return { noun, part, spec, positionals, given, awaiting, rest };
}

function offer(line: ReadLine, current: string, sources: CompletionSources): readonly Candidate[] {
  const { noun, spec, awaiting } = line;
  if (awaiting !== undefined) return valuesOf(awaiting, spec, current, sources);
  if (current.startsWith("-")) return optionCandidates(line, current, sources);
  if (noun === undefined) return Object.entries(nouns).map(([value, describe]) => ({ value, describe }));
  if (spec === undefined) {
    return verbCandidates(noun, line.part);
  }
  const { positional } = spec;
  const wanted = positional !== undefined && (positional.many === true || line.positionals === 0);
  const values = wanted ? positionalValues(spec, positional.name, current, sources) : [];
  if (values.length > 0 || current !== "" || (wanted && positional.required)) return values;
  // With nothing else to say, which device and what this very command has; what every command has comes with `-`.
  return optionCandidates({ ...line, given: new Set([...line.given, ...everywhere]) }, "--", sources);
}

function verbCandidates(noun: string, part: string | undefined): readonly Candidate[] {
  const verbs = commands.filter(({ words }) => words[0] === noun && (part === undefined || words[1] === part));
  const found = new Map<string, Candidate>();
  for (const { words, summary } of verbs) {
    const value = words[part === undefined ? 1 : 2] ?? "";
    const begins = words.length > (part === undefined ? 2 : 3);
    if (!found.has(value)) found.set(value, { value, describe: begins ? `${value} …` : summary });
  }
  return [...found.values()];
}

const everywhere = [...globalOptions, helpOption, versionOption]
  .map(({ name }) => name)
  .filter((name) => name !== "device");

function optionCandidates(line: ReadLine, current: string, sources: CompletionSources): readonly Candidate[] {
  const [name = "", value] = splitOption(current);
  const options = [...(line.spec?.options ?? []), ...globalOptions, helpOption, versionOption];
  if (value !== undefined) {
    const option = options.find((one) => one.name === name);
    if (option?.value === undefined) return [];
    const values = valuesOf(option, line.spec, value, sources);
    return values.map((candidate) => ({ ...candidate, value: `--${name}=${candidate.value}` }));
  }
  const again = ({ name, many }: OptionSpec) => (name === "device" ? line.spec?.manyDevices : many) === true;
  return options
    .filter((option) => again(option) || !line.given.has(option.name))
    .map((option) => ({ value: `--${option.name}`, describe: option.describe }));
}

function valuesOf(
  option: OptionSpec,
  spec: CommandSpec | undefined,
  current: string,
  sources: CompletionSources,
): readonly Candidate[] {
  if (option.name === "device") return deviceValues(current, sources, spec?.manyDevices === true, spec?.words[0]);
  return optionValues(option, current, sources);
}

function optionsOf(spec: CommandSpec | undefined): readonly OptionSpec[] {
  return [...(spec?.options ?? []), ...globalOptions];
}

/** An option may stand before its verb. */
function anyOption(noun: string | undefined, name: string): OptionSpec | undefined {
  const near = commands.filter(({ words }) => noun === undefined || words[0] === noun);
  return near.flatMap(({ options }) => options ?? []).find((option) => option.name === name);
}

function splitOption(word: string): [name: string, value?: string] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word.slice(2)] : [word.slice(2, equals), word.slice(equals + 1)];
}
