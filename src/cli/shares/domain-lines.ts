import type { DkekState } from "../../cards/smartcard-hsm/token-status.ts";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";

/** The N of `domain delete N`. @throws HsmError `OPTION_VALUE` (usage) */
export function domainNumber(context: CommandContext): number | undefined {
  const text = context.args.text("N");
  if (text === undefined) return undefined;
  if (!/^\d{1,3}$/.test(text) || Number(text) > 255)
    throw usage("OPTION_VALUE", "a key domain is a number from 0 to 255");
  return Number(text);
}

/** A row of `domain list`. */
export function domainCells({ index, state, shares, outstanding, kcv, kcvNote }: DkekState): string[] {
  return [
    String(index),
    state === "not-created" ? "not created" : state,
    shares === null || shares === 0 ? "" : `${shares - (outstanding ?? 0)} of ${shares}`,
    kcv ?? (kcvNote === "before-login" ? "shown after a login" : ""),
  ];
}

export const domainHeading = ["DOMAIN", "STATE", "SHARES", "KCV"];

/** Known before anybody is asked for a PIN or a confirmation. @throws HsmError `KEY_DOMAIN_NOT_FOUND` (usage) */
export function refuseMissing({ index, state }: DkekState, token: string): void {
  if (state !== "none" && state !== "not-created") return;
  throw new HsmError("KEY_DOMAIN_NOT_FOUND", "usage", `${token} has no key domain ${index}`, {
    advice: "`hsmadm domain list` shows them",
    token,
  });
}
