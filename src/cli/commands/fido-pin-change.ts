import type { CommandContext } from "../context.ts";
import { authenticatorFacts, fidoPinWords, fidoStake, pinFacts } from "../fido/authenticator-facts.ts";
import { withAuthenticator } from "../fido/authenticator-session.ts";
import { fidoPinWishes } from "../fido/fido-pin-wishes.ts";
import { newPinStake, pinMissing } from "../fido/new-pin.ts";
import { SecretReader } from "../secrets/secrets.ts";

/** Sets a new PIN with the current one. Every credential keeps its secrets. */
export async function run(context: CommandContext): Promise<undefined> {
  const secrets = new SecretReader(context);
  const current = await secrets.open(fidoPinWishes.current);
  const next = await secrets.open(fidoPinWishes.next);
  await withAuthenticator(context, async (open) => {
    const { authenticator, title, name } = open;
    if (authenticator.info.options["clientPin"] === false) throw pinMissing(open);
    const facts = authenticatorFacts(open);
    if (context.globals.dryRun) {
      const pin = await pinFacts(open);
      context.output.result({ dryRun: true, authenticator: facts, pin }, [
        `would change the PIN of ${name} (${fidoPinWords(pin)}); no PIN was sent`,
      ]);
      return;
    }
    const given: Uint8Array[] = [];
    const kept = (bytes: Uint8Array): Uint8Array => {
      given.push(bytes);
      return bytes;
    };
    try {
      await authenticator.changePin(
        async ({ retries }) => kept(await current.value({ token: title, stake: fidoStake(retries) })),
        async () => kept(await next.value({ token: title, stake: newPinStake(authenticator.info) })),
      );
    } finally {
      for (const bytes of given) bytes.fill(0);
    }
    context.output.result({ authenticator: facts, changed: true }, [`the PIN of ${name} was changed`]);
  });
}
