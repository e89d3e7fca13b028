/** What is said every time about the lock and the backup of a Pico FIDO. */
export const picoWords = {
  notHeld:
    "Not in the backup: resident credentials (passkeys) as far as a site does not name them, the PIN, OATH, OTP and settings.",
  tied: "The token is tied to this computer now, and locked after every plug-in: then `hsmadm fido secure unlock`.",
  bothNeeded: "The backup is of use with the words of the host key only; keep them apart from it.",
  alternative: "Without such a lock: a second token in a slot of the vault, `hsmadm vault slot add FILE fido`.",
  unplugNow: "Unplug the token now, before anything else is done with it: credentials made before that would be lost.",
} as const;
