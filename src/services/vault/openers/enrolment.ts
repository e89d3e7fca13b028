import type { Leaf } from "../../../crypto/vault/leaf.ts";
import type { KeySource } from "../key-source.ts";

/** A key, credential or phrase that is to open a vault from now on. */
export interface Enrolment {
  readonly leaf: Leaf;
  /** What the operator should know of it, in sentences. */
  readonly warnings: readonly string[];
  /** Opens the leaf: proof, before anything depends on it. Its PIN was presented already, or is asked for now. */
  readonly source: KeySource;
}
