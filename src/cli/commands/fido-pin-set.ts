import type { CommandContext } from "../context.ts";
import { authenticatorFacts } from "../fido/authenticator-facts.ts";
import { withAuthenticator } from "../fido/authenticator-session.ts";
import { fidoPinWishes } from "../fido/fido-pin-wishes.ts";
import { newPinStake, pinExists } from "../fido/new-pin.ts";
import { SecretReader } from "../secrets/secrets.ts";

/** Sets the first PIN of an authenticator. What it holds already stays. */
export async function run(context: CommandContext): Promise<undefined> {
  const next = await new SecretReader(context).open(fidoPinWishes.next);
  await withAuthenticator(context, async (open) => {
    const { authenticator, title, name } = open;
    // Asked before somebody types a new PIN twice.
    if (authenticator.info.options["clientPin"] === true) throw pinExists(open);
    const facts = authenticatorFacts(open);
    if (context.globals.dryRun) {
      context.output.result({ dryRun: true, authenticator: facts }, [`would set the PIN of ${name}; nothing was sent`]);
      return;
    }
    const bytes = await next.value({ token: title, stake: newPinStake(authenticator.info) });
    try {
      await authenticator.setPin(bytes);
    } finally {
      bytes.fill(0);
    }
    context.output.result({ authenticator: facts, set: true }, [`the PIN of ${name} was set`]);
  });
}
