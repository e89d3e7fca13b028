import { exitCodes } from "../errors.ts";
import type { CommandSpec } from "./command-spec.ts";
import { commands, nouns } from "./commands.ts";
import { globalOptions, type OptionSpec } from "./options.ts";

/** The manual page hsmadm(1) in roff's man macros, from the table that `--help` is made of. The build writes it. */
export function manPage(version: string): string {
  return `${[
    `.TH HSMADM 1 "" ${quoted(`hsmadm ${version}`)} "User Commands"`,
    // Command lines are to be copied: no hyphens of the page's own, no stretched spaces.
    ".nh",
    ".ad l",
    ".SH NAME",
    "hsmadm \\- administer smart\\-card HSMs: SmartCard\\-HSM, Nitrokey HSM 2, Pico HSM",
    ".SH SYNOPSIS",
    ".B hsmadm",
    "[\\fIoptions\\fR] \\fINOUN\\fR \\fIVERB\\fR",
    ".SH DESCRIPTION",
    text("Administers smart-card HSMs over PC/SC. To try everything without a card, name a simulated token:"),
    ".PP",
    ".RS",
    ".B hsmadm device status \\-\\-device sim:demo",
    ".RE",
    ".SH COMMANDS",
    ...Object.entries(nouns).flatMap(([noun, summary]) => nounSection(noun, summary)),
    ".SH OPTIONS OF EVERY COMMAND",
    ...[...globalOptions, ...builtIn].flatMap(optionItem),
    ".SH SECRETS",
    text("A secret is never given on the command line; SOURCE says where it comes from:"),
    ...items([
      ["prompt", "asked on the terminal; the same when the option is missing and somebody can be asked"],
      ["fd:N", "read from an open file descriptor, once"],
      ["file:PATH", "a file of the user's own with mode 0600 or stricter"],
      ["env:NAME", "an environment variable"],
      ["cmd:HELPER", "what a shell command prints"],
    ]),
    ".SH EXIT STATUS",
    ...items([["0", "done"], ...Object.entries(exitCodes).map(([kind, code]): Item => [String(code), kind])]),
    ".SH ENVIRONMENT",
    ...items([
      ["HSMADM_DEVICE", "the device when --device is not given"],
      ["HSMADM_HOME", "folder of state and configuration, in place of the XDG folders"],
      ["HSMADM_PASSPHRASE_HELPER", "asks for secrets in place of the terminal"],
      ["HSMADM_SIMULATOR_TOUCH", "denied or timeout: what sim-fido: authenticators meet in place of a touch"],
      ["HSMADM_SIMULATOR_POWER", "cycle: sim-fido: authenticators were unplugged before this command"],
      ["HSMADM_DEBUG", "set to anything: errors show where they come from"],
    ]),
    ".SH FILES",
    ...items([
      ["$XDG_STATE_HOME/hsmadm/simulator/", "simulated tokens"],
      ["$XDG_STATE_HOME/hsmadm/ledger.json", "digests of the last refused PINs"],
      ["$XDG_STATE_HOME/hsmadm/devices.json", "devices seen, for completion"],
    ]),
    ".SH SEE ALSO",
    ".BR pcscd (8),",
    ".BR sc\\-hsm\\-tool (1)",
  ].join("\n")}\n`;
}

const builtIn: readonly OptionSpec[] = [
  { name: "help", describe: "a text about the command" },
  { name: "version", describe: "the version of hsmadm" },
];

function nounSection(noun: string, summary: string): string[] {
  return [
    `.SS ${quoted(noun)}`,
    text(`${summary}.`),
    ...commands.filter(({ words }) => words[0] === noun).flatMap(commandItem),
  ];
}

function commandItem(spec: CommandSpec): string[] {
  const { positional } = spec;
  const word = positional === undefined ? "" : ` ${bracketed(positional)}`;
  const options = (spec.options ?? []).map(
    ({ name, value }) => ` [--${name}${value === undefined ? "" : ` ${value}`}]`,
  );
  const rest = spec.takesCommand ? " [-- COMMAND …]" : "";
  const single = spec.words.length === 1;
  return [
    ".TP",
    `.B ${escaped(`hsmadm ${spec.words.join(" ")}${word}${options.join("")}${rest}`)}`,
    single ? "\\&" : text(spec.summary),
    ...(positional === undefined ? [] : nested([[positional.name, positional.describe]])),
    ...[positional?.second, positional?.third].flatMap((word) =>
      word === undefined ? [] : nested([[word.name, word.describe]]),
    ),
    ...nested((spec.options ?? []).map(optionWords)),
  ];
}

function bracketed({ name, required, many, second, third }: NonNullable<CommandSpec["positional"]>): string {
  const word = `${name}${many ? " …" : ""}${[second, third].map((more) => (more === undefined ? "" : ` ${more.name}`)).join("")}`;
  return required ? word : `[${word}]`;
}

type Item = readonly [term: string, meaning: string];

function optionWords({ name, value, describe }: OptionSpec): Item {
  return [`--${name}${value === undefined ? "" : ` ${value}`}`, describe];
}

function optionItem(option: OptionSpec): string[] {
  return items([optionWords(option)]);
}

function items(all: readonly Item[]): string[] {
  return all.flatMap(([term, meaning]) => [".TP", `.B ${escaped(term)}`, text(meaning)]);
}

function nested(all: readonly Item[]): string[] {
  return all.length === 0 ? [] : [".RS", ...items(all), ".RE"];
}

function quoted(words: string): string {
  return `"${escaped(words).replaceAll('"', "\\(dq")}"`;
}

/** A line of text: a full stop or quote at its beginning would make it a request. */
function text(words: string): string {
  return escaped(words).replace(/^[.']/, "\\&$&");
}

/** Backslashes, hyphens that are to stay hyphens when copied, and what is not ASCII. */
function escaped(words: string): string {
  return words
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(
      /[^\x20-\x7e]/gu,
      (character) => `\\[u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
    );
}
