import type { CommandSpec } from "../command-spec.ts";
import { type OptionSpec, secretOptions } from "../options.ts";

const { pin } = secretOptions;
const out: OptionSpec = { name: "out", value: "FILE", describe: "where to write" };
const key = {
  name: "KEY",
  describe: "label, id in hex or key reference; label:…, id:…, ref:… say which",
  required: true,
} as const;

const custodianKey: OptionSpec = {
  name: "custodian-key",
  value: "KEY",
  describe: "their key on those tokens; else the one that is registered",
};
/** Who signs. */
const custodians: readonly OptionSpec[] = [
  { name: "custodian", value: "DEVICE", describe: "a custodian's token that is here", many: true },
  custodianKey,
  {
    name: "custodian-pin",
    value: "SOURCE",
    describe: "where their user PIN comes from, once for all or once for each",
    many: true,
  },
  { name: "challenge-out", value: "FILE", describe: "the challenge, for custodians elsewhere" },
  {
    name: "answer",
    value: "[CHR=]FILE",
    describe: "where the answer of a custodian elsewhere will be; CHR is who",
    many: true,
  },
  { name: "wait", value: "S", describe: "seconds to wait for each answer (600)" },
];

/** The `pka` commands and `session run`, a part of the command table. */
export const pkaCommands: readonly CommandSpec[] = [
  {
    words: ["pka", "export"],
    summary: "a custodian's key, as a file to register it with",
    positional: key,
    options: [out],
    load: () => import("./pka-export.ts"),
  },
  {
    words: ["pka", "register"],
    summary: "register custodians' keys on a token set up with --pka",
    positional: {
      name: "FILE",
      describe: "of `pka export` or sc-hsm-tool --export-for-pub-key-auth",
      required: false,
      many: true,
    },
    options: [
      { name: "custodian", value: "DEVICE", describe: "a custodian's token that is here", many: true },
      custodianKey,
      pin,
    ],
    load: () => import("./pka-register.ts"),
  },
  {
    words: ["pka", "status"],
    summary: "how many custodians there are, who, and how many must sign",
    load: () => import("./pka-status.ts"),
  },
  {
    words: ["pka", "answer"],
    summary: "sign a challenge from elsewhere as a custodian",
    positional: { name: "FILE", describe: "the challenge", required: true },
    options: [{ name: "key", value: "KEY", describe: "the custodian's key; else the one it names" }, out, pin],
    load: () => import("./pka-answer.ts"),
  },
  {
    words: ["pka", "login"],
    summary: "try the login by custodians; it ends with the command",
    options: [...custodians, pin],
    load: () => import("./pka-login.ts"),
  },
  {
    words: ["pka", "run"],
    summary: "log in by custodians and run one command of hsmadm so",
    options: [...custodians, pin],
    takesCommand: true,
    load: () => import("./pka-run.ts"),
  },
  {
    words: ["session", "run"],
    summary: "run the command lines of a file on one connection, one login",
    positional: {
      name: "FILE",
      describe: "a command line of hsmadm on each line; - is standard input",
      required: true,
    },
    options: [...custodians, { name: "no-login", describe: "log in as nobody" }, pin],
    load: () => import("./session-run.ts"),
  },
];
