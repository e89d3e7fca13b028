import { exitCodes } from "../../errors.ts";
import { asHsmError, reportFailure } from "../failure.ts";
import type { CliIo, CliSignal } from "../io.ts";
import { AgeTalk } from "./age-talk.ts";
import { pluginContext } from "./plugin-context.ts";

/** What age talks to. */
export interface PluginProcess {
  /** Without the program's name. */
  readonly argv: readonly string[];
  readonly io: CliIo;
  readonly input: AsyncIterable<Uint8Array>;
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/** @returns the exit code. What went wrong with a key is told to age, and ends with 0: the talk itself went well. */
export async function runPlugin({ argv, io, input, write }: PluginProcess): Promise<number> {
  const [machine, ...more] = argv;
  const phase = more.length === 0 ? /^--age-plugin=(.*)$/.exec(machine ?? "")?.[1] : undefined;
  if (phase !== "identity-v1" && phase !== "recipient-v1") return answerPerson(argv, phase, io);
  const stop = new AbortController();
  const names: readonly CliSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  const offs = names.map((name) => io.onSignal(name, () => stop.abort()));
  const talk = new AgeTalk(input, write);
  try {
    const context = pluginContext(io, talk, stop.signal);
    if (phase === "identity-v1") await (await import("./identity-v1.ts")).answerIdentities(context, talk);
    else await (await import("./recipient-v1.ts")).answerRecipients(context, talk);
    await talk.done();
    return 0;
  } catch (error) {
    const known = asHsmError(error);
    if (known.kind !== "interrupted" && known.code !== "AGE_PLUGIN_PROTOCOL") {
      await talk.fault(known);
      return 0;
    }
    // Seen with AGEDEBUG=plugin only: age shows nothing of a plugin's standard error.
    reportFailure(io, { error: known, exitCode: known.exitCode }, false);
    return known.exitCode;
  } finally {
    for (const off of offs) off();
  }
}

/** Somebody started it by hand, or an age that speaks a later version of the protocol. */
function answerPerson(argv: readonly string[], phase: string | undefined, io: CliIo): number {
  const [only] = argv;
  if (argv.length === 1 && (only === "--version" || only === "-V")) {
    io.stdout.write(`${io.version()}\n`);
    return 0;
  }
  const asked = argv.length === 1 && (only === "--help" || only === "-h");
  if (phase !== undefined)
    io.stderr.write(`age-plugin-hsmadm: \`${phase}\` of the plugin protocol is not known here\n`);
  (asked ? io.stdout : io.stderr).write(help);
  return asked ? 0 : exitCodes.usage;
}

const help = `age-plugin-hsmadm is started by age and rage; it decrypts with keys on smart-card HSMs and FIDO2 tokens.

  hsmadm age recipients          what to encrypt to: age -R FILE, or age -r age1tag1…
  hsmadm age identity            what to decrypt with: age -d -i FILE
  age -d -j hsmadm FILE          with any device, also a vault of hsmadm

Environment: HSMADM_DEVICE, HSMADM_PASSPHRASE_HELPER, HSMADM_PIN and HSMADM_FIDO_PIN (a SOURCE such as file:PATH).
Called as age-plugin-tag it encrypts to age1tag1… recipients for an age older than 1.3.
`;
