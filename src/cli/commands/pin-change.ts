import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { warnLastOpener } from "../vaults/vault-guarded.ts";
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
    await warnLastOpener(context, device, "a PIN that is forgotten and cannot be unblocked takes it along");
    if (context.globals.dryRun) {
      const before = await card.pinState("user-pin");
      context.output.result({ dryRun: true, token, userPin: pinFacts(before) }, [
        `would change the user PIN of ${name} (${pinWords(before)}); nothing was sent`,
      ]);
      return;
    }
    const title = await tokenTitle(device);
    let transportPinEnded = false;
    await card.changeUserPin(async (counter) => {
      transportPinEnded = counter.state === "transport";
      return {
        current: await current.value({ token: title, stake: stakeWords("user-pin", counter) }),
        next: await next.value({ token: title, stake: "6 to 15 characters" }),
      };
    });
    context.output.result({ token, changed: true, transportPinEnded }, [
      `the user PIN of ${name} was changed${transportPinEnded ? "; the transport PIN has ended" : ""}`,
    ]);
  });
}
