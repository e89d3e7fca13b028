import { CommandArguments } from "../arguments.ts";
import { type CommandContext, readGlobals } from "../context.ts";
import type { CliIo } from "../io.ts";
import { Output } from "../output.ts";
import { pathsFor } from "../paths.ts";
import type { AgeTalk } from "./age-talk.ts";
import { ageTerminal } from "./plugin-secrets.ts";

/**
 * What the commands of hsmadm work with, for a program that has no command line: age starts it, and what one could say
 * with options is in the environment. Notes, warnings and prompts go to age.
 * @throws HsmError of kind `usage`
 */
export function pluginContext(io: CliIo, talk: AgeTalk, signal: AbortSignal): CommandContext {
  const { env } = io;
  const args = new CommandArguments({
    ...given("pin", env["HSMADM_PIN"]),
    ...given("fido-pin", env["HSMADM_FIDO_PIN"]),
  });
  const toAge = {
    write: (text: string | Uint8Array) => talk.say((typeof text === "string" ? text : "").replace(/\n$/, "")),
  };
  const own: CliIo = {
    ...io,
    // Standard output belongs to the protocol.
    stdout: { write: () => true },
    stderr: toAge,
    terminal: () => ageTerminal(talk),
  };
  const globals = readGlobals(args, {}, true);
  const output = new Output(own, { json: false, quiet: false });
  return { io: own, output, globals, args, paths: pathsFor(io), signal, handOverSignals: () => undefined };
}

function given(option: string, source: string | undefined): Record<string, string> {
  return source === undefined || source === "" ? {} : { [option]: source };
}
