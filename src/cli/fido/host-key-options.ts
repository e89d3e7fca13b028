import type { OptionSpec } from "../options.ts";

/** A host key from elsewhere than the records of this computer. */
export const hostKeyOptions: readonly OptionSpec[] = [
  { name: "words", value: "SOURCE", describe: "where the 24 words of the host key come from" },
  { name: "word-list", value: "FILE", describe: "the words are the older tool's: its list of 2048" },
  {
    name: "host-key",
    value: "SOURCE",
    describe: "where the older tool's host key comes from (PEM, as in its keyring)",
  },
];
