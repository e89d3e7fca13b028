import { equal, utf8Text } from "../../../bytes/bytes.ts";
import { newX25519Identity, parseX25519Identity, parseX25519Recipient } from "../../../crypto/age/x25519.ts";
import type { LeafKey, RecoveryLeaf } from "../../../crypto/vault/leaf.ts";
import { HsmError } from "../../../errors.ts";
import type { KeySource, LeafRef } from "../key-source.ts";
import type { Enrolment } from "./enrolment.ts";

/**
 * A recovery key, or several in one file, as `age-keygen` and we write them: lines with `AGE-SECRET-KEY-1…`, comments
 * behind `#`. It is read at once: nothing is asked for later.
 * @throws HsmError `RECOVERY_KEY_INVALID` (usage), which never repeats the text
 */
export function recoverySource(text: Uint8Array, title = "recovery key"): KeySource {
  const pairs = identitiesIn(text);
  const pairOf = ({ leaf }: LeafRef) =>
    leaf.kind === "recovery" ? pairs.find(({ publicKey }) => equal(publicKey, leaf.publicKey)) : undefined;
  return {
    title,
    kind: "recovery",
    match: async (leaves) => leaves.filter((ref) => pairOf(ref) !== undefined).map((ref) => ({ ref, how: "certain" })),
    async keys(refs) {
      const keys = new Map<LeafRef, LeafKey>();
      for (const ref of refs) {
        const pair = pairOf(ref);
        if (pair !== undefined) keys.set(ref, { primitive: "x25519", secret: pair.secret });
      }
      return keys;
    },
    async close() {
      for (const { secret } of pairs) secret.fill(0);
    },
  };
}

/** A leaf for a fresh recovery key, and the key: its only copy. */
export function enrolRecovery(): Enrolment & { readonly identity: string; readonly recipient: string } {
  const { identity, recipient } = newX25519Identity();
  const leaf: RecoveryLeaf = { kind: "recovery", publicKey: parseX25519Recipient(recipient) };
  return { identity, recipient, leaf, warnings: [], source: recoverySource(new TextEncoder().encode(identity)) };
}

function identitiesIn(text: Uint8Array): readonly ReturnType<typeof parseX25519Identity>[] {
  const lines = (utf8Text(text) ?? "")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (lines.length === 0) throw invalid("there is none");
  return lines.map((line, i) => {
    try {
      return parseX25519Identity(line);
    } catch (cause) {
      throw invalid(lines.length === 1 ? "it was mistyped, or is something else" : `line ${i + 1} is none`, cause);
    }
  });
}

function invalid(why: string, cause?: unknown): HsmError {
  return new HsmError("RECOVERY_KEY_INVALID", "usage", `that is no recovery key (AGE-SECRET-KEY-1…): ${why}`, {
    advice: "it has a checksum, so a slip of the pen is found: read it again from the paper or the file",
    cause,
  });
}
