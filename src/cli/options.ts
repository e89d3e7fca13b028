/** One option of the command line, as the parser, the help and later completion and manual page want it. */
export interface OptionSpec {
  readonly name: string;
  /** Name of the value in the help, `SOURCE`; absent: a flag. */
  readonly value?: string;
  readonly describe: string;
  /** May be given several times. */
  readonly many?: boolean;
}

/** Understood by every command, before or after its words. */
export const globalOptions: readonly OptionSpec[] = [
  {
    name: "device",
    value: "DEVICE",
    describe:
      "SERIAL, LABEL, reader, pcsc:…, sim:NAME, sim-fido:NAME, fido:…, trace:FILE, auto, none; else $HSMADM_DEVICE, the only one",
    many: true,
  },
  { name: "json", describe: "one JSON document on standard output" },
  { name: "trace", value: "FILE", describe: "record the exchanges with the card, secrets masked" },
  { name: "no-input", describe: "never ask" },
  { name: "yes", describe: "no questions; to destroy, an exact --device too" },
  { name: "dry-run", describe: "say what would be done, change nothing" },
  { name: "timeout", value: "S", describe: "seconds a card may take to answer (30)" },
  { name: "quiet", describe: "results, warnings and errors only" },
  { name: "driver", value: "NAME", describe: "PC/SC binding: pcsclite or pcsc-mini" },
  { name: "min-tries", value: "N", describe: "user PIN tries that must remain after a failure (1)" },
  { name: "min-so-tries", value: "N", describe: "SO-PIN tries that must remain after a failure (3)" },
  { name: "require-genuine", describe: "no PIN to a token that has not proved to be genuine" },
  { name: "ceremony", value: "FILE", describe: "write what was done into this hash-chained record" },
  { name: "officer", value: "NAME", describe: "who does it, for the record" },
  { name: "no-ledger", describe: "no memory of refused PINs and imported shares" },
];

const source = (name: string, what: string): OptionSpec => ({
  name,
  value: "SOURCE",
  describe: `where ${what} comes from`,
});

/** Of commands that erase: a vault that nothing else opens has to be named. */
export const ackVault: OptionSpec = {
  name: "ack-vault",
  value: "ID",
  describe: "lose what is in this vault, which nothing else opens",
  many: true,
};

export const secretOptions = {
  pin: source("pin", "the user PIN"),
  soPin: source("so-pin", "the SO-PIN (16 hex digits)"),
  newPin: source("new-pin", "the new user PIN"),
  newSoPin: source("new-so-pin", "the new SO-PIN (16 hex digits)"),
  password: source("password", "the password of the file"),
  fidoPin: source("fido-pin", "the PIN of the FIDO2 authenticator"),
} as const;
