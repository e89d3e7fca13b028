import type { CeremonyClosing, CeremonyCommand, CountedPin, TokenName, TokenRecord } from "./ceremony-entry.ts";
import type { CeremonySignature } from "./ceremony-signature.ts";

/** How a record says what happened, on a terminal and on paper. Nothing here is escaped yet. */

/** `device init --label root --pin file` as it was typed, quoted where it would not read back as the same words. */
export function commandLine({ words }: Pick<CeremonyCommand, "words">): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

export function tokenWords({ chr, label, where, simulated }: TokenName): string {
  const name = chr ?? where;
  return [name, ...(label === null ? [] : [`"${label}"`]), ...(simulated ? ["SIMULATED"] : [])].join(" ");
}

export function resultWords({ exitCode, result, error }: CeremonyCommand): string {
  return exitCode === 0 ? result : `${result} (exit ${exitCode}${error === null ? "" : `, ${error.code}`})`;
}

/** `user PIN 3 -> 2, SO-PIN 15`; what did not change is said once. */
export function triesWords({ before, after }: TokenRecord): string {
  const pins = [
    ["user PIN", before?.userPin, after?.userPin],
    ["SO-PIN", before?.soPin, after?.soPin],
  ] as const;
  return pins.map(([name, was, is]) => `${name} ${changeWords(pinWords(was), pinWords(is))}`).join(", ");
}

/** `KCV 0 none -> 0A1B…`; empty where the token told none. */
export function kcvWords({ before, after }: TokenRecord): string {
  const domains = new Set([...(before?.kcvs ?? []), ...(after?.kcvs ?? [])].map(({ domain }) => domain));
  const kcvIn = (moment: TokenRecord["before"], domain: number) =>
    moment?.kcvs.find((each) => each.domain === domain)?.kcv ?? "none";
  return [...domains]
    .map((domain) => `KCV ${domain} ${changeWords(kcvIn(before, domain), kcvIn(after, domain))}`)
    .join(", ");
}

function pinWords(pin: CountedPin | undefined): string {
  if (pin === undefined) return "not asked";
  if (pin.state === "verified") return "logged in";
  return pin.triesLeft === null ? pin.state : String(pin.triesLeft);
}

function changeWords(was: string, is: string): string {
  return was === is ? is : `${was} -> ${is}`;
}

/** Where the key that closed it was made. */
export function originWords({ origin }: CeremonySignature): string {
  switch (origin.status) {
    case "attested":
      return `made in the token ${origin.chr}, ${origin.root.title}`;
    case "not-verifiable":
      return "its token is not vouched for by anybody known";
    case "unknown":
      return "nothing shows where it was made";
  }
}

/** `key 5 "root" of UTSIM…00000 "root"` */
export function signerWords({ key, token }: CeremonyClosing): string {
  return `key ${key.ref}${key.label === "" ? "" : ` "${key.label}"`} of ${tokenWords(token)}`;
}

/** Hex in groups that can be read out and compared. */
export function grouped(hex: string): string {
  return (hex.match(/.{1,4}/g) ?? []).join(" ");
}
