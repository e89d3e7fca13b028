import { utf8Text } from "../../bytes/bytes.ts";
import { type ErrorKind, HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { asHsmError, usage } from "../failure.ts";
import { readWhole } from "../keys/key-files.ts";
import type { Document } from "../output.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { type InnerCommand, innerCommand } from "./inner-command.ts";
import { loginFacts, namesCustodians, presentPin, withKeyLogin } from "./key-login.ts";
import { parseSessionFile } from "./session-lines.ts";

/** A command line that was understood before the session began. */
interface Step {
  readonly line: number;
  readonly command: InnerCommand;
}

/** Runs the lines of a file one after the other on one connection, with one login; ends at the first that fails. */
export async function run(context: CommandContext): Promise<number> {
  const steps = await stepsOf(context);
  if (namesCustodians(context)) {
    return withKeyLogin(context, (device, outcome) => runSteps(context, device, steps, loginFacts(outcome)));
  }
  const pin = context.args.flag("no-login") ? undefined : await new SecretReader(context).open(pinWishes.pin);
  return withDevice(context, "exclusive", async (device) => {
    if (pin !== undefined) await presentPin(context, device, pin);
    return runSteps(context, device, steps, null);
  });
}

/** All lines are understood before a card is touched. */
async function stepsOf(context: CommandContext): Promise<Step[]> {
  const path = context.args.required("FILE");
  const text = utf8Text(await readWhole(context, path));
  if (text === null) throw usage("SESSION_FILE", `${path} is no text`);
  const steps: Step[] = [];
  for (const { number, words } of parseSessionFile(text)) {
    try {
      steps.push({ line: number, command: await innerCommand(context, words) });
    } catch (error) {
      throw inLine(number, asHsmError(error));
    }
  }
  if (steps.length === 0) throw usage("SESSION_FILE", `${path} has no command line`);
  return steps;
}

async function runSteps(
  context: CommandContext,
  device: OpenDevice,
  steps: readonly Step[],
  login: Document | null,
): Promise<number> {
  const { output, globals } = context;
  device.card.keepLogin();
  const token = await tokenFacts(device);
  const done: Document[] = [];
  for (const { line, command } of steps) {
    output.note(`hsmadm: line ${line}: ${command.name}`);
    let exitCode: number;
    try {
      const outcome = await command.run(device);
      exitCode = outcome.exitCode;
      done.push({ line, name: command.name, exitCode, document: outcome.document });
    } catch (error) {
      throw inLine(line, asHsmError(error), { commands: done, left: steps.length - done.length - 1 });
    }
    if (exitCode !== 0) {
      output.result({ token, login, commands: done, left: steps.length - done.length }, []);
      return exitCode;
    }
  }
  if (globals.json) output.result({ token, login, commands: done, left: 0 }, []);
  return 0;
}

function inLine(line: number, error: HsmError, session: Document = {}): HsmError {
  const { code, message, advice, token, triesLeft, which, details } = error;
  const kind: ErrorKind = error.kind;
  return new HsmError(code, kind, `line ${line}: ${message}`, {
    advice,
    token,
    triesLeft,
    which,
    details: { ...details, line, ...session },
    cause: error,
  });
}
