import { optionBits } from "../../cards/smartcard-hsm/application.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { warnLastOpener } from "../vaults/vault-guarded.ts";
import { pinWords, stakeWords, tokenName, tokenTitle } from "../wording.ts";

/** Gives the user PIN its tries back, with a new PIN or, where the token allows that, with the old one. */
export async function run(context: CommandContext): Promise<undefined> {
  const secrets = new SecretReader(context);
  const soPin = await secrets.open(pinWishes.soPin);
  const given = await secrets.openIfGiven(pinWishes.newPin);
  await withDevice(context, "exclusive", async (device) => {
    const { card } = device;
    const token = await tokenFacts(device);
    const name = await tokenName(device);
    await warnLastOpener(context, device, "a SO-PIN that is blocked stays so");
    // Most tokens give the tries back together with a new PIN only: a person is asked for it, and not told of an option.
    const newPin = given ?? (wantsNewPin(device) && secrets.canAsk ? await secrets.open(pinWishes.newPin) : undefined);
    const what =
      newPin === undefined ? "reset the retry counter of the user PIN" : "unblock the user PIN and set a new one";
    if (context.globals.dryRun) {
      const before = await card.pinState("so-pin");
      context.output.result({ dryRun: true, token, soPin: pinFacts(before) }, [
        `would ${what} on ${name} (SO-PIN: ${pinWords(before)}); nothing was sent`,
      ]);
      return;
    }
    const title = await tokenTitle(device);
    await card.unblockUserPin(async (counter) => ({
      soPin: await soPin.value({ token: title, stake: stakeWords("so-pin", counter) }),
      next: await newPin?.value({ token: title, stake: "6 to 15 characters" }),
    }));
    const userPin = await card.pinState("user-pin");
    context.output.result({ token, unblocked: true, newPin: newPin !== undefined, userPin: pinFacts(userPin) }, [
      `the user PIN of ${name} is unblocked${newPin === undefined ? "" : " and new"} (${pinWords(userPin)})`,
    ]);
  });
}

/** Where the token says that it was initialised so. */
function wantsNewPin({ card: { application } }: OpenDevice): boolean {
  const { options } = application;
  return options !== null && (options & optionBits.pinReset) !== 0 && (options & optionBits.counterReset) === 0;
}
