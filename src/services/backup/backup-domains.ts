import { toHex } from "../../bytes/hex.ts";
import type { DkekState } from "../../cards/smartcard-hsm/token-status.ts";
import type { BackupKey } from "../../crypto/backup/backup-manifest.ts";
import { zeroKeyCheckValue } from "../../crypto/shares/dkek.ts";
import { HsmError } from "../../errors.ts";

/** Why nothing can be wrapped in a key domain, or brought into it; `null` where it can. */
export function domainProblem({ state, outstanding, kcv }: DkekState): string | null {
  switch (state) {
    case "none":
    case "not-created":
      return "has no DKEK";
    case "pending":
      return `still waits for ${outstanding ?? "some"} DKEK ${outstanding === 1 ? "share" : "shares"}`;
    case "unknown":
      return "has a DKEK whose state cannot be read";
    case "complete":
    case "random":
      if (kcv === null) return "shows no key check value";
      return kcv === zeroKeyCheckValue ? "has a DKEK of all zeros: its shares cancelled each other" : null;
  }
}

/** How messages call a key domain: a token without them has the one DKEK. */
export function domainName(index: number, domains: readonly DkekState[]): string {
  return domains.length === 1 ? "the token" : `key domain ${index}`;
}

/**
 * The key domains that keys can leave and enter, with their check values.
 * @throws HsmError when there is none: `DKEK_SHARES_PENDING` (refused), `DKEK_ZERO`, `KCV_UNKNOWN` (check-failed),
 *   `NO_DKEK` (not-supported)
 */
export function usableDomains(domains: readonly DkekState[], token: string): Map<number, string> {
  const usable = new Map<number, string>();
  for (const domain of domains) {
    if (domainProblem(domain) === null && domain.kcv !== null) usable.set(domain.index, domain.kcv);
  }
  if (usable.size > 0) return usable;
  const [pending, zero, unseen] = [
    domains.find(({ state }) => state === "pending"),
    domains.find(({ kcv }) => kcv === zeroKeyCheckValue),
    domains.find(({ state }) => state === "complete" || state === "random" || state === "unknown"),
  ];
  if (pending !== undefined) {
    throw new HsmError("DKEK_SHARES_PENDING", "refused", `${token} ${domainProblem(pending)}`, {
      advice: "`hsmadm share import` imports them",
      token,
    });
  }
  if (zero !== undefined || unseen !== undefined) {
    const problem = domainProblem(zero ?? (unseen as DkekState));
    throw new HsmError(
      zero === undefined ? "KCV_UNKNOWN" : "DKEK_ZERO",
      "check-failed",
      `${token} ${problem}: nobody could tell which shares open a key that it wraps`,
      { advice: "initialise the token with other shares: `hsmadm device init --dkek-shares`", token },
    );
  }
  throw new HsmError("NO_DKEK", "not-supported", `${token} has no DKEK: keys can neither leave nor enter it`, {
    advice: "that was fixed by `hsmadm device init`; only a new initialisation, which erases all keys, gives it one",
    token,
  });
}

/**
 * Compares the check values before anything is sent.
 * @param keys that are to be unwrapped
 * @throws HsmError `KCV_UNEXPECTED` (check-failed), and those of {@link usableDomains}
 */
export function requireSameDkek(
  keys: readonly Pick<BackupKey, "kcv">[],
  domains: readonly DkekState[],
  token: string,
): void {
  if (keys.length === 0) return;
  const there = new Set(usableDomains(domains, token).values());
  const foreign = new Set(keys.map(({ kcv }) => toHex(kcv)).filter((kcv) => kcv !== "" && !there.has(kcv)));
  if (foreign.size === 0) return;
  throw new HsmError(
    "KCV_UNEXPECTED",
    "check-failed",
    `these keys are wrapped under the DKEK with KCV ${[...foreign].join(", ")}, ${token} has ${[...there].join(", ")}`,
    {
      advice:
        "nothing was written; import the same DKEK shares as on the token that the keys come from, which takes a new initialisation",
      token,
      details: { expected: [...foreign], found: [...there] },
    },
  );
}
