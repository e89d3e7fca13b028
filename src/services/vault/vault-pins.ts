import { equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import type { Leaf } from "../../crypto/vault/leaf.ts";
import { leavesOf } from "../../crypto/vault/leaf.ts";
import type { VaultHeader } from "../../crypto/vault/vault-header.ts";
import { stateKey } from "../../crypto/vault/vault-seed.ts";
import { HsmError, messageOf } from "../../errors.ts";
import type { Anchor, Anchored } from "./anchor.ts";
import type { VaultDocument } from "./document/vault-document.ts";
import type { HostState, RememberedLeg, RememberedSlot } from "./host-state.ts";
import { leafFingerprint, leafTitle } from "./leaf-key.ts";
import { neededLegs } from "./unlock/unlock-plan.ts";

/** What vouches for a vault from outside its file. */
export interface PinOptions {
  /** Where this host remembers vaults; without it nothing is compared and nothing kept. */
  readonly state?: HostState | undefined;
  readonly anchor?: Anchor | undefined;
  /** The id the vault must have; settles what this host remembers of another. */
  readonly expectId?: string | undefined;
  /** Take an older generation, a restored backup say, as the one that counts from now on. */
  readonly allowRollback?: boolean | undefined;
}

/**
 * `first-met`: nobody vouched for this vault, it is remembered from now on, and its id is to be shown. `remembered`: as
 * this host knew it. `expected`: as the caller said. `anchored`: as the token knew it. `unknown`: nothing to compare with.
 */
export type VaultTrust = "first-met" | "remembered" | "expected" | "anchored" | "unknown";

export interface PinOutcome {
  readonly trust: VaultTrust;
  /** An older generation was taken, as it was allowed to be. */
  readonly rolledBack: boolean;
}

/** A file as the witnesses see it. */
interface Sighted {
  readonly target: string;
  readonly document: VaultDocument;
  readonly hash: Uint8Array;
}

/**
 * Compares the opened file with what host, token and caller know of it.
 * @throws HsmError `VAULT_ID_OTHER`, `VAULT_ROLLBACK`, `VAULT_STATE_FORGED` (check-failed)
 */
export async function checkPins(sighted: Sighted, options: PinOptions): Promise<PinOutcome> {
  const { target, document } = sighted;
  const { state, anchor, expectId, allowRollback = false } = options;
  if (expectId !== undefined && expectId !== document.id) {
    throw otherId(sighted, expectId, "the id that was expected");
  }
  const anchored = (await anchor?.read()) ?? null;
  const recalled = (await state?.recall(target)) ?? null;
  let rolledBack = false;
  const witnesses = [
    { known: recalled?.vault ?? null, who: "this host" },
    { known: anchored, who: "the token" },
  ];
  for (const { known, who } of witnesses) {
    if (known === null) continue;
    if (known.id !== document.id) {
      if (expectId === undefined) throw otherId(sighted, known.id, `the vault that ${who} knows under this name`);
      continue;
    }
    const problem = olderThan(known, sighted, who);
    if (problem === null) continue;
    if (!allowRollback) throw rollback(sighted, known, problem);
    rolledBack = true;
  }
  if (recalled?.vault.id === document.id && expectId === undefined) checkGenuine(sighted, recalled.isGenuine);
  if (expectId !== undefined) return { trust: "expected", rolledBack };
  if (recalled !== null) return { trust: "remembered", rolledBack };
  if (anchored !== null) return { trust: "anchored", rolledBack };
  return { trust: state === undefined ? "unknown" : "first-met", rolledBack };
}

function checkGenuine({ target, document }: Sighted, isGenuine: (key: Uint8Array) => boolean): void {
  const key = stateKey(document.seed);
  const genuine = isGenuine(key);
  key.fill(0);
  if (genuine) return;
  throw new HsmError("VAULT_STATE_FORGED", "check-failed", `what this host remembers of ${target} was altered`, {
    advice: `compare the id ${document.id} and generation ${document.generation} with what you noted, then give \`--expect-id\``,
  });
}

/** Why the file is not a successor of what was seen, or `null`. */
function olderThan(known: Anchored, { document, hash }: Sighted, who: string): string | null {
  const { generation } = document;
  if (generation < known.generation) return `it is generation ${generation}, and ${who} has seen ${known.generation}`;
  if (generation === known.generation) {
    return equal(hash, known.hash) ? null : `it is not the generation ${generation} that ${who} has seen`;
  }
  const parted =
    generation === known.generation + 1 && (document.previous === null || !equal(document.previous, known.hash));
  return parted ? `generation ${generation} was not built on the ${known.generation} that ${who} has seen` : null;
}

function otherId({ target, document }: Sighted, pinned: string, what: string): HsmError {
  const rekeyed = document.retired.some(({ id }) => id === pinned);
  return new HsmError(
    "VAULT_ID_OTHER",
    "check-failed",
    `${target} is the vault ${document.id}, not ${pinned}, ${what}`,
    {
      advice: rekeyed
        ? `it carries the retired seed of ${pinned}, as after a rekey: compare the id with the one that \`vault rekey\` printed and give \`--expect-id ${document.id}\``
        : `somebody may have put another file in its place; if you did, give \`--expect-id ${document.id}\``,
      details: { expected: pinned, found: document.id, rekeyed },
    },
  );
}

function rollback({ target, document }: Sighted, known: Anchored, problem: string): HsmError {
  return new HsmError("VAULT_ROLLBACK", "check-failed", `${target} is older than it should be: ${problem}`, {
    advice: "take the newer file; if you restored a backup on purpose, give `--allow-rollback`",
    details: {
      id: document.id,
      found: document.generation,
      seen: known.generation,
      seenHash: toHex(known.hash).toLowerCase(),
    },
  });
}

/** Keeps what was seen for the next time. @returns what could not be kept: never a reason to fail what is done already */
export async function rememberVault(
  { target, document, hash }: Sighted,
  header: VaultHeader,
  { state, anchor }: PinOptions,
  { evenOlder, write }: { readonly evenOlder: boolean; readonly write: boolean },
): Promise<string[]> {
  const { id, generation } = document;
  const notes: string[] = [];
  const key = stateKey(document.seed);
  try {
    await state?.remember({ path: target, id, generation, hash, slots: header.slots.map(rememberedSlot) }, key, {
      evenOlder,
    });
  } catch (error) {
    notes.push(messageOf(error));
  } finally {
    key.fill(0);
  }
  try {
    if (write) await anchor?.write({ id, generation, hash });
  } catch (error) {
    notes.push(`the token could not note generation ${generation}: ${messageOf(error)}`);
  }
  return notes;
}

export function rememberedSlot(slot: VaultHeader["slots"][number]): RememberedSlot {
  return { id: slot.id, label: slot.label, needed: neededLegs(slot), legs: leavesOf(slot.holder).map(rememberedLeg) };
}

function rememberedLeg(leaf: Leaf): RememberedLeg {
  const leg = { key: leafFingerprint(leaf), title: leafTitle(leaf) };
  if (!("card" in leaf)) return leg;
  const { serial, deviceKeyHash } = leaf.card;
  return {
    ...leg,
    ...(serial === undefined ? {} : { serial }),
    ...(deviceKeyHash === undefined ? {} : { deviceKeyHash: toHex(deviceKeyHash).toLowerCase() }),
  };
}
