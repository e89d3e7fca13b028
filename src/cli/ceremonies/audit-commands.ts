import type { CommandSpec } from "../command-spec.ts";
import { secretOptions } from "../options.ts";

const record = { name: "FILE", describe: "a ceremony record, as --ceremony writes it", required: true } as const;

/** The `audit` commands, a part of the command table. */
export const auditCommands: readonly CommandSpec[] = [
  {
    words: ["audit", "show"],
    summary: "what a ceremony record says, entry by entry",
    positional: record,
    load: () => import("./audit-show.ts"),
  },
  {
    words: ["audit", "verify"],
    summary: "hold a ceremony record against its hashes and its signature; exit 9 when it does not hold",
    positional: record,
    options: [
      { name: "closed", describe: "an open record does not pass" },
      { name: "signer", value: "FILE", describe: "public key that must have closed it: PEM, DER, JWK or certificate" },
      { name: "head", value: "HASH", describe: "a head that was written down: it must be in the record" },
    ],
    load: () => import("./audit-verify.ts"),
  },
  {
    words: ["audit", "export"],
    summary: "a page to print and sign by hand",
    positional: record,
    options: [
      { name: "html", describe: "as HTML, in one file (what it does anyway)" },
      { name: "out", value: "FILE", describe: "where to write; else standard output" },
    ],
    load: () => import("./audit-export.ts"),
  },
  {
    words: ["audit", "close"],
    summary: "sign the record with a key on a token; nothing can be added afterwards",
    positional: record,
    options: [{ name: "key", value: "KEY", describe: "label, id in hex or key reference" }, secretOptions.pin],
    load: () => import("./audit-close.ts"),
  },
];
