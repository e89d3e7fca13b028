import type { PluginIdentity } from "../../crypto/age/plugin-keys.ts";
import type { Stanza } from "../../crypto/age/stanza.ts";
import { leavesOf, type Slot } from "../../crypto/vault/leaf.ts";
import { stanzaTypes } from "../../crypto/vault/names.ts";
import { readVaultStanzas } from "../../crypto/vault/vault-header.ts";
import { HsmError } from "../../errors.ts";
import type { TokenHolder } from "../vaults/token-holder.ts";
import { ageKeys } from "./card-keys.ts";
import { isFor, isTagged, keyTag } from "./key-tag.ts";

/** What a file's stanzas have for our identities. */
export type FileWish =
  /** Nothing: no device has to be asked. */
  | { readonly kind: "nothing" }
  | {
      readonly kind: "vault";
      readonly slots: readonly Slot[];
      readonly stanzas: ReadonlyMap<number, readonly Stanza[]>;
    }
  | {
      readonly kind: "keys";
      readonly stanzas: readonly Stanza[];
      /** One of our own kind, or tagged with an identity's key: it is certain whom the file is for. */
      readonly certain: boolean;
    };

/**
 * Tells from the stanzas alone, and from what the identities name, whether a file is for us.
 * @throws HsmError `VAULT_HEADER_INVALID`, `AGE_FILE_INVALID` (check-failed)
 */
export function wishOf(stanzas: readonly Stanza[], identities: readonly PluginIdentity[]): FileWish {
  const any = identities.some(({ kind }) => kind === "any");
  const tags = identities.flatMap((identity) => (identity.kind === "key" ? [identity.tag] : []));
  if (stanzas.some(({ type }) => type === stanzaTypes.slot)) {
    const { header, slotStanzas } = readVaultStanzas(stanzas);
    const slots = header.slots.filter((slot) => any || tags.some((tag) => namesKey(slot, tag)));
    return slots.length === 0 ? { kind: "nothing" } : { kind: "vault", slots, stanzas: slotStanzas };
  }
  const tagged = stanzas.filter((stanza) => tags.some((tag) => isTagged(stanza, tag)));
  if (!any) return tagged.length === 0 ? { kind: "nothing" } : { kind: "keys", stanzas: tagged, certain: true };
  const possible = stanzas.filter(({ type }) => keyStanzas.has(type));
  if (possible.length === 0) return { kind: "nothing" };
  // A malformed one is found before a token is asked about it.
  for (const stanza of possible) isTagged(stanza, new Uint8Array(4));
  const certain = tagged.length > 0 || possible.some(({ type }) => type === stanzaTypes.ecdh);
  return { kind: "keys", stanzas: possible, certain };
}

const keyStanzas: ReadonlySet<string> = new Set(["p256tag", "ssh-rsa", stanzaTypes.ecdh]);

/** An identity of a key chooses the slots that the key opens, alone or with others: those may be anywhere. */
function namesKey({ holder }: Slot, tag: Uint8Array): boolean {
  return leavesOf(holder).some((leaf) => keyTag(leaf).every((byte, i) => byte === tag[i]));
}

/** Slots to be opened, as a vault has them. */
export interface Slots {
  readonly slots: readonly Slot[];
  readonly stanzas: ReadonlyMap<number, readonly Stanza[]>;
  readonly problems: readonly HsmError[];
}

/**
 * The keys on these tokens that the stanzas of a plain age file are for, as slots, so that they are opened by the rules
 * of a vault: silently found first, one PIN for a token.
 */
export async function slotsForKeys(tokens: readonly TokenHolder[], stanzas: readonly Stanza[]): Promise<Slots> {
  const slots: Slot[] = [];
  const own = new Map<number, readonly Stanza[]>();
  const problems: HsmError[] = [];
  for (const token of tokens) {
    try {
      const { device, options } = await token.hold();
      const { keys } = await ageKeys(device.card, options.title);
      for (const { leaf } of keys) {
        for (const stanza of stanzas.filter((one) => isFor(one, leaf))) {
          const id = slots.length + 1;
          slots.push({ id, label: "", created: "", holder: { kind: "one", leaf } });
          own.set(id, [stanza]);
        }
      }
    } catch (error) {
      if (!(error instanceof HsmError) || error.kind === "interrupted") throw error;
      problems.push(error);
    }
  }
  return { slots, stanzas: own, problems };
}
