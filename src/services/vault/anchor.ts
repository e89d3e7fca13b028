/** What a token remembers of a vault, where it has a place for it: the second witness against an old or a foreign file. */
export interface Anchored {
  /** The vault's id. */
  readonly id: string;
  readonly generation: number;
  /** SHA-256 of the file of that generation. */
  readonly hash: Uint8Array;
}

/** A place on the opener, written while its PIN is verified. */
export interface Anchor {
  /** `null`: nothing was ever kept there. */
  read(): Promise<Anchored | null>;
  write(anchored: Anchored): Promise<void>;
}
