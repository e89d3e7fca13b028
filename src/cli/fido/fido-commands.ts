import type { CommandSpec } from "../command-spec.ts";
import { type OptionSpec, secretOptions } from "../options.ts";
import { picoFidoCommands } from "./pico-commands.ts";

const newPin: OptionSpec = { ...secretOptions.newPin, describe: "where the new PIN comes from" };

/** The `fido` commands, a part of the command table. They touch nothing but what `--device` names. */
export const fidoCommands: readonly CommandSpec[] = [
  {
    words: ["fido", "list"],
    summary: "authenticators by HID and in readers: --device auto",
    manyDevices: true,
    load: () => import("../commands/fido-list.ts"),
  },
  {
    words: ["fido", "info"],
    summary: "what an authenticator is and can do; no touch, no try",
    load: () => import("../commands/fido-info.ts"),
  },
  {
    words: ["fido", "pin", "retries"],
    summary: "tries left on PIN and finger; spends none",
    load: () => import("../commands/fido-pin-retries.ts"),
  },
  {
    words: ["fido", "pin", "set"],
    summary: "set the first PIN",
    options: [newPin],
    load: () => import("../commands/fido-pin-set.ts"),
  },
  {
    words: ["fido", "pin", "change"],
    summary: "set a new PIN with the current one",
    options: [secretOptions.fidoPin, newPin],
    load: () => import("../commands/fido-pin-change.ts"),
  },
  ...picoFidoCommands,
];
