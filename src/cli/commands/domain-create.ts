import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { usage } from "../failure.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { domainNumber } from "../shares/domain-lines.ts";
import { stakeWords, tokenName, tokenTitle } from "../wording.ts";

/** Creates a key domain: the one named, or the first that is free. */
export async function run(context: CommandContext): Promise<undefined> {
  const wanted = domainNumber(context);
  const shares = readShares(context.args.text("dkek-shares"));
  const pin = await new SecretReader(context).open(pinWishes.pin);
  await withDevice(context, "exclusive", async (device) => {
    const { card } = device;
    const name = await tokenName(device);
    const token = await tokenFacts(device);
    const serial = token.serial ?? card.channel.where;
    const domain = wanted === undefined ? await firstFree(card, serial) : await free(card, wanted, serial);
    const what = shares === 0 ? "with a key made inside" : `for ${shares} ${shares === 1 ? "share" : "shares"}`;
    if (context.globals.dryRun) {
      context.output.result({ dryRun: true, token, domain, shares }, [
        `would create key domain ${domain} on ${name} ${what}; nothing was sent`,
      ]);
      return;
    }
    const title = await tokenTitle(device);
    await card.verifyUserPin((counter) => pin.value({ token: title, stake: stakeWords("user-pin", counter) }));
    const state = await card.createKeyDomain(domain, shares);
    context.output.result({ token, domain, shares, state }, [
      `key domain ${domain} of ${name} was created ${what}${state.kcv === null ? "" : `, KCV ${state.kcv}`}`,
      ...(shares === 0
        ? ["- its keys can be restored on this very token only"]
        : [`- \`hsmadm share import FILE --domain ${domain}\` comes next`]),
    ]);
  });
}

/** As with `device init`: a number of shares, or `random` for a key made inside. */
function readShares(text: string | undefined): number {
  if (text === "random") return 0;
  const shares = /^\d{1,3}$/.test(text ?? "1") ? Number(text ?? "1") : 0;
  if (shares < 1 || shares > 255) throw usage("OPTION_VALUE", "--dkek-shares wants 1 to 255, or random");
  return shares;
}

async function firstFree(card: SmartCardHsm, token: string): Promise<number> {
  const domains = await card.keyDomains();
  const free = domains.find(({ state }) => state === "not-created");
  if (free !== undefined) return free.index;
  // One domain that was never created looks like a token without a DKEK: the card itself says which it is.
  if (domains.length === 1 && domains[0]?.state === "none") return 0;
  throw new HsmError("KEY_DOMAINS_TAKEN", "conflict", `${token} has no key domain left to create`, {
    advice: "`hsmadm domain list` shows them; their number was set by `hsmadm device init --key-domains`",
    token,
  });
}

async function free(card: SmartCardHsm, domain: number, token: string): Promise<number> {
  const { state } = await card.keyDomain(domain);
  if (state === "not-created" || state === "unknown") return domain;
  const beyond = state === "none";
  throw new HsmError(
    beyond ? "KEY_DOMAIN_NOT_FOUND" : "KEY_DOMAIN_STATE",
    beyond ? "usage" : "conflict",
    beyond ? `${token} has no room for a key domain ${domain}` : `${token} has a key domain ${domain} already`,
    { advice: "`hsmadm domain list` shows them; their number was set by `hsmadm device init --key-domains`", token },
  );
}
