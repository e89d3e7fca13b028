import type { CommandSpec } from "../command-spec.ts";
import { ackVault, type OptionSpec, secretOptions } from "../options.ts";

const file = { name: "FILE", describe: "the vault", required: true } as const;
const named = { ...file, second: { name: "NAME", describe: "name of the secret" } } as const;
const numbered = { ...file, second: { name: "ID", describe: "number of the slot, see `vault status`" } } as const;

/** What may open a vault besides the devices, and how sure one wants to be that it is the right one. */
const opening: readonly OptionSpec[] = [
  {
    ...secretOptions.pin,
    describe: "where the user PIN of the card comes from; once for all or once for each card",
    many: true,
  },
  { name: "fido-pin", value: "SOURCE", describe: "where the PIN of the FIDO2 device comes from", many: true },
  { name: "passphrase", value: "SOURCE", describe: "where the passphrase comes from" },
  { name: "recovery", value: "SOURCE", describe: "where the recovery key comes from: file:recovery.txt" },
  { name: "expect-id", value: "ID", describe: "the vault's id, as it was printed when it was made" },
  { name: "allow-rollback", describe: "also a file older than the one last seen: a backup" },
];
const writing: readonly OptionSpec[] = [
  ...opening,
  { name: "no-backup", describe: "keep no copy of the file as it was (FILE.bak)" },
  { name: "anchor", describe: "let the card that opens it keep id and generation from now on" },
];
const enrolling: readonly OptionSpec[] = [
  { name: "label", value: "NAME", describe: "name of the new slot", many: true },
  { name: "anonymous", describe: "no serial, label or key reference in the file" },
  {
    name: "fido-uv",
    value: "required|none",
    describe: "whether the FIDO2 device wants its PIN (if it has one: required)",
  },
  { name: "new-passphrase", value: "SOURCE", describe: "where the passphrase of the new slot comes from" },
  { name: "recovery-out", value: "FILE", describe: "where the recovery key goes, mode 0600; else it is shown once" },
];
const rawForm: OptionSpec = { name: "raw", describe: "the bytes as they are" };
const forms: readonly OptionSpec[] = [
  rawForm,
  { name: "hex", describe: "as hex digits" },
  { name: "base64", describe: "as base64" },
];
const secretOut: OptionSpec = {
  name: "out",
  value: "FILE",
  describe: "where to write, mode 0600; else standard output",
};

const kinds = "card:KEY, fido, passphrase or recovery; card:KEY@DEVICE says which";
const kindOrSeveral = `${kinds}; all-of:KIND,KIND or threshold:K:KIND,KIND,KIND`;
const slotKind = { ...file, second: { name: "KIND", describe: kindOrSeveral } } as const;

/** The `vault` commands, a part of the command table. */
export const vaultCommands: readonly CommandSpec[] = [
  {
    words: ["vault", "create"],
    summary: "make a vault that each of its slots opens",
    positional: { ...file, describe: "the vault to make" },
    options: [
      { name: "slot", value: "KIND", describe: kinds, many: true },
      { name: "all-of", value: "KIND,KIND", describe: "a slot that takes all of them", many: true },
      { name: "threshold", value: "K:KIND,KIND,KIND", describe: "a slot that takes any K of them", many: true },
      { name: "no-recovery", describe: "no recovery key: who loses the devices loses the vault" },
      ...enrolling,
      ...writing.filter(
        ({ name }) => !["expect-id", "allow-rollback", "recovery", "no-backup", "anchor"].includes(name),
      ),
    ],
    manyDevices: true,
    load: () => import("../commands/vault-create.ts"),
  },
  {
    words: ["vault", "status"],
    summary: "slots and what opens it; touches no device",
    positional: file,
    options: [{ name: "probe", describe: "look which of them are here; spends no try, wants no touch" }],
    manyDevices: true,
    load: () => import("../commands/vault-status.ts"),
  },
  {
    words: ["vault", "open"],
    summary: "check that it opens; shows nothing of it",
    positional: file,
    options: [{ name: "check", describe: "what it does anyway" }, ...opening],
    manyDevices: true,
    load: () => import("../commands/vault-open.ts"),
  },
  {
    words: ["vault", "slot", "add"],
    summary: "one more way to open it",
    positional: slotKind,
    options: [...enrolling, ...writing],
    manyDevices: true,
    load: () => import("../commands/vault-slot-add.ts"),
  },
  {
    words: ["vault", "slot", "remove"],
    summary: "one way to open it less",
    positional: numbered,
    options: [
      { name: "yes-lock-me-out", describe: "also the last slot but one with a recovery key, or the last of its kind" },
      { name: "wipe", describe: "destroy its key on the card too; the card has to be named" },
      ackVault,
      ...writing,
    ],
    manyDevices: true,
    load: () => import("../commands/vault-slot-remove.ts"),
  },
  {
    words: ["vault", "slot", "rotate"],
    summary: "a new key, credential or phrase for a slot",
    positional: numbered,
    options: [{ name: "slot", value: "KIND", describe: `${kinds}; else of the kind it was` }, ...enrolling, ...writing],
    manyDevices: true,
    load: () => import("../commands/vault-slot-rotate.ts"),
  },
  {
    words: ["vault", "slot", "test"],
    summary: "open each slot whose device is here",
    positional: file,
    options: [{ name: "slot", value: "ID", describe: "this slot only", many: true }, ...opening],
    manyDevices: true,
    load: () => import("../commands/vault-slot-test.ts"),
  },
  {
    words: ["vault", "rekey"],
    summary: "a new root for every derived key",
    positional: file,
    options: [{ name: "drop-retired", describe: "forget the roots of before" }, ...writing],
    manyDevices: true,
    load: () => import("../commands/vault-rekey.ts"),
  },
  {
    words: ["vault", "set"],
    summary: "keep what standard input gives under a name",
    positional: named,
    options: [
      { name: "in", value: "FILE", describe: "what to keep; else standard input" },
      { name: "note", value: "TEXT", describe: "a remark beside it" },
      ...writing,
    ],
    manyDevices: true,
    load: () => import("../commands/vault-set.ts"),
  },
  {
    words: ["vault", "get"],
    summary: "a secret, on standard output",
    positional: named,
    options: [...forms, { name: "text", describe: "as a line of text" }, secretOut, ...opening],
    manyDevices: true,
    load: () => import("../commands/vault-get.ts"),
  },
  {
    words: ["vault", "list"],
    summary: "the names of its secrets",
    positional: file,
    options: opening,
    manyDevices: true,
    load: () => import("../commands/vault-list.ts"),
  },
  {
    words: ["vault", "rm"],
    summary: "forget a secret",
    positional: named,
    options: writing,
    manyDevices: true,
    load: () => import("../commands/vault-rm.ts"),
  },
  {
    words: ["vault", "derive"],
    summary: "32 bytes for a purpose, nothing is stored",
    positional: {
      ...file,
      second: { name: "PURPOSE", describe: "zfs, luks, borg, raw …" },
      third: { name: "CONTEXT", describe: "which one: dataset, UUID, repository" },
    },
    options: [...forms, secretOut, ...opening],
    manyDevices: true,
    load: () => import("../commands/vault-derive.ts"),
  },
  {
    words: ["vault", "seal"],
    summary: "encrypt standard input to the vault",
    positional: file,
    options: [
      { name: "in", value: "FILE", describe: "what to seal; else standard input" },
      { ...secretOut, describe: "where to write; else standard output" },
      { name: "to", value: "RECIPIENT", describe: "age1… as `vault open` prints it: seals without opening the vault" },
      ...opening,
    ],
    manyDevices: true,
    load: () => import("../commands/vault-seal.ts"),
  },
  {
    words: ["vault", "unseal"],
    summary: "decrypt what was sealed to the vault",
    positional: file,
    options: [{ name: "in", value: "FILE", describe: "what was sealed; else standard input" }, secretOut, ...opening],
    manyDevices: true,
    load: () => import("../commands/vault-unseal.ts"),
  },
  {
    words: ["vault", "guard"],
    summary: "vaults that only the token at hand opens",
    manyDevices: true,
    load: () => import("../commands/vault-guard.ts"),
  },
];
