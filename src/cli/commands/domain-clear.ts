import type { CommandContext } from "../context.ts";
import { endDomain } from "../shares/domain-end.ts";

/** Deletes the key of a key domain; the keys in the domain stay. */
export async function run(context: CommandContext): Promise<undefined> {
  return endDomain(context, {
    verb: "clear",
    losses: (domain) => [
      `the key of ${domain}: a key made inside is gone for good, one of shares needs all of them again`,
      "its keys stay usable, but cannot leave the token until then",
    ],
    done: (domain) => [`the key of ${domain} was deleted; its keys stay`],
    act: (card, domain) => card.clearKeyDomain(domain),
  });
}
