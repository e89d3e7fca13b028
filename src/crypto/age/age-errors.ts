import { HsmError } from "../../errors.ts";

/**
 * What stands in the file (header, stanza, armor around it) is not what the age format allows (C2SP age.md).
 * The reader is strict to the letter: two programs that read one header differently are how attacks begin.
 */
export function invalidFile(problem: string, cause?: unknown): HsmError {
  return new HsmError("AGE_FILE_INVALID", "check-failed", `not a valid age file: ${problem}`, {
    advice: "the file is damaged or was changed; take another copy of it",
    cause,
  });
}

/** A key text (identity or recipient) that is none. The text itself may be secret: it is never quoted. */
export function invalidKeyText(what: string, cause?: unknown): HsmError {
  return new HsmError("AGE_KEY_INVALID", "usage", `not ${what}`, {
    advice: "copy it again in full: a checksum in it finds every slip",
    cause,
  });
}
