import type { KeyVerbs } from "../../cards/smartcard-hsm/keys/key-verbs.ts";
import type { TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { DkekState, TokenIdentity } from "../../cards/smartcard-hsm/token-status.ts";
import { HsmError } from "../../errors.ts";

/** What backup and restore want of a card: `SmartCardHsm` has it. */
export interface BackupSource {
  identity(): Promise<TokenIdentity>;
  label(): Promise<string | null>;
  keyDomains(): Promise<readonly DkekState[]>;
  listFiles(): Promise<number[]>;
  readFile(fid: number): Promise<Uint8Array>;
  listKeys(wanted: { readonly metadata: boolean }): Promise<TokenKey[]>;
  wrapKey: KeyVerbs["wrapKey"];
}

export interface RestoreTarget extends BackupSource {
  unwrapKey: KeyVerbs["unwrapKey"];
  writeKeyDescription(ref: number, description: Uint8Array): Promise<void>;
  writeKeyCertificate: KeyVerbs["writeKeyCertificate"];
  deleteKey: KeyVerbs["deleteKey"];
  writeFile(fid: number, bytes: Uint8Array): Promise<void>;
  deleteFile(fid: number): Promise<void>;
}

/** The file, or `null` where there is none. */
export async function readIfThere(card: Pick<BackupSource, "readFile">, fid: number): Promise<Uint8Array | null> {
  try {
    const bytes = await card.readFile(fid);
    return bytes.length === 0 ? null : bytes;
  } catch (error) {
    if (error instanceof HsmError && error.code === "FILE_NOT_FOUND") return null;
    throw error;
  }
}
