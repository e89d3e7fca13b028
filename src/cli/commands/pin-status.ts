import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { aligned, pinWords, tokenTitle } from "../wording.ts";

/** Tries left on both PINs. Empty VERIFYs ask for them and spend none. */
export async function run(context: CommandContext): Promise<undefined> {
  await withDevice(context, "shared", async (device) => {
    const title = await tokenTitle(device);
    const token = await tokenFacts(device);
    const soPin = await device.card.pinState("so-pin");
    const userPin = await device.card.pinState("user-pin");
    context.output.result(
      { token, userPin: pinFacts(userPin), soPin: pinFacts(soPin) },
      aligned([
        ["Token", title],
        ["User PIN", pinWords(userPin)],
        ["SO-PIN", pinWords(soPin)],
      ]),
    );
  });
}
