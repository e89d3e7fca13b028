import { formatPluginIdentity } from "../../crypto/age/plugin-keys.ts";
import { ageKeyFacts, comment, listAgeKeys, otherFacts, tellOthers } from "../age/age-listing.ts";
import { identityOf } from "../age/card-keys.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";

/** What age decrypts with, as a file for `age -i`: no secrets, but which key to look for. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  if (args.flag("any")) {
    if (args.text("KEY") !== undefined) throw usage("OPTIONS_CONFLICT", "a KEY and --any at once", "give one of them");
    const identity = formatPluginIdentity({ kind: "any" });
    output.result({ any: identity, token: null, keys: [], others: [] }, [
      "# any device that HSMADM_DEVICE names",
      identity,
    ]);
    return;
  }
  const listing = await listAgeKeys(context);
  tellOthers(context, listing);
  output.result(
    { any: null, token: listing.token, keys: listing.keys.map(ageKeyFacts), others: otherFacts(listing) },
    listing.keys.flatMap((key) => [comment(listing, key), identityOf(key)]),
  );
}
