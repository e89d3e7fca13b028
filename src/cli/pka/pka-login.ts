import type { CommandContext } from "../context.ts";
import { tokenFacts } from "../facts.ts";
import { tokenName } from "../wording.ts";
import { loginFacts, withKeyLogin } from "./key-login.ts";

/** Logs in by custodians and out again: whether it works, before work depends on it. */
export async function run(context: CommandContext): Promise<undefined> {
  await withKeyLogin(context, async (device, outcome) => {
    const name = await tokenName(device);
    const { required } = outcome.status;
    context.output.result({ token: await tokenFacts(device), login: loginFacts(outcome) }, [
      `${required} custodians have logged in to ${name}: ${outcome.signed.join(", ")}`,
      ...(outcome.probe.status === "refused" ? ["with one too few it refused to sign"] : []),
      "the login has ended; `hsmadm pka run -- COMMAND` and `hsmadm session run FILE` use one",
    ]);
  });
  return undefined;
}
