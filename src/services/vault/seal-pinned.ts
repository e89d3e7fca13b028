import { randomBytes } from "node:crypto";
import { equal } from "../../bytes/bytes.ts";
import type { ByteSource } from "../../crypto/age/chunker.ts";
import { formatX25519Recipient, parseX25519Recipient } from "../../crypto/age/x25519.ts";
import { HsmError } from "../../errors.ts";
import { lockedVault } from "./locked-vault.ts";
import { sealedTo } from "./sealed-files.ts";
import type { Random } from "./vault-writing.ts";

/**
 * Seals to a vault that stays locked. Its header alone could be anybody's: only a recipient that was noted when the vault
 * was open (`OpenVault.fileRecipient`) says whose it is, and the header has to agree, so that a vault that was rekeyed or
 * exchanged meanwhile is noticed by who seals and not by who wants to open.
 * @param recipient `age1…`
 * @throws HsmError `AGE_KEY_INVALID` (usage), `VAULT_RECIPIENT_OTHER` (check-failed), what `lockedVault` throws
 */
export async function sealPinned(
  path: string,
  recipient: string,
  plain: ByteSource,
  random: Random = randomBytes,
): Promise<AsyncGenerator<Uint8Array>> {
  const pinned = parseX25519Recipient(recipient);
  const { header, target } = await lockedVault(path);
  if (!equal(pinned, header.fileRecipient)) throw otherRecipient(target, recipient, header.fileRecipient);
  return sealedTo(pinned, plain, random);
}

function otherRecipient(target: string, pinned: string, found: Uint8Array): HsmError {
  const other = formatX25519Recipient(found);
  return new HsmError(
    "VAULT_RECIPIENT_OTHER",
    "check-failed",
    `${target} names another recipient of sealed files, ${other}, not ${pinned}`,
    {
      advice:
        "nothing was sealed; it was rekeyed, or is another vault: open it (`hsmadm vault open`) and note the recipient that this prints",
      details: { expected: pinned, found: other },
    },
  );
}
