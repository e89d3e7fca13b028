import type { CommandSpec } from "../command-spec.ts";
import { type OptionSpec, secretOptions } from "../options.ts";
import { hostKeyOptions } from "./host-key-options.ts";

const keyChange: OptionSpec = {
  name: "accept-key-change",
  describe: "also on firmware 6, where the lock changes the key in effect",
};
const wordsOut: OptionSpec = {
  name: "words-out",
  value: "FILE",
  describe: "where the 24 words of the host key go, mode 0600; else they are shown once",
};
const showWords: OptionSpec = { name: "show-words", describe: "show the 24 words of the host key" };
const file = { name: "FILE", describe: "the backup", required: true } as const;

/** Lock and backup of a Pico FIDO, a part of the command table. */
export const picoFidoCommands: readonly CommandSpec[] = [
  {
    words: ["fido", "secure", "status"],
    summary: "the lock of a Pico FIDO; no PIN. A fitting key of this computer unlocks it (--dry-run: does not)",
    load: () => import("./secure-status.ts"),
  },
  {
    words: ["fido", "secure", "enable"],
    summary: "tie a Pico FIDO to this computer, so that it can be backed up",
    options: [secretOptions.fidoPin, wordsOut, keyChange],
    load: () => import("./secure-enable.ts"),
  },
  {
    words: ["fido", "secure", "unlock"],
    summary: "unlock a Pico FIDO until it is unplugged",
    options: hostKeyOptions,
    load: () => import("./secure-unlock.ts"),
  },
  {
    words: ["fido", "secure", "disable"],
    summary: "take the lock away, the safe way",
    options: [secretOptions.fidoPin, keyChange],
    load: () => import("./secure-disable.ts"),
  },
  {
    words: ["fido", "backup", "save"],
    summary: "write the device key of an unlocked Pico FIDO, encrypted",
    positional: { ...file, describe: "the backup to write" },
    options: [showWords, wordsOut],
    load: () => import("./pico-backup-save.ts"),
  },
  {
    words: ["fido", "backup", "verify"],
    summary: "prove a backup without any token",
    positional: file,
    options: [...hostKeyOptions, showWords, wordsOut],
    load: () => import("./pico-backup-verify.ts"),
  },
  {
    words: ["fido", "backup", "load"],
    summary: "load a backup into another Pico FIDO, whose own credentials are lost",
    positional: file,
    options: [...hostKeyOptions, keyChange],
    load: () => import("./pico-backup-load.ts"),
  },
];
