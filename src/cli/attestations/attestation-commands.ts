import type { CommandSpec } from "../command-spec.ts";

/** The `attest` commands, a part of the command table. */
export const attestationCommands: readonly CommandSpec[] = [
  {
    words: ["attest", "key"],
    summary: "the proof that a key was made on this token, as a file",
    positional: {
      name: "KEY",
      describe: "label, id in hex or key reference; label:…, id:…, ref:… say which",
      required: true,
    },
    options: [{ name: "out", value: "FILE", describe: "where to write; else standard output" }],
    load: () => import("./attest-key.ts"),
  },
  {
    words: ["attest", "verify"],
    summary: "check such a proof, without a token; exit 9 on any doubt",
    positional: { name: "FILE", describe: "what `attest key` wrote; - is standard input", required: true },
    options: [
      { name: "root", value: "FILE", describe: "the root certificate it must end in, in place of those known" },
      { name: "public-key", value: "FILE", describe: "the key it must be about: PEM, DER, JWK or X.509" },
      { name: "at", value: "DAY", describe: "YYYY-MM-DD on which the certificates must hold; else today" },
      { name: "pem", describe: "print the attested public key" },
    ],
    load: () => import("./attest-verify.ts"),
  },
];
