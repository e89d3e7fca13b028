import type { CommandContext } from "../context.ts";
import { authenticatorFacts, fidoPinWords, pinFacts, uvFacts } from "../fido/authenticator-facts.ts";
import { withAuthenticator } from "../fido/authenticator-session.ts";
import { aligned } from "../wording.ts";

/** Tries left on the PIN and on the finger. Spends none; 0 whenever they could be read. */
export async function run(context: CommandContext): Promise<undefined> {
  await withAuthenticator(context, async (open) => {
    const pin = await pinFacts(open);
    const uv = await uvFacts(open);
    context.output.result(
      { authenticator: authenticatorFacts(open), pin, uv },
      aligned([
        ["Authenticator", open.title],
        ["PIN", fidoPinWords(pin)],
        ["Built-in UV", fidoPinWords(uv)],
      ]),
    );
  });
}
