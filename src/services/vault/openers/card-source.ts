import type { KeyInUse, TokenKey } from "../../../cards/smartcard-hsm/keys/token-key.ts";
import type { PinState } from "../../../cards/smartcard-hsm/token-status.ts";
import type { LeafKey } from "../../../crypto/vault/leaf.ts";
import { HsmError } from "../../../errors.ts";
import type { KeySource, LeafMatch, LeafRef } from "../key-source.ts";
import { aesLeafKey } from "./card-aes.ts";
import { type CardLeaf, isCardLeaf, isPublicHalf, keyInUse, mayBeAes, obstacle, type VaultCard } from "./card-keys.ts";

export interface CardSourceOptions {
  /** As messages call the token. */
  readonly title: string;
  /** Asked once, after a key of the vault was found on the card and its counter was read. */
  readonly pin: (counter: PinState) => Promise<Uint8Array>;
  /** Looks at every key, also where one that opens a slot was found already: for `vault status --probe`. */
  readonly thorough?: boolean;
  readonly close?: () => Promise<void>;
}

interface Found {
  readonly ref: LeafRef & { readonly leaf: CardLeaf };
  readonly key: KeyInUse;
  readonly obstacle: HsmError | undefined;
}

/**
 * A SmartCard-HSM as a source of keys. Keys are recognised by their public half, first where the vault says they were,
 * then anywhere on the card: one that was cloned to another token under a DKEK opens the same slot. The PIN is never
 * presented to a card that holds no key of the vault, and at most once.
 */
export function cardSource(card: VaultCard, options: CardSourceOptions): KeySource {
  // More than one only of AES keys: nothing but a computation tells them apart where the vault has no hints.
  const found = new Map<string, Found[]>();
  const secrets: Uint8Array[] = [];
  let login: Promise<void> | undefined;

  const note = async (ref: LeafRef, leaf: CardLeaf, key: KeyInUse): Promise<void> => {
    const metadata = key.metadata ?? (await card.keyMetadata(key.ref));
    const usable = { ...key, metadata };
    const one = { ref: { ...ref, leaf }, key: usable, obstacle: obstacle(leaf.kind, usable, options.title) };
    const others = (found.get(name(ref)) ?? []).filter((other) => other.key.ref !== key.ref);
    found.set(name(ref), [...others, one]);
  };

  return {
    title: options.title,
    kind: "card",
    async match(leaves) {
      const wanted = leaves.filter((ref) => isCardLeaf(ref.leaf));
      for (const ref of wanted) {
        if (!isCardLeaf(ref.leaf)) continue;
        const key = await atHint(card, ref.leaf);
        if (key !== null) await note(ref, ref.leaf, key);
      }
      if (options.thorough === true || !opensAlone(wanted, found)) {
        const missing = wanted.filter((ref) => !found.has(name(ref)));
        const keys = missing.length === 0 ? [] : await card.listKeys();
        for (const ref of missing) {
          const { leaf } = ref;
          if (!isCardLeaf(leaf)) continue;
          const own = (key: TokenKey) =>
            leaf.kind === "card-aes" ? mayBeAes(leaf, key) : isPublicHalf(leaf, key.publicKey);
          const candidates = keys.filter(own);
          for (const key of leaf.kind === "card-aes" ? candidates : candidates.slice(0, 1)) await note(ref, leaf, key);
        }
      }
      return wanted.flatMap((ref): LeafMatch[] => {
        const known = usableFirst(found.get(name(ref)) ?? []);
        if (known === undefined) return [];
        const how = known.ref.leaf.kind === "card-aes" ? "possible" : "certain";
        return [{ ref, how, ...(known.obstacle === undefined ? {} : { note: known.obstacle.message }) }];
      });
    },
    async keys(refs) {
      const matched = refs.flatMap((ref) => (found.get(name(ref)) ?? []).map((known) => ({ given: ref, ...known })));
      const usable = matched.filter((each) => each.obstacle === undefined);
      if (usable.length === 0) {
        const reason = matched.find((each) => each.obstacle !== undefined)?.obstacle;
        if (reason !== undefined) throw reason;
        return new Map();
      }
      // One attempt for the source, whatever became of it: what failed once fails again without being sent.
      login ??= card.loggedIn === "user-pin" ? Promise.resolve() : card.verifyUserPin(options.pin);
      await login;
      const keys = new Map<LeafRef, LeafKey>();
      for (const { given, ref, key } of usable) {
        if (keys.has(given)) continue;
        const leafKey = await leafKeyOf(card, ref.leaf, key);
        if (leafKey === undefined) continue;
        keys.set(given, leafKey);
        if (leafKey.primitive === "x25519") secrets.push(leafKey.secret);
      }
      return keys;
    },
    async close() {
      for (const secret of secrets) secret.fill(0);
      await options.close?.();
    },
  };
}

/** How the card opens a leaf. An AES key computes its secret at once, and may turn out to be another key. */
export async function leafKeyOf(card: VaultCard, leaf: CardLeaf, key: KeyInUse): Promise<LeafKey | undefined> {
  switch (leaf.kind) {
    case "card-ec":
      return { primitive: "ecdh", agree: (point) => card.deriveEcdh(key, point) };
    case "card-rsa":
      return { primitive: "rsa", decryptRaw: (block) => card.decrypt(key, { scheme: "raw" }, block) };
    case "card-aes":
      return aesLeafKey(card, leaf, key);
  }
}

/** The key at the reference of the hint: one exchange for a key pair, three for an AES key. */
async function atHint(card: VaultCard, leaf: CardLeaf): Promise<KeyInUse | null> {
  const { keyRef } = leaf.card;
  if (keyRef === undefined) return null;
  try {
    if (leaf.kind === "card-aes") {
      const key = await card.readKey(keyRef);
      return mayBeAes(leaf, key) ? key : null;
    }
    const publicKey = await card.publicKey(keyRef);
    return publicKey !== null && isPublicHalf(leaf, publicKey) ? keyInUse(keyRef, publicKey, null) : null;
  } catch (error) {
    // Another key is in its place, or what is beside it cannot be read: the list tells.
    if (error instanceof HsmError && (error.kind === "usage" || error.kind === "check-failed")) return null;
    throw error;
  }
}

/** Whether a slot with a single key was found: then the others need not be looked for, at two exchanges a key. */
function opensAlone(wanted: readonly LeafRef[], found: ReadonlyMap<string, readonly Found[]>): boolean {
  return wanted.some((ref) => {
    const [known] = found.get(name(ref)) ?? [];
    if (known === undefined || known.obstacle !== undefined || known.ref.leaf.kind === "card-aes") return false;
    return wanted.filter(({ slot }) => slot === ref.slot).length === 1;
  });
}

function usableFirst(candidates: readonly Found[]): Found | undefined {
  return candidates.find((each) => each.obstacle === undefined) ?? candidates[0];
}

function name({ slot, leg }: LeafRef): string {
  return `${slot}/${leg}`;
}
