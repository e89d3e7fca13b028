import { encodeTokenInfo } from "../../cards/smartcard-hsm/pkcs15-token-info.ts";
import type { CommandContext } from "../context.ts";
import { rememberDevices } from "../devices/device-cache.ts";
import { withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { stakeWords, tokenName, tokenTitle } from "../wording.ts";

/** Gives the token another name. Keys and PINs stay. */
export async function run(context: CommandContext): Promise<undefined> {
  const label = context.args.required("NAME");
  encodeTokenInfo(label); // refuses what the token could not hold, before anything is asked or sent
  const pin = await new SecretReader(context).open(pinWishes.pin);
  await withDevice(context, "exclusive", async (device) => {
    const { card } = device;
    const before = await card.label();
    const name = await tokenName(device);
    if (context.globals.dryRun) {
      context.output.result({ dryRun: true, token: await tokenFacts(device), label }, [
        `would rename ${name} from "${before ?? ""}" to "${label}"; nothing was sent`,
      ]);
      return;
    }
    const title = await tokenTitle(device);
    await card.verifyUserPin((counter) => pin.value({ token: title, stake: stakeWords("user-pin", counter) }));
    await card.writeLabel(label);
    const token = await tokenFacts(device, label);
    await rememberDevices(context, [token]);
    context.output.result({ token, before }, [`${name} is now called "${label}"`]);
  });
}
