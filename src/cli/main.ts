import type { PluginProcess } from "./age/plugin.ts";
import type { CeremonyRecording } from "./ceremonies/ceremony-recording.ts";
import { readGlobals } from "./context.ts";
import { failureOf, reportFailure } from "./failure.ts";
import type { CliIo } from "./io.ts";
import { Output } from "./output.ts";
import type { CommandLine } from "./parser.ts";
import { pathsFor } from "./paths.ts";
import { recordedRun } from "./recorded-run.ts";

export { processIo } from "./process-io.ts";

type ParsedCommand = Extract<CommandLine, { kind: "command" }>;

/**
 * Runs one command line.
 * @returns the exit code, see docs/exit-codes.md
 */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  const [only] = argv;
  if (argv.length === 1 && (only === "--version" || only === "-V")) return print(io, `${io.version()}\n`);
  if (argv.length === 0) return print(io, await renderHelp(helpWidth(io)));
  if (only === "__complete") {
    const { answerCompletion } = await import("./completion/completion-request.ts");
    return print(io, answerCompletion(argv.slice(1), io));
  }
  // What goes wrong before the options are understood is told as JSON where `--json` stands among them.
  const beforeCommand = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  let json = beforeCommand.includes("--json");
  let command: string | undefined;
  let manyLines = false;
  const stop = new AbortController();
  const signals = stopOnSignals(io, stop);
  try {
    const { parseCommandLine } = await import("./parser.ts");
    const line = await parseCommandLine(argv, helpWidth(io));
    if (line.kind === "help") return print(io, line.text);
    if (line.kind === "version") return print(io, `${io.version()}\n`);
    const { spec, args } = line;
    command = spec.words.join(" ");
    manyLines = spec.manyLines === true;
    json = args.flag("json");
    const globals = readGlobals(args, io.env, spec.manyDevices === true);
    const output = new Output(io, globals);
    const ceremony = await recordingOf(line, io);
    const module = await spec.load();
    try {
      const context = {
        io,
        output,
        globals,
        args,
        paths: pathsFor(io),
        signal: stop.signal,
        ceremony,
        handOverSignals: signals.off,
      };
      const exitCode = await recordedRun(ceremony, output, () => module.run(context));
      output.flush(command, exitCode);
      return exitCode;
    } catch (error) {
      // People see what was found out before it went wrong; programs get one document, the error.
      if (json) output.discard();
      else output.flush(command, 1);
      throw error;
    }
  } catch (error) {
    const failure = failureOf(error, command);
    reportFailure(io, failure, json && manyLines ? "json-line" : json);
    return failure.exitCode;
  } finally {
    signals.off();
  }
}

/** Where `--ceremony` asks for it. Nothing of it is loaded otherwise. */
async function recordingOf({ spec, args }: ParsedCommand, io: CliIo): Promise<CeremonyRecording | undefined> {
  if (args.text("ceremony") === undefined && args.text("officer") === undefined) return undefined;
  const { CeremonyRecording } = await import("./ceremonies/ceremony-recording.ts");
  return CeremonyRecording.begin(spec, args, io);
}

/** The other program of the package: `age-plugin-hsmadm`, started by age. */
export async function runAgePlugin(plugin: PluginProcess): Promise<number> {
  const { runPlugin } = await import("./age/plugin.ts");
  return runPlugin(plugin);
}

/** Exactly what `hsmadm --help` prints at 80 columns; the build keeps it beside the bundle. */
export async function renderHelp(width = usualHelpWidth): Promise<string> {
  const { topHelp } = await import("./parser.ts");
  return topHelp(width);
}

const usualHelpWidth = 80;

/** The terminal's, within what can be read; 80 where the help goes into a file or a pager. */
function helpWidth({ stdout }: CliIo): number {
  if (stdout.isTTY !== true || stdout.columns === undefined || stdout.columns < 1) return usualHelpWidth;
  return Math.min(Math.max(stdout.columns, 40), 100);
}

/** The first Ctrl-C lets the exchange with the card end, the second does not wait. */
function stopOnSignals(io: CliIo, stop: AbortController): { off: () => void } {
  const onInterrupt = () => {
    if (stop.signal.aborted) io.exitNow(130);
    stop.abort();
  };
  // SIGHUP: the terminal has gone away, the card must be given back all the same.
  const onEnd = () => stop.abort();
  const offs = [io.onSignal("SIGINT", onInterrupt), io.onSignal("SIGTERM", onEnd), io.onSignal("SIGHUP", onEnd)];
  return {
    off() {
      for (const off of offs.splice(0)) off();
    },
  };
}

function print(io: CliIo, text: string): number {
  io.stdout.write(text);
  return 0;
}
