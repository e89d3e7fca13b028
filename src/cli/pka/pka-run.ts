import type { CommandContext } from "../context.ts";
import { tokenFacts } from "../facts.ts";
import { usage } from "../failure.ts";
import { innerCommand } from "./inner-command.ts";
import { loginFacts, withKeyLogin } from "./key-login.ts";

/**
 * Logs in by custodians and runs one command of hsmadm on that connection: SELECT, which every other program begins with,
 * would end the login.
 */
export async function run(context: CommandContext): Promise<number> {
  const { args, output } = context;
  if (args.rest.length === 0) {
    throw usage("OPTION_MISSING", "no command was given", "`hsmadm pka run … -- key sign KEY --in FILE --out FILE`");
  }
  const command = await innerCommand(context, args.rest);
  return withKeyLogin(context, async (device, outcome) => {
    device.card.keepLogin();
    const { exitCode, document } = await command.run(device);
    if (context.globals.json) {
      const result = { name: command.name, exitCode, document };
      output.result({ token: await tokenFacts(device), login: loginFacts(outcome), result }, []);
    }
    return exitCode;
  });
}
