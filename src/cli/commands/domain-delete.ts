import type { CommandContext } from "../context.ts";
import { endDomain } from "../shares/domain-end.ts";

/** Deletes a key domain that holds no keys. */
export async function run(context: CommandContext): Promise<undefined> {
  return endDomain(context, {
    verb: "delete",
    losses: (domain) => [
      `the key of ${domain}: a key made inside is gone for good, one of shares needs all of them again`,
    ],
    done: (domain) => [`${domain} was deleted`],
    act: (card, domain) => card.deleteKeyDomain(domain),
  });
}
