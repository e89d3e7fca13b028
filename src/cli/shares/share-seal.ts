import { basename } from "node:path";
import { sealShareFile } from "../../crypto/shares/dkek-share-file.ts";
import { checkSplit } from "../../crypto/shares/password-split.ts";
import { sealSplitShareFile } from "../../crypto/shares/split-share.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { Secret } from "../secrets/secrets.ts";
import { type CardPlace, cardPlace, handOutCards } from "./share-cards.ts";
import { newSharePassword } from "./share-password.ts";
import { underBar } from "./share-progress.ts";

export interface SplitFacts {
  readonly threshold: number;
  readonly total: number;
}

/** How a share is sealed: under a password, or under one that is split among custodians. */
export type SealPlan =
  | { readonly kind: "password"; readonly password: Secret }
  | { readonly kind: "split"; readonly split: SplitFacts; readonly place: CardPlace };

/**
 * Reads the plan from `--split` or the password's option. Nobody is asked yet.
 * @param option of the password: `password` of a new share, `new-password` of one that has a password
 * @throws HsmError of kind `usage`
 */
export async function readSealPlan(context: CommandContext, out: string, option: string): Promise<SealPlan> {
  const split = splitOption(context);
  if (split === null) {
    if (context.args.text("cards") !== undefined) throw usage("OPTIONS_CONFLICT", "--cards goes with --split");
    return { kind: "password", password: await newSharePassword(context, option) };
  }
  if (context.args.text(option) !== undefined) {
    throw usage(
      "OPTIONS_CONFLICT",
      `--${option} and --split exclude each other`,
      "a split password is made, not chosen",
    );
  }
  return { kind: "split", split, place: await cardPlace(context, out, split.total) };
}

/** `--split 3-of-5`. @throws HsmError `OPTION_VALUE`, `SPLIT_INVALID` (usage) */
export function splitOption({ args }: Pick<CommandContext, "args">): SplitFacts | null {
  const text = args.text("split");
  if (text === undefined) return null;
  const match = /^(\d{1,3})-of-(\d{1,3})$/.exec(text);
  if (match === null) throw usage("OPTION_VALUE", "--split wants N-of-M, for example 3-of-5");
  const [threshold, total] = [Number(match[1]), Number(match[2])];
  checkSplit(threshold, total);
  return { threshold, total };
}

export interface Sealed {
  readonly file: Uint8Array;
  readonly split: SplitFacts | null;
  /** Files that hold the custodians' cards; `null` where they were shown and read back, or there are none. */
  readonly cards: readonly string[] | null;
}

/** Seals a share. The cards are out, and read back, before anybody gets the file. */
export async function sealShare(
  context: CommandContext,
  plan: SealPlan,
  share: Uint8Array,
  out: string,
): Promise<Sealed> {
  const name = basename(out);
  if (plan.kind === "password") {
    const password = await plan.password.value({ token: name, stake: "12 characters or more" });
    const file = await underBar(context, `sealing ${name}`, (options) => sealShareFile(share, password, options));
    return { file, split: null, cards: null };
  }
  const { file, split } = await underBar(context, `sealing ${name}`, (options) =>
    sealSplitShareFile(share, { ...plan.split, ...options }),
  );
  const cards = await handOutCards(context, plan.place, split, out);
  return { file, split: plan.split, cards };
}

/** What people have to do with what was made. */
export function sealedLines({ split, cards }: Sealed): string[] {
  if (split === null) return [];
  const { threshold, total } = split;
  return [
    `- its password is in ${total} parts, any ${threshold} of them open it`,
    cards === null
      ? "- every custodian has read back the card"
      : `- print the ${total} cards, give each to its custodian, then destroy the files: ${cards[0]} …`,
  ];
}
