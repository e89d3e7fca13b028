import type { CommandSpec } from "../command-spec.ts";
import { ackVault, type OptionSpec, secretOptions } from "../options.ts";

const { pin } = secretOptions;
const file = { name: "FILE", describe: "a backup of hsmadm", required: true } as const;
const replace: OptionSpec = { name: "replace", describe: "delete other keys that are in the way" };

/** The `backup` commands, a part of the command table. */
export const backupCommands: readonly CommandSpec[] = [
  {
    words: ["backup", "create"],
    summary: "every key that may leave, wrapped, in one file",
    positional: { ...file, describe: "where to write" },
    options: [pin],
    load: () => import("../commands/backup-create.ts"),
  },
  {
    words: ["backup", "verify"],
    summary: "prove a backup with the DKEK shares; no reader needed",
    positional: file,
    options: [
      { name: "share", value: "FILE", describe: "a DKEK share; all of them are needed", many: true },
      {
        name: "share-password",
        value: "SOURCE",
        describe: "password of the shares, one for all or one each",
        many: true,
      },
      {
        name: "share-parts",
        value: "prompt|file:PATH",
        describe: "the custodians' parts of a split password",
        many: true,
      },
    ],
    load: () => import("../commands/backup-verify.ts"),
  },
  {
    words: ["backup", "list"],
    summary: "what is in a backup",
    positional: file,
    load: () => import("../commands/backup-list.ts"),
  },
  {
    words: ["backup", "restore"],
    summary: "put the keys of a backup on a token; run it again to go on",
    positional: file,
    options: [pin, replace, ackVault],
    load: () => import("../commands/backup-restore.ts"),
  },
  {
    words: ["backup", "clone"],
    summary: "copy the keys of one token to another of the same DKEK",
    positional: {
      name: "FROM",
      describe: "the token with the keys, as for --device",
      required: true,
      second: { name: "TO", describe: "the token that gets them" },
    },
    options: [
      { ...pin, describe: "where the user PIN of both tokens comes from" },
      { name: "to-pin", value: "SOURCE", describe: "where the user PIN of TO comes from, if it is another" },
      replace,
      ackVault,
    ],
    load: () => import("../commands/backup-clone.ts"),
  },
];
