import type { CommandContext } from "../context.ts";
import { withDevice } from "../device-session.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { pinWishes } from "../pin-wishes.ts";
import { SecretReader } from "../secrets.ts";
import { pinWords, stakeWords, tokenName, tokenTitle } from "../wording.ts";

/** Sets a new user PIN with the current one. The first change also ends the transport PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  const secrets = new SecretReader(context);
  const current = await secrets.open(pinWishes.pin);
  const next = await secrets.open(pinWishes.newPin);
  await withDevice(context, "exclusive", async (device) => {
    const { card } = device;
    const token = await tokenFacts(device);
    const name = await tokenName(device);
    const before = await card.pinState("user-pin");
    if (context.globals.dryRun) {
      context.output.result({ dryRun: true, token, userPin: pinFacts(before) }, [
        `would change the user PIN of ${name} (${pinWords(before)}); nothing was sent`,
      ]);
      return;
    }
    const title = await tokenTitle(device);
    const currentPin = await current.value({ token: title, stake: stakeWords("user-pin", before) });
    const newPin = await next.value({ token: title, stake: "6 to 15 characters" });
    await card.changeUserPin(currentPin, newPin);
    const transportPinEnded = before.state === "transport";
    context.output.result({ token, changed: true, transportPinEnded }, [
      `the user PIN of ${name} was changed${transportPinEnded ? "; the transport PIN has ended" : ""}`,
    ]);
  });
}
