import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { warnLastOpener } from "../vaults/vault-guarded.ts";
import { pinWords, stakeWords, tokenName, tokenTitle } from "../wording.ts";

/** Sets a new SO-PIN with the current one. */
export async function run(context: CommandContext): Promise<undefined> {
  const secrets = new SecretReader(context);
  const current = await secrets.open(pinWishes.soPin);
  const next = await secrets.open(pinWishes.newSoPin);
  await withDevice(context, "exclusive", async (device) => {
    const { card } = device;
    const token = await tokenFacts(device);
    const name = await tokenName(device);
    await warnLastOpener(context, device, "a SO-PIN that is forgotten or blocked stays so");
    if (context.globals.dryRun) {
      const before = await card.pinState("so-pin");
      context.output.result({ dryRun: true, token, soPin: pinFacts(before) }, [
        `would change the SO-PIN of ${name} (${pinWords(before)}); nothing was sent`,
      ]);
      return;
    }
    const title = await tokenTitle(device);
    await card.changeSoPin(async (counter) => ({
      current: await current.value({ token: title, stake: stakeWords("so-pin", counter) }),
      next: await next.value({ token: title, stake: "16 hex digits; write it down, it can never be unblocked" }),
    }));
    context.output.result({ token, changed: true }, [`the SO-PIN of ${name} was changed`]);
  });
}
