import { ageKeyFacts, comment, listAgeKeys, otherFacts, tellOthers } from "../age/age-listing.ts";
import { type AgeKey, recipientOf } from "../age/card-keys.ts";
import type { CommandContext } from "../context.ts";

/** What age encrypts to, as a file for `age -R`. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  const listing = await listAgeKeys(context);
  const keys = listing.keys.toSorted((a, b) => place(a) - place(b));
  tellOthers(context, listing);
  context.output.result(
    { token: listing.token, keys: keys.map(ageKeyFacts), others: otherFacts(listing) },
    keys.flatMap((key) => [comment(listing, key), recipientOf(key)]),
  );
}

/** First what age 1.3 takes without a plugin, then what every age takes, then what wants the plugin. */
function place({ leaf }: AgeKey): number {
  if (leaf.kind === "card-rsa") return 1;
  return leaf.curve === "secp256r1" ? 0 : 2;
}
