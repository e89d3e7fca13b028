import { equal } from "../../bytes/bytes.ts";
import { fromHex, toHex } from "../../bytes/hex.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { DkekState } from "../../cards/smartcard-hsm/token-status.ts";
import {
  checkKeyCheckValue,
  checkShare,
  combineShares,
  keyCheckValue,
  zeroKeyCheckValue,
} from "../../crypto/shares/dkek.ts";
import { HsmError } from "../../errors.ts";
import type { ShareMemory } from "./share-memory.ts";

/** A share that was opened, and what people call it. */
export interface NamedShare {
  /** The file's name. */
  readonly name: string;
  /** 32 bytes, secret. */
  readonly share: Uint8Array;
}

export interface ImportSettings {
  readonly shares: readonly NamedShare[];
  /** 0 is the DKEK of a token without key domains. */
  readonly domain: number;
  /** The KCV that the complete DKEK must have, 8 bytes. */
  readonly expectedKcv?: Uint8Array | undefined;
  readonly memory?: ShareMemory | undefined;
  /** Logs in, where the KCV is shown after a login only. Called once everything is judged and before the first share. */
  readonly login?: (() => Promise<void>) | undefined;
}

export interface ImportOutcome {
  /** The state of the key domain after each share. */
  readonly steps: readonly { readonly name: string; readonly state: DkekState }[];
  readonly state: DkekState;
  /** Compared with the expected KCV: `null` when none was expected or the token does not show its own yet. */
  readonly kcvMatches: true | null;
}

/**
 * Imports shares into a key domain: the domain is looked at once, then one exchange for each share. Everything that can
 * be judged is judged before the first of them, because a share cannot be taken out again.
 * @throws HsmError `DKEK_SHARE_TWICE`, `SHARE_NOT_EXPECTED`, `SHARES_TOO_MANY` (conflict), `NO_DKEK` (not-supported),
 *   `DKEK_SHARE_ZERO`, `DKEK_ZERO`, `KCV_UNEXPECTED` (check-failed)
 */
export async function importShares(
  card: SmartCardHsm,
  settings: ImportSettings,
  progress: (name: string) => void = () => undefined,
): Promise<ImportOutcome> {
  const { shares, domain, expectedKcv, memory } = settings;
  refuseTwins(shares);
  const token = await nameAndKey(card);
  const before = await card.keyDomain(domain);
  refuseUnwanted(before, shares.length, token.name);
  const own = judgeWholeSet(before, settings, token.name);
  await refuseKnown(before, settings, token);
  await settings.login?.();

  const steps: { name: string; state: DkekState }[] = [];
  let state = before;
  for (const [i, { name, share }] of shares.entries()) {
    progress(name);
    try {
      await memory?.note(token.key, domain, importedShares(before) + i, share);
      state = await card.importDkekShare(share, domain);
    } catch (error) {
      throw i === 0 ? error : afterSome(error, i, shares.length);
    }
    steps.push({ name, state });
  }
  // Nothing is lost when it fails: what was noted counts for nothing once the token is initialised again.
  if (state.state === "complete") await memory?.forget(token.key, domain).catch(() => undefined);
  return { steps, state, kcvMatches: compareKcv(state, own, expectedKcv, token.name) };
}

/** The shares before this one are in, and cannot be taken out. */
function afterSome(error: unknown, done: number, all: number): unknown {
  if (!(error instanceof HsmError)) return error;
  const { code, kind, message, advice, token, details } = error;
  return new HsmError(code, kind, `${done} of ${all} shares went in, then: ${message}`, {
    advice,
    token,
    details,
    cause: error,
  });
}

function refuseTwins(shares: readonly NamedShare[]): void {
  for (const [i, { name, share }] of shares.entries()) {
    checkShare(share, i + 1);
    const twin = shares.slice(0, i).find((other) => equal(other.share, share));
    if (twin !== undefined) throw twice(`${twin.name} and ${name} are the same share`);
  }
}

async function nameAndKey(card: SmartCardHsm): Promise<{ name: string; key: string }> {
  const { serial, key } = await card.identity();
  return { name: serial || card.channel.where, key };
}

function importedShares({ shares, outstanding }: DkekState): number {
  return (shares ?? 0) - (outstanding ?? 0);
}

function refuseUnwanted({ state, outstanding, kcv, index }: DkekState, wanted: number, token: string): void {
  const which = index === 0 ? "" : ` for key domain ${index}`;
  switch (state) {
    case "complete":
    case "random":
      throw new HsmError(
        "SHARE_NOT_EXPECTED",
        "conflict",
        `${token} expects no DKEK share${which}: ${state === "random" ? "its key was made inside" : "all are imported"}${kcv === null ? "" : `, KCV ${kcv}`}`,
        { advice: "nothing was sent; the DKEK on the token is unchanged", token, details: { kcv } },
      );
    case "none":
    case "not-created":
      throw new HsmError("NO_DKEK", "not-supported", `${token} was set up without DKEK shares${which}`, {
        advice:
          "`hsmadm domain create` makes a key domain on a token that has them; `hsmadm device init --dkek-shares N` gives a DKEK and erases its keys",
        token,
      });
    case "pending":
      if (outstanding !== null && wanted > outstanding) {
        throw new HsmError(
          "SHARES_TOO_MANY",
          "conflict",
          `${token} waits for ${outstanding} DKEK ${outstanding === 1 ? "share" : "shares"}${which}, not for ${wanted}`,
          { advice: "nothing was sent", token },
        );
      }
      return;
    case "unknown":
      // The card's own answer to the share says more than we can.
      return;
  }
}

/** Where all shares of the DKEK are at hand its KCV is known before anything is sent. */
function judgeWholeSet(before: DkekState, settings: ImportSettings, token: string): Uint8Array | null {
  const { shares, expectedKcv } = settings;
  if (before.shares === null || before.outstanding !== before.shares || shares.length !== before.shares) return null;
  const dkek = combineShares(shares.map(({ share }) => share));
  const kcv = keyCheckValue(dkek);
  dkek.fill(0);
  if (expectedKcv !== undefined && !equal(kcv, expectedKcv)) {
    throw new HsmError(
      "KCV_UNEXPECTED",
      "check-failed",
      `these shares give a DKEK with KCV ${toHex(kcv)}, expected was ${toHex(expectedKcv)}`,
      { advice: "one of the shares is a wrong one; nothing was sent to the token", token },
    );
  }
  return kcv;
}

async function refuseKnown(
  before: DkekState,
  { shares, domain, memory }: ImportSettings,
  token: { readonly name: string; readonly key: string },
): Promise<void> {
  for (const { name, share } of shares) {
    if ((await memory?.knows(token.key, domain, importedShares(before), share)) !== true) continue;
    throw twice(`${name} went into ${token.name} already`, token.name);
  }
}

function twice(problem: string, token?: string): HsmError {
  return new HsmError("DKEK_SHARE_TWICE", "conflict", problem, {
    advice:
      token === undefined
        ? "each share goes in once: the same one twice would cancel itself"
        : "the same share twice would cancel itself, so it was NOT sent; if the token was initialised anew by another program, add --no-ledger",
    token,
  });
}

function compareKcv(
  { state, kcv }: DkekState,
  own: Uint8Array | null,
  expected: Uint8Array | undefined,
  token: string,
): true | null {
  if (state !== "complete" || kcv === null) return null;
  const shown = fromHex(kcv);
  const wanted = expected ?? own;
  if (wanted !== undefined && wanted !== null) checkKeyCheckValue(shown, wanted, token);
  else if (kcv === zeroKeyCheckValue) checkKeyCheckValue(shown, new Uint8Array(8), token);
  return expected === undefined ? null : true;
}
