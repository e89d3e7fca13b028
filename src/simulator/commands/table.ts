import type { CommandHandler } from "../card.ts";
import { getChallenge } from "./challenge.ts";
import { changeReferenceData, resetRetryCounter } from "./change-pin.ts";
import { decipher } from "./decipher.ts";
import { deriveKey } from "./derive-key.ts";
import { externalAuthenticate } from "./external-authenticate.ts";
import { deleteFile, enumerateObjects, readBinary, readBinaryCurrent, updateBinary } from "./files.ts";
import { generalAuthenticate } from "./general-authenticate.ts";
import { generateKeyPair } from "./generate-key-pair.ts";
import { generateSymmetricKey } from "./generate-symmetric-key.ts";
import { initializeDevice } from "./initialize.ts";
import { manageKeyDomain } from "./manage-key-domain.ts";
import { managePublicKeys } from "./manage-public-keys.ts";
import { manageSecurityEnvironment } from "./manage-security-environment.ts";
import { select } from "./select.ts";
import { sign } from "./sign.ts";
import { useSymmetricKey } from "./use-symmetric-key.ts";
import { verify } from "./verify.ts";
import { verifyCertificate } from "./verify-certificate.ts";
import { unwrapKey, wrapKey } from "./wrap-key.ts";

export interface CommandEntry {
  /** CLA without chaining bit: 00 as in ISO 7816-4, 80 proprietary. */
  readonly cla: 0x00 | 0x80;
  readonly run: CommandHandler;
}

/** By instruction (reference 02 section 2.1). What is not here is answered 6D00. */
export const commands: ReadonlyMap<number, CommandEntry> = new Map<number, CommandEntry>([
  [0x20, { cla: 0x00, run: verify }],
  [0x22, { cla: 0x00, run: manageSecurityEnvironment }],
  [0x24, { cla: 0x00, run: changeReferenceData }],
  [0x2a, { cla: 0x00, run: verifyCertificate }],
  [0x2c, { cla: 0x00, run: resetRetryCounter }],
  [0x46, { cla: 0x00, run: generateKeyPair }],
  [0x48, { cla: 0x80, run: generateSymmetricKey }],
  [0x50, { cla: 0x80, run: initializeDevice }],
  [0x52, { cla: 0x80, run: manageKeyDomain }],
  [0x54, { cla: 0x80, run: managePublicKeys }],
  [0x58, { cla: 0x80, run: enumerateObjects }],
  [0x62, { cla: 0x80, run: decipher }],
  [0x68, { cla: 0x80, run: sign }],
  [0x72, { cla: 0x80, run: wrapKey }],
  [0x74, { cla: 0x80, run: unwrapKey }],
  [0x76, { cla: 0x80, run: deriveKey }],
  [0x78, { cla: 0x80, run: useSymmetricKey }],
  [0x82, { cla: 0x00, run: externalAuthenticate }],
  [0x84, { cla: 0x00, run: getChallenge }],
  [0x86, { cla: 0x00, run: generalAuthenticate }],
  [0xa4, { cla: 0x00, run: select }],
  [0xb0, { cla: 0x00, run: readBinaryCurrent }],
  [0xb1, { cla: 0x00, run: readBinary }],
  [0xd7, { cla: 0x00, run: updateBinary }],
  [0xe4, { cla: 0x00, run: deleteFile }],
]);
