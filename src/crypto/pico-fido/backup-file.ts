import { createPublicKey, sign, verify } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { blobLength, judgeBlob } from "./backup-blob.ts";
import { hostSigningKey } from "./host-key.ts";

/** `01 || blob || signature`, as the older tool writes it too. */
interface PicoFidoBackup {
  /** The encrypted device key, 60 bytes. */
  readonly blob: Uint8Array;
  /** ECDSA-SHA-256 over the blob by the host key, in DER. */
  readonly signature: Uint8Array;
}

const formatVersion = 1;
/** Two integers of 33 bytes, their heads, the sequence's head. */
const longestSignature = 72;

/** @throws HsmError `BACKUP_FILE_INVALID` (check-failed) */
export function parsePicoFidoBackup(file: Uint8Array): PicoFidoBackup {
  const [version] = file;
  if (version === undefined) throw invalid("it is empty");
  if (version !== formatVersion) throw invalid(`it begins with ${version}, not with ${formatVersion}`);
  const blob = file.slice(1, 1 + blobLength);
  const signature = file.slice(1 + blobLength);
  // The older tool wrote such a file when the token was not unplugged after `secure disable`.
  if (file.length <= 1 + longestSignature) throw invalid(`it has ${file.length} bytes and holds no device key`);
  if (signature.length > longestSignature) throw invalid(`it has ${file.length} bytes, more than any backup`);
  return { blob, signature };
}

/** @param blob 60 bytes that the host key opens */
export function buildPicoFidoBackup(blob: Uint8Array, hostKey: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(formatVersion), blob, sign("sha256", blob, hostSigningKey(hostKey)));
}

/**
 * The blob of a backup file for which everything holds: form, signature, and that the host key opens it to a device key
 * that is not zero. Needs no token.
 * @throws HsmError `BACKUP_FILE_INVALID`, `BACKUP_KEY_WRONG` (check-failed)
 */
export function checkPicoFidoBackup(file: Uint8Array, hostKey: Uint8Array): Uint8Array {
  const { blob, signature } = parsePicoFidoBackup(file);
  const key = createPublicKey(hostSigningKey(hostKey));
  if (!verify("sha256", blob, key, signature)) throw wrongKey();
  const verdict = judgeBlob(blob, hostKey);
  if (verdict === "other-key") throw wrongKey();
  if (verdict === "zero-key")
    throw invalid("the device key in it is zero: it was saved from a token that had lost its key");
  return blob;
}

function invalid(problem: string): HsmError {
  return new HsmError("BACKUP_FILE_INVALID", "check-failed", `this is no backup of a Pico FIDO: ${problem}`, {
    advice: "use another copy of the backup; nothing was sent to a token",
  });
}

/** Which of the two it is cannot be told: both fail in the same place. */
function wrongKey(): HsmError {
  return new HsmError(
    "BACKUP_KEY_WRONG",
    "check-failed",
    "the host key does not fit the backup, or the backup was changed",
    { advice: "check the words, their order and the file; nothing was sent to a token" },
  );
}
