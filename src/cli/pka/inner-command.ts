import type { CommandSpec } from "../command-spec.ts";
import { type CommandContext, readGlobals } from "../context.ts";
import type { OpenDevice } from "../devices/device-session.ts";
import { usage } from "../failure.ts";
import { Output } from "../output.ts";
import { recordedRun } from "../recorded-run.ts";

/** A command line of hsmadm that is to run on a connection which is open already. */
export interface InnerCommand {
  /** `key sign`. */
  readonly name: string;
  readonly run: (device: OpenDevice) => Promise<InnerOutcome>;
}

export interface InnerOutcome {
  readonly exitCode: number;
  /** What `--json` would have printed; `null` where it was printed as text. */
  readonly document: unknown;
}

/** These select the applet anew, present a PIN or open devices themselves, which would end the login. */
const endLogin: readonly string[] = [
  "device init",
  "device verify",
  "device watch",
  "device list",
  "pin verify",
  "pin change",
  "pin unblock",
  "so-pin change",
  "pka login",
  "pka run",
  "pka register",
  "session run",
  "guard",
  "doctor",
  "completion",
  "simulator serve",
];

/**
 * Reads the words of a command line, `hsmadm` in front or not, without running it.
 * @throws HsmError of kind `usage`: unknown commands and options, and commands that would end the login
 */
export async function innerCommand(context: CommandContext, words: readonly string[]): Promise<InnerCommand> {
  const { parseCommandLine } = await import("../parser.ts");
  const line = await parseCommandLine(words[0] === "hsmadm" ? words.slice(1) : words);
  if (line.kind !== "command") throw usage("SESSION_COMMAND", "only commands of hsmadm run in a session");
  const { spec, args } = line;
  const name = spec.words.join(" ");
  if (endLogin.includes(name)) {
    throw usage("SESSION_COMMAND", `\`${name}\` would end the login, so it cannot run in this session`);
  }
  for (const option of ["device", "all", "trace", "json", "require-genuine", "ceremony", "officer"]) {
    if (args.texts(option).length > 0 && args.texts(option)[0] !== "false") {
      throw usage(
        "SESSION_OPTION",
        `--${option} belongs before the command that opens the session, not to \`${name}\``,
      );
    }
  }
  const own = readGlobals(args, {}, false);
  const { globals } = context;
  const merged = {
    ...globals,
    yes: globals.yes || own.yes,
    dryRun: globals.dryRun || own.dryRun,
    quiet: globals.quiet || own.quiet,
    noInput: globals.noInput || own.noInput,
  };
  return {
    name,
    run: (device) => runInner(spec, name, { ...context, args, globals: merged, handed: device }),
  };
}

async function runInner(spec: CommandSpec, name: string, context: CommandContext): Promise<InnerOutcome> {
  const { globals, io } = context;
  let printed = "";
  const sink = { write: (text: string | Uint8Array) => (printed += typeof text === "string" ? text : "") };
  const inner = globals.json ? { ...io, stdout: sink } : io;
  const output = new Output(inner, { json: globals.json, quiet: globals.quiet });
  const { run } = await spec.load();
  const ceremony = context.ceremony?.within(spec, context.args);
  try {
    const exitCode = await recordedRun(ceremony, output, () => run({ ...context, io: inner, output, ceremony }));
    output.flush(name, exitCode);
    return { exitCode, document: printed === "" ? null : (JSON.parse(printed) as unknown) };
  } catch (error) {
    if (!globals.json) output.flush(name, 1);
    throw error;
  }
}
