import type { CommandSpec } from "../command-spec.ts";
import { type OptionSpec, secretOptions } from "../options.ts";

const { pin } = secretOptions;
const file = { name: "FILE", describe: "a DKEK share file, as of sc-hsm-tool", required: true } as const;
const files = { ...file, describe: "DKEK share files", many: true } as const;
const password: OptionSpec = {
  name: "password",
  value: "SOURCE",
  describe: "where the password of the share comes from",
  many: true,
};
const newPassword: OptionSpec = {
  name: "new-password",
  value: "SOURCE",
  describe: "where the new password of the share comes from",
};
const parts: OptionSpec = {
  name: "share-parts",
  value: "prompt|file:PATH",
  describe: "the custodians' parts of a split password",
  many: true,
};
const split: OptionSpec = { name: "split", value: "N-of-M", describe: "a password in M parts, of which N are needed" };
const cards: OptionSpec = {
  name: "cards",
  value: "FOLDER",
  describe: "the custodians' cards as files; else on the terminal, to be read back",
};
const kcv: OptionSpec = { name: "expect-kcv", value: "HEX", describe: "the KCV that the DKEK must have" };
const domain = { name: "N", describe: "number of the key domain", required: true } as const;

/** The `share` and `domain` commands, a part of the command table. */
export const shareCommands: readonly CommandSpec[] = [
  {
    words: ["share", "create"],
    summary: "make a DKEK share in an encrypted file",
    positional: file,
    options: [{ ...password, many: false }, split, cards],
    load: () => import("../commands/share-create.ts"),
  },
  {
    words: ["share", "import"],
    summary: "give DKEK shares to the token, compare the KCV",
    positional: files,
    options: [
      password,
      parts,
      kcv,
      { name: "domain", value: "N", describe: "key domain that waits for the shares (0)" },
      pin,
    ],
    load: () => import("../commands/share-import.ts"),
  },
  {
    words: ["share", "inspect"],
    summary: "what a share file tells without its password",
    positional: file,
    load: () => import("../commands/share-inspect.ts"),
  },
  {
    words: ["share", "check"],
    summary: "whether password or custodians open the file; no token needed",
    positional: files,
    options: [password, parts, kcv],
    load: () => import("../commands/share-check.ts"),
  },
  {
    words: ["share", "rotate"],
    summary: "new password or new custodians; the share stays the same",
    positional: file,
    options: [
      { ...password, many: false },
      parts,
      newPassword,
      split,
      cards,
      { name: "out", value: "FILE", describe: "another file; else FILE is replaced, with --yes" },
    ],
    load: () => import("../commands/share-rotate.ts"),
  },
  {
    words: ["domain", "list"],
    summary: "key domains: state, shares, KCV",
    options: [pin],
    load: () => import("../commands/domain-list.ts"),
  },
  {
    words: ["domain", "create"],
    summary: "create a key domain: the one named, else the first free one",
    positional: { ...domain, required: false },
    options: [{ name: "dkek-shares", value: "N|random", describe: "how many shares its key has (1)" }, pin],
    load: () => import("../commands/domain-create.ts"),
  },
  {
    words: ["domain", "delete"],
    summary: "delete a key domain that holds no keys",
    positional: domain,
    options: [pin],
    load: () => import("../commands/domain-delete.ts"),
  },
  {
    words: ["domain", "clear"],
    summary: "delete the key of a key domain; the keys in it stay",
    positional: domain,
    options: [pin],
    load: () => import("../commands/domain-clear.ts"),
  },
];
