import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { DkekState } from "../../cards/smartcard-hsm/token-status.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { usage } from "../failure.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { stakeWords, tokenName, tokenTitle } from "../wording.ts";
import { domainNumber, refuseMissing } from "./domain-lines.ts";

export interface DomainEnd {
  /** `delete`. */
  readonly verb: "delete" | "clear";
  readonly losses: (domain: string) => readonly string[];
  readonly done: (domain: string) => readonly string[];
  readonly act: (card: SmartCardHsm, domain: number) => Promise<DkekState>;
}

/** What `domain delete` and `domain clear` have in common: the key of a domain is gone afterwards. */
export async function endDomain(context: CommandContext, { verb, losses, done, act }: DomainEnd): Promise<undefined> {
  const domain = domainNumber(context);
  if (domain === undefined) throw usage("ARGUMENT_MISSING", "which key domain?", "`hsmadm domain list` shows them");
  const pin = await new SecretReader(context).open(pinWishes.pin);
  await withDevice(context, "exclusive", async (device) => {
    const { card } = device;
    const token = await tokenFacts(device);
    const before = await card.keyDomain(domain);
    const name = await tokenName(device);
    refuseMissing(before, token.serial ?? card.channel.where);
    const words = `key domain ${domain} of ${name}`;
    if (context.globals.dryRun) {
      context.output.result({ dryRun: true, token, domain, state: before }, [
        `would ${verb} ${words} (${before.state}${before.kcv === null ? "" : `, KCV ${before.kcv}`}); nothing was sent`,
      ]);
      return;
    }
    const title = await tokenTitle(device);
    const { serial } = await card.identity();
    await confirmDestruction(context, {
      losses: losses(`key domain ${domain} on ${title}${before.kcv === null ? "" : `, KCV ${before.kcv}`}`),
      serial: serial || card.channel.where,
      exact: device.exact,
    });
    await card.verifyUserPin((counter) => pin.value({ token: title, stake: stakeWords("user-pin", counter) }));
    const state = await act(card, domain);
    context.output.result({ token, domain, before, state }, done(words));
  });
}
