import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { pinWords, stakeWords, tokenName, tokenTitle } from "../wording.ts";

/** Presents the user PIN once. */
export async function run(context: CommandContext): Promise<undefined> {
  const pin = await new SecretReader(context).open(pinWishes.pin);
  await withDevice(context, "exclusive", async (device) => {
    const { card } = device;
    const token = await tokenFacts(device);
    const name = await tokenName(device);
    if (context.globals.dryRun) {
      const state = await card.pinState("user-pin");
      context.output.result({ dryRun: true, token, userPin: pinFacts(state) }, [
        `would present the user PIN to ${name} (${pinWords(state)}); nothing was sent`,
      ]);
      return;
    }
    const title = await tokenTitle(device);
    await card.verifyUserPin((counter) => pin.value({ token: title, stake: stakeWords("user-pin", counter) }));
    context.output.result({ token, verified: true }, [`the user PIN of ${name} is right`]);
  });
}
