import { HsmError } from "../../errors.ts";
import type { Leaf, Slot } from "./leaf.ts";

/** The header is that of no vault, or not as this version writes it. */
export function headerInvalid(problem: string, cause?: unknown): HsmError {
  return new HsmError("VAULT_HEADER_INVALID", "check-failed", `not a valid vault header: ${problem}`, {
    advice: "the file is damaged, was changed, or comes from a newer hsmadm; its backup is FILE.bak",
    cause,
  });
}

/** What a program, not a file, asks to be written and cannot stand in a header. */
export function slotInvalid(problem: string, cause?: unknown): HsmError {
  return new HsmError("VAULT_SLOT_INVALID", "usage", `not a slot that a vault can have: ${problem}`, { cause });
}

/** The key that a leaf's owner gave is not the one the slot was made for. */
export function slotKeyWrong(slot: Slot, leaf?: Leaf, cause?: unknown): HsmError {
  const name = `slot ${slot.id}${slot.label === "" ? "" : ` (${slot.label})`}`;
  return new HsmError(
    "VAULT_SLOT_KEY_WRONG",
    leaf?.kind === "passphrase" ? "authentication" : "check-failed",
    leaf === undefined ? `${name} does not open: its parts do not belong together` : `${name}: ${reason(leaf)}`,
    { advice: adviceFor(leaf), details: { slot: slot.id, ...(leaf && { leaf: leaf.kind }) }, cause },
  );
}

function reason(leaf: Leaf): string {
  switch (leaf.kind) {
    case "passphrase":
      return "wrong passphrase";
    case "fido2":
      return "the FIDO2 credential is there, but its secret is not the one of the enrolment";
    case "recovery":
      return "this recovery key is not the one of the slot";
    default:
      return "the card's key does not open it";
  }
}

function adviceFor(leaf: Leaf | undefined): string {
  if (leaf?.kind === "passphrase") return "try again, or open the vault with another slot";
  if (leaf?.kind === "fido2") {
    const how = leaf.credential.uv ? "with" : "without";
    return `it was enrolled ${how} user verification (PIN): open it ${how} it, or use another slot`;
  }
  return "open the vault with another slot; if none opens, compare the file with its backup";
}
