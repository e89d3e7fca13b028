import { join } from "node:path";
import { type Leaf, leavesOf, type Slot } from "../../crypto/vault/leaf.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { fileKeyMemory } from "../../services/keys/keys-memory.ts";
import { leafFingerprint, leafTitle } from "../../services/vault/leaf-key.ts";
import { isCardLeaf } from "../../services/vault/openers/card-keys.ts";
import { isLeafKey, type LeafOnCard, leavesOnCard } from "../../services/vault/openers/card-wipe.ts";
import type { CommandContext } from "../context.ts";
import { keyTitle } from "../keys/key-facts.ts";
import type { Document } from "../output.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import type { OpenToken, TokenHolder } from "./token-holder.ts";
import { refuseLastOpener } from "./vault-guarded.ts";

/** A token that holds keys of the slot that goes. */
interface Doomed {
  readonly token: OpenToken;
  readonly keys: readonly LeafOnCard[];
}

/** What `--wipe` destroys beside the slot, found before anything is written. */
export interface SlotWipe {
  /** What stays where it is, and why, in sentences. */
  readonly notes: readonly string[];
  /** The keys: those found at first, and once it is prepared those that it is sure of. */
  facts(): Document[];
  /** `key 1 "vault", EC secp256r1, on card DENK0105213`, likewise. */
  titles(): string[];
  /** Logs in, and has everything confirmed that is asked before a key is destroyed. Nothing is destroyed yet. */
  prepare(): Promise<void>;
  /** Once no file that is written from now on needs the keys. @throws HsmError `VAULT_WIPED_IN_PART` (partial) */
  destroy(): Promise<void>;
}

/**
 * Looks for the keys of a slot on the tokens that were named; spends no try.
 * @param rest the slots that stay
 * @throws HsmError `VAULT_WIPE_ABSENT` (device) when a key is on none of them, `VAULT_WIPE_NEEDED` (refused) when another
 *   slot needs it, `VAULT_ONLY_OPENER` (refused) when another vault does
 */
export async function slotWipe(
  context: CommandContext,
  slot: Slot,
  rest: readonly Slot[],
  tokens: readonly TokenHolder[],
): Promise<SlotWipe> {
  const leaves = leavesOf(slot.holder);
  const cardLeaves = leaves.filter(isCardLeaf);
  for (const leaf of cardLeaves) refuseNeeded(leaf, rest);
  const doomed = cardLeaves.length === 0 ? [] : await found(tokens, cardLeaves);
  refuseAbsent(slot, cardLeaves, doomed);
  // What is certain is judged before a PIN is asked for; which AES key it is shows only after it.
  for (const each of doomed) await guarded(context, each, ({ leaf }) => leaf.kind !== "card-aes");
  let sure = doomed;
  return {
    notes: leaves.filter((leaf) => !isCardLeaf(leaf)).map(staysWhereItIs),
    facts: () =>
      sure.flatMap(({ token, keys }) =>
        keys.map(({ key }) => ({ token: token.options.title, keyRef: key.ref, keyLabel: key.label })),
      ),
    titles: () => sure.flatMap(({ token, keys }) => keys.map(({ key }) => title(token, key))),
    async prepare() {
      const checked: Doomed[] = [];
      for (const { token, keys } of doomed) {
        const { card } = token.device;
        if (card.loggedIn !== "user-pin") await card.verifyUserPin(token.options.pin);
        const own: LeafOnCard[] = [];
        for (const key of keys) if (await isLeafKey(card, key)) own.push(key);
        if (own.length > 0) checked.push({ token, keys: own });
      }
      refuseAbsent(slot, cardLeaves, checked);
      sure = checked;
      for (const each of sure) await confirmed(context, each, await guarded(context, each, () => true));
    },
    async destroy() {
      for (const { token, keys } of sure) await destroyed(context, slot, token, keys);
    },
  };
}

async function found(
  tokens: readonly TokenHolder[],
  leaves: Parameters<typeof leavesOnCard>[1],
): Promise<readonly Doomed[]> {
  const doomed: Doomed[] = [];
  for (const holder of tokens) {
    const token = await holder.hold().catch((error: unknown) => {
      // A FIDO2 device in a reader, named to open the vault.
      if (error instanceof HsmError && error.code === "NOT_A_SMARTCARD_HSM") return undefined;
      throw error;
    });
    if (token === undefined) continue;
    const keys = await leavesOnCard(token.device.card, leaves);
    if (keys.length > 0) doomed.push({ token, keys });
  }
  return doomed;
}

/** The vaults that hang on these keys, in words. @throws HsmError `VAULT_ONLY_OPENER` (refused) */
async function guarded(
  context: CommandContext,
  { token, keys }: Doomed,
  counts: (key: LeafOnCard) => boolean,
): Promise<string[]> {
  const going = keys.filter(counts).map(({ key }) => key);
  return going.length === 0 ? [] : refuseLastOpener(context, token.device.card, token.options.title, going);
}

async function confirmed(context: CommandContext, { token, keys }: Doomed, vaults: readonly string[]): Promise<void> {
  const { serial } = await token.device.card.identity();
  await confirmDestruction(context, {
    losses: [...keys.map(({ key }) => title(token, key)), ...vaults],
    serial: serial || token.options.title,
    exact: token.device.exact,
  });
}

function title({ options }: OpenToken, key: LeafOnCard["key"]): string {
  return `${keyTitle(key)}, on ${options.title}`;
}

async function destroyed(
  { paths }: CommandContext,
  slot: Slot,
  { device, options }: OpenToken,
  keys: readonly LeafOnCard[],
): Promise<void> {
  const { card } = device;
  for (const { key } of keys) {
    try {
      await card.deleteKey(key.ref);
    } catch (cause) {
      throw new HsmError(
        "VAULT_WIPED_IN_PART",
        "partial",
        `slot ${slot.id} is removed, but ${keyTitle(key)} is still on ${options.title}: ${messageOf(cause)}`,
        { advice: `\`hsmadm key delete ref:${key.ref}\` destroys it`, token: options.title, cause },
      );
    }
  }
  await fileKeyMemory(join(paths.state, "keys.json")).forget((await card.identity()).key);
}

function refuseNeeded(leaf: Leaf, rest: readonly Slot[]): void {
  const other = rest.find(({ holder }) =>
    leavesOf(holder).some((each) => leafFingerprint(each) === leafFingerprint(leaf)),
  );
  if (other === undefined) return;
  throw new HsmError("VAULT_WIPE_NEEDED", "refused", `${leafTitle(leaf)} is needed by slot ${other.id} too`, {
    advice: "nothing was changed; leave --wipe away, or remove that slot first",
  });
}

function refuseAbsent(slot: Slot, leaves: readonly Leaf[], doomed: readonly Doomed[]): void {
  const there = new Set<Leaf>(doomed.flatMap(({ keys }) => keys.map(({ leaf }) => leaf)));
  const absent = leaves.filter((leaf) => !there.has(leaf));
  if (absent.length === 0) return;
  throw new HsmError(
    "VAULT_WIPE_ABSENT",
    "device",
    `${absent.map(leafTitle).join(", ")} of slot ${slot.id} is on none of the tokens that were named`,
    { advice: "nothing was changed; name its token with --device too, or leave --wipe away" },
  );
}

/** What `--wipe` cannot destroy, so that nobody believes it did. */
function staysWhereItIs(leaf: Leaf): string {
  switch (leaf.kind) {
    case "fido2":
      return `${leafTitle(leaf)}: nothing to wipe; the device does not store this credential, it was kept in the vault's file alone. With an old copy of the file the device opens it still, until the device is reset`;
    case "recovery":
      return `${leafTitle(leaf)}: nothing to wipe; destroy the paper and the file yourself`;
    default:
      return `${leafTitle(leaf)}: nothing to wipe; it is stored nowhere`;
  }
}
