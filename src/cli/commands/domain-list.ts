import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { domainCells, domainHeading } from "../shares/domain-lines.ts";
import { stakeWords, table, tokenName } from "../wording.ts";

/** All key domains of a token, or its one DKEK. A login is needed only where the token hides the KCV before it. */
export async function run(context: CommandContext): Promise<undefined> {
  const pin = await new SecretReader(context).openIfGiven(pinWishes.pin);
  await withDevice(context, "shared", async (device) => {
    const { card } = device;
    if (pin !== undefined) {
      const token = await tokenName(device);
      await card.verifyUserPin((counter) => pin.value({ token, stake: stakeWords("user-pin", counter) }));
    }
    const domains = await card.keyDomains();
    context.output.result({ token: await tokenFacts(device), domains }, [
      ...table([domainHeading, ...domains.map(domainCells)], context.output.columns),
      ...(domains.some(({ kcvNote }) => kcvNote === "before-login")
        ? ["", "- this token shows the KCV after a login only: give --pin"]
        : []),
    ]);
  });
}
