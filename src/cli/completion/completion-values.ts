import { driverNames } from "../../transport/pcsc/driver-name.ts";
import type { CommandSpec } from "../command-spec.ts";
import type { KnownDevice } from "../devices/device-cache.ts";
import type { OptionSpec } from "../options.ts";
import { shells } from "./completion-shells.ts";

/** One thing that could stand at the cursor. */
export interface Candidate {
  /** The whole word. */
  readonly value: string;
  readonly describe?: string;
  /** The word goes on after this: no space behind it. */
  readonly open?: boolean;
}

/** Where names come from. None of these touches a card. */
export interface CompletionSources {
  readonly devices: () => readonly KnownDevice[];
  /** Names of simulated tokens, without `sim:`. */
  readonly simulated: () => readonly string[];
  /** Names of simulated FIDO2 authenticators, without `sim-fido:`. */
  readonly authenticators: () => readonly string[];
  /** Paths that begin so; folders end in a slash. */
  readonly paths: (begin: string) => readonly string[];
  /** Names of environment variables. */
  readonly variables: () => readonly string[];
}

/**
 * For `--device`: what is typed alone, and prefixes that want more.
 * @param noun of the command, where it is known: `fido` is about authenticators, `pin` about HSMs
 */
export function deviceValues(
  current: string,
  sources: CompletionSources,
  many: boolean,
  noun?: string,
): readonly Candidate[] {
  // A comma begins another device, except in a path or a reader's name.
  const comma = many && !/^(trace|pcsc):/.test(current) ? current.lastIndexOf(",") + 1 : 0;
  const before = current.slice(0, comma);
  return oneDevice(current.slice(comma), sources, noun)
    .filter(({ value }) => !before.split(",").includes(value))
    .map((candidate) => ({ ...candidate, value: before + candidate.value }));
}

function oneDevice(current: string, sources: CompletionSources, noun: string | undefined): readonly Candidate[] {
  if (current.startsWith("trace:")) return prefixed("trace:", pathValues(current.slice(6), sources));
  const devices = sources.devices();
  const values: Candidate[] = [];
  const hsms = noun !== "fido";
  for (const { serial, label, reader } of hsms ? devices : []) {
    values.push({ value: serial, describe: label === null ? `last in ${reader}` : `"${label}", last in ${reader}` });
  }
  for (const { serial, label, reader } of hsms ? devices : []) {
    if (label !== null && !label.includes(",")) values.push({ value: label, describe: `${serial}, last in ${reader}` });
  }
  for (const reader of new Set(devices.map((device) => device.reader))) {
    if (!reader.includes(",")) values.push({ value: reader, describe: "reader" });
    if (current.startsWith("pcsc:")) values.push({ value: `pcsc:${reader}`, describe: "reader" });
  }
  if (hsms) {
    values.push(...simulatedTokens(sources), {
      value: "sim:",
      describe: "a simulated token, made at first use",
      open: true,
    });
  }
  if (noun === "fido" || noun === "vault") {
    values.push(
      ...simulatedAuthenticators(sources),
      { value: "sim-fido:", describe: "a simulated authenticator, made at first use", open: true },
      { value: "fido:", describe: "an authenticator by HID path or AAGUID", open: true },
    );
  }
  return unique([
    ...values,
    { value: "trace:", describe: "replay a recorded trace", open: true },
    { value: "pcsc:", describe: "a reader, or a token in one", open: true },
    { value: "auto", describe: hsms ? "the one token in a reader" : "every HID device and reader" },
    { value: "none" },
  ]);
}

function simulatedTokens(sources: CompletionSources): Candidate[] {
  return sources.simulated().map((name) => ({ value: `sim:${name}`, describe: "SIMULATED token" }));
}

function simulatedAuthenticators(sources: CompletionSources): Candidate[] {
  return sources.authenticators().map((name) => ({ value: `sim-fido:${name}`, describe: "SIMULATED authenticator" }));
}

/** For every other option. */
export function optionValues(option: OptionSpec, current: string, sources: CompletionSources): readonly Candidate[] {
  const { name, value = "" } = option;
  if (value === "SOURCE") return secretSources(current, sources);
  if (/^(FILE|PATH|FOLDER)$/.test(value)) return pathValues(current, sources);
  if (name === "driver") return driverNames.map((value) => ({ value }));
  return alternatives(value);
}

/** For the words after noun and verb. */
export function positionalValues(
  spec: CommandSpec,
  name: string,
  current: string,
  sources: CompletionSources,
): readonly Candidate[] {
  if (spec.words[0] === "simulator" && spec.words[1] !== "create") {
    return [...simulatedTokens(sources), ...simulatedAuthenticators(sources)];
  }
  if (/^(FROM|TO)$/.test(name)) return deviceValues(current, sources, false);
  if (/^(FILES?|PATH)$/.test(name)) return pathValues(current, sources);
  return name === "SHELL" ? shells.map((value) => ({ value })) : alternatives(name);
}

const sourceWords: readonly Candidate[] = [
  { value: "prompt", describe: "ask on the terminal" },
  { value: "file:", describe: "a file of mode 0600", open: true },
  { value: "fd:", describe: "an open file descriptor", open: true },
  { value: "env:", describe: "an environment variable", open: true },
  { value: "cmd:", describe: "what a helper prints", open: true },
];

function secretSources(current: string, sources: CompletionSources): readonly Candidate[] {
  if (current.startsWith("file:")) return prefixed("file:", pathValues(current.slice(5), sources));
  if (current.startsWith("env:"))
    return prefixed(
      "env:",
      sources.variables().map((value) => ({ value })),
    );
  return sourceWords;
}

/** `genuine|pico` are words to type, the N of `N|random|none` is not. */
function alternatives(value: string): readonly Candidate[] {
  if (!value.includes("|")) return [];
  return value
    .split("|")
    .filter((word) => /^[a-z][a-z0-9-]*$/.test(word))
    .map((word) => ({ value: word }));
}

function pathValues(current: string, sources: CompletionSources): readonly Candidate[] {
  return sources.paths(current).map((value) => ({ value, open: value.endsWith("/") }));
}

function prefixed(prefix: string, candidates: readonly Candidate[]): readonly Candidate[] {
  return candidates.map((candidate) => ({ ...candidate, value: prefix + candidate.value }));
}

function unique(candidates: readonly Candidate[]): readonly Candidate[] {
  const seen = new Set<string>();
  return candidates.filter(({ value }) => !seen.has(value) && seen.add(value));
}
