import { ageCommands } from "./age/age-commands.ts";
import { attestationCommands } from "./attestations/attestation-commands.ts";
import { backupCommands } from "./backups/backup-commands.ts";
import { auditCommands } from "./ceremonies/audit-commands.ts";
import { certificateCommands } from "./certificates/certificate-commands.ts";
import type { CommandSpec } from "./command-spec.ts";
import { fidoCommands } from "./fido/fido-commands.ts";
import { jwtCommands } from "./jwts/jwt-commands.ts";
import { keyCommands } from "./keys/key-commands.ts";
import { ackVault, type OptionSpec, secretOptions } from "./options.ts";
import { pkaCommands } from "./pka/pka-commands.ts";
import { shareCommands } from "./shares/share-commands.ts";
import { vaultCommands } from "./vaults/vault-commands.ts";

/** The nouns in the order of the help. */
export const nouns: Readonly<Record<string, string>> = {
  device: "tokens: list, status, info, watch, verify, init, label",
  pin: "user PIN: status, verify, change, unblock",
  "so-pin": "SO-PIN: change, explain",
  key: "keys: generate, list, use, wrap, import, …",
  cert: "certificates: list, put, csr, self-sign, …",
  attest: "prove that a key was made on a token: key, verify",
  jwt: "short-lived tokens of a device: sign, verify",
  guard: "run a command only while enough PIN tries are left",
  share: "DKEK shares: create, import, inspect, check, rotate",
  domain: "key domains: list, create, delete, clear",
  backup: "all keys: create, verify, list, restore, clone",
  fido: "FIDO2 authenticators: list, info, PIN, Pico FIDO's lock and backup",
  pka: "login by n of m custodians: register, status, login, run, …",
  session: "several commands on one connection: run",
  vault: "secrets that several tokens open: create, get, set, slot, …",
  age: "keys for age and rage: recipients, identity",
  simulator: "simulated tokens: list, create, reset, serve, …",
  audit: "ceremony records: show, verify, export, close",
  trace: "recordings: show, redact, convert, diff, replay",
  doctor: "find out why a reader or token does not work",
  completion: "the tab key of bash, zsh or fish",
};

const { pin, soPin, newPin, newSoPin } = secretOptions;
const traceFrom: OptionSpec = {
  name: "from",
  value: "FORMAT",
  describe: "hsmadm, apdu4j, ledger, cardpeek, opensc or json; else recognised",
};
const traceOut: OptionSpec = { name: "out", value: "FILE", describe: "where to write; else standard output" };
const all: OptionSpec = { name: "all", describe: "every token in a reader; several by name: --device A,B" };

/** Every command, once. */
export const commands: readonly CommandSpec[] = [
  {
    words: ["device", "list"],
    summary: "readers and the tokens in them",
    options: [all],
    manyDevices: true,
    load: () => import("./commands/device-list.ts"),
  },
  {
    words: ["device", "status"],
    summary: "state, tries left, DKEK; spends no try",
    options: [all],
    manyDevices: true,
    load: () => import("./commands/device-status.ts"),
  },
  {
    words: ["device", "info"],
    summary: "version, options, certificate chain",
    load: () => import("./commands/device-info.ts"),
  },
  {
    words: ["device", "watch"],
    summary: "what goes into readers and out, as it happens",
    manyLines: true,
    load: () => import("./commands/device-watch.ts"),
  },
  {
    words: ["device", "verify"],
    summary: "is it genuine: certificates, proof of its key, key known before",
    options: [
      { name: "root", value: "FILE", describe: "the root certificate it must chain to, in place of those known" },
      { name: "accept-new-key", describe: "take the device key it has now for the one of its serial" },
      { name: "ignore-dates", describe: "certificates count when they have expired" },
    ],
    load: () => import("./identity/device-verify.ts"),
  },
  {
    words: ["device", "init"],
    summary: "initialise: erases every key, sets PINs and DKEK",
    options: [
      { name: "label", value: "NAME", describe: "name of the token" },
      soPin,
      pin,
      { name: "retries", value: "N", describe: "tries of the user PIN, 1-10 (3)" },
      {
        name: "dkek-shares",
        value: "N|random|none",
        describe: "how keys may leave: N shares, a key made inside, or never",
      },
      { name: "key-domains", value: "N", describe: "N key domains in place of one DKEK" },
      { name: "transport-pin", describe: "the user PIN must be changed before first use" },
      { name: "no-pin-reset", describe: "the SO-PIN cannot unblock the user PIN" },
      { name: "pin-reset-only-counter", describe: "the SO-PIN unblocks the user PIN but sets no new one" },
      { name: "pka", value: "N-of-M", describe: "log in with N of M public keys" },
      ackVault,
    ],
    load: () => import("./commands/device-init.ts"),
  },
  {
    words: ["device", "label"],
    summary: "rename the token",
    positional: { name: "NAME", describe: "the new label", required: true },
    options: [pin],
    load: () => import("./commands/device-label.ts"),
  },
  {
    words: ["pin", "status"],
    summary: "tries left on user PIN and SO-PIN; spends no try",
    load: () => import("./commands/pin-status.ts"),
  },
  {
    words: ["pin", "verify"],
    summary: "check the user PIN; a wrong one costs a try",
    options: [pin],
    load: () => import("./commands/pin-verify.ts"),
  },
  {
    words: ["pin", "change"],
    summary: "set a new user PIN; also ends the transport PIN",
    options: [pin, newPin],
    load: () => import("./commands/pin-change.ts"),
  },
  {
    words: ["pin", "unblock"],
    summary: "unblock the user PIN with the SO-PIN",
    options: [soPin, newPin],
    load: () => import("./commands/pin-unblock.ts"),
  },
  {
    words: ["so-pin", "change"],
    summary: "set a new SO-PIN",
    options: [soPin, newSoPin],
    load: () => import("./commands/so-pin-change.ts"),
  },
  {
    words: ["so-pin", "explain"],
    summary: "the eight bytes a spelling gives; never sends anything",
    positional: { name: "TEXT", describe: "the SO-PIN as it was written down", required: false, secret: true },
    options: [soPin],
    load: () => import("./commands/so-pin-explain.ts"),
  },
  ...keyCommands,
  ...certificateCommands,
  ...attestationCommands,
  ...jwtCommands,
  {
    words: ["guard"],
    summary: nouns["guard"] ?? "",
    options: [
      { name: "user-pin-tries", value: "N", describe: "tries the user PIN must have left (2)" },
      { name: "so-pin-tries", value: "N", describe: "tries the SO-PIN must have left (4)" },
      { name: "refused-exit", value: "N", describe: "exit code of a refusal (5)" },
      all,
    ],
    manyDevices: true,
    takesCommand: true,
    load: () => import("./commands/guard.ts"),
  },
  ...shareCommands,
  ...backupCommands,
  ...pkaCommands,
  ...vaultCommands,
  ...ageCommands,
  ...fidoCommands,
  {
    words: ["simulator", "serve"],
    summary: "connect simulated tokens to vpcd readers of pcscd",
    positional: { name: "TOKENS", describe: "sim:NAME sim-fido:NAME …, as with --device", required: false, many: true },
    options: [
      { name: "port", value: "N", describe: "port of vpcd for the first token (35963)" },
      {
        name: "profile",
        value: "genuine|pico|standard|applet|pico-fido-VERSION",
        describe: "behaviour of HSMs, or of authenticators (VERSION 5.12, 6.6, 7.6 or 8.0), that spring up",
      },
    ],
    manyDevices: true,
    load: () => import("./commands/simulator-serve.ts"),
  },
  {
    words: ["simulator", "list"],
    summary: "simulated tokens on this machine",
    load: () => import("./commands/simulator-list.ts"),
  },
  {
    words: ["simulator", "create"],
    summary: "make a simulated token as from the factory",
    positional: { name: "NAME", describe: "sim:NAME, sim-fido:NAME or NAME", required: false },
    options: [
      {
        name: "profile",
        value: "genuine|pico|standard|applet|pico-fido-VERSION",
        describe: "like which HSM (genuine) or authenticator (standard; VERSION 5.12, 6.6, 7.6 or 8.0)",
      },
    ],
    load: () => import("./commands/simulator-create.ts"),
  },
  {
    words: ["simulator", "reset"],
    summary: "back to the factory state; its keys are gone",
    positional: { name: "NAME", describe: "sim:NAME, sim-fido:NAME or NAME", required: false },
    options: [ackVault],
    load: () => import("./commands/simulator-reset.ts"),
  },
  {
    words: ["simulator", "remove"],
    summary: "delete a simulated token and its keys",
    positional: { name: "NAME", describe: "sim:NAME, sim-fido:NAME or NAME", required: false },
    options: [ackVault],
    load: () => import("./commands/simulator-remove.ts"),
  },
  ...auditCommands,
  {
    words: ["trace", "show"],
    summary: "each exchange of a recording in words",
    positional: { name: "FILE", describe: "a trace of any format", required: true },
    options: [traceFrom, { name: "hex", describe: "the bytes as well, nothing cut" }],
    load: () => import("./commands/trace-show.ts"),
  },
  {
    words: ["trace", "redact"],
    summary: "mask what is secret, so that a trace can be published",
    positional: { name: "FILE", describe: "a trace of any format", required: true },
    options: [traceFrom, traceOut],
    load: () => import("./commands/trace-redact.ts"),
  },
  {
    words: ["trace", "convert"],
    summary: "another program's recording in hsmadm's format, redacted",
    positional: { name: "FILE", describe: "a log of another program", required: true },
    options: [traceFrom, traceOut],
    load: () => import("./commands/trace-convert.ts"),
  },
  {
    words: ["trace", "diff"],
    summary: "two recordings of one story beside each other; exit 9 when they differ",
    positional: { name: "FILE", describe: "two traces of any format", required: true, many: true },
    options: [traceFrom],
    load: () => import("./commands/trace-diff.ts"),
  },
  {
    words: ["trace", "replay"],
    summary: "hold recordings against this version of hsmadm; exit 9 when one fails",
    positional: { name: "FILE", describe: "traces of any format", required: true, many: true },
    options: [traceFrom],
    load: () => import("./commands/trace-replay.ts"),
  },
  {
    words: ["doctor"],
    summary: nouns["doctor"] ?? "",
    load: () => import("./commands/doctor.ts"),
  },
  {
    words: ["completion"],
    summary: nouns["completion"] ?? "",
    positional: { name: "SHELL", describe: "bash, zsh or fish", required: true },
    load: () => import("./commands/completion.ts"),
  },
];
