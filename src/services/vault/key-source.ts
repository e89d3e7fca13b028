import type { Leaf, LeafKey } from "../../crypto/vault/leaf.ts";

/** A leaf where it stands: leg 0 of a slot that one key opens, else the leg's index. */
export interface LeafRef {
  readonly slot: number;
  readonly leg: number;
  readonly leaf: Leaf;
}

export interface LeafMatch {
  /** One of those that were asked about, the same object. */
  readonly ref: LeafRef;
  /** `certain`: this very key or credential is here. `possible`: only asking would tell. */
  readonly how: "certain" | "possible";
  /** For the report when nothing opens, for example "2 tries left". */
  readonly note?: string;
}

export type KeySourceKind = "card" | "fido2" | "passphrase" | "recovery";

/** What a device, a passphrase or a recovery file is to the vault. */
export interface KeySource {
  /** As people call it: `card DENK0105213`, `recovery.txt`. */
  readonly title: string;
  readonly kind: KeySourceKind;
  /** Silent: spends no try, asks nobody, needs no touch. */
  match(leaves: readonly LeafRef[]): Promise<readonly LeafMatch[]>;
  /**
   * May ask for a PIN or a touch; at most one VERIFY per source per run, also over several calls. A leaf it cannot serve
   * after all is missing in the answer. The keys stay usable until `close`.
   */
  keys(refs: readonly LeafRef[]): Promise<ReadonlyMap<LeafRef, LeafKey>>;
  close(): Promise<void>;
}
