import type { CardCommand } from "../../../apdu/card-command.ts";
import { SW } from "../../../apdu/status-word.ts";
import { HsmError } from "../../../errors.ts";
import { fileIds } from "../file-ids.ts";
import { writeFile } from "../files.ts";
import { refusal } from "../refusals.ts";
import type { Session } from "../session.ts";
import { placeFor } from "./generate.ts";
import { checkKeyReference } from "./token-key.ts";

const patienceMs = 60_000;
const wrapAlgorithm = 0x92;
const unwrapAlgorithm = 0x93;
/** KCV, type, default algorithm and three empty fields, one block, MAC: less cannot be a wrapped key. */
const shortestBlob = 8 + 1 + 10 + 6 + 16 + 16;
const longestBlob = 4_096;
/** Longer ones go through the scratch file: not all readers and cards take them in one command. */
const longestInOneCommand = 1_000;

/** WRAP KEY: the key, encrypted under the DKEK or the key of its domain (reference 05, section 5.4). */
export function wrapKeyCommand(ref: number, session: Pick<Session, "extended" | "token">): CardCommand<Uint8Array> {
  const { extended, token } = session;
  return {
    name: "WRAP KEY",
    apdu: { cla: 0x80, ins: 0x72, p1: ref, p2: wrapAlgorithm, le: extended ? 65_536 : 256 },
    patienceMs,
    parse({ data, sw }) {
      if (sw !== SW.ok) throw refusal("WRAP KEY", sw, token, `key ${ref}`);
      return data;
    },
  };
}

/** UNWRAP KEY, with the blob in the command or, without one, in EF 2F10. `false`: not in this length. */
export function unwrapKeyCommand(ref: number, blob: Uint8Array | undefined, token: string): CardCommand<boolean> {
  return {
    name: "UNWRAP KEY",
    apdu: { cla: 0x80, ins: 0x74, p1: ref, p2: unwrapAlgorithm, data: blob, extended: blob !== undefined },
    patienceMs,
    parse({ sw }) {
      if (sw === SW.ok) return true;
      if (sw === SW.wrongLength && blob !== undefined) return false;
      throw refusal("UNWRAP KEY", sw, token, `key ${ref}`);
    },
  };
}

/**
 * The wrapped key. It opens with the DKEK only; label, id and certificate are not in it. Needs a login.
 * @throws HsmError `NO_DKEK`, `KEY_NOT_EXPORTABLE` (not-supported), `KEY_NOT_FOUND` (usage)
 */
export async function wrapKey(session: Session, ref: number): Promise<Uint8Array> {
  const blob = await session.send(wrapKeyCommand(checkKeyReference(ref), session), "login");
  if (blob.length >= shortestBlob) return blob;
  throw new HsmError("KEY_BLOB_INVALID", "check-failed", `${session.token} gave ${blob.length} bytes as wrapped key`, {
    advice: "there is no backup of this key yet: run the command again",
    token: session.token,
  });
}

/**
 * Puts a wrapped key on the token; description and certificate are the caller's to write. One exchange after the look
 * for a place, more for blobs above 1000 bytes. Needs a login.
 * @param ref key reference that must be free; the first free one when absent
 * @returns the key reference
 * @throws HsmError `KEY_BLOB_INVALID` (check-failed), `KEY_REFERENCE_TAKEN` (conflict) before anything is written;
 *   `KEY_BLOB_REFUSED` (check-failed) for a blob of another DKEK or a damaged one: there is no key then
 */
export async function unwrapKey(session: Session, blob: Uint8Array, ref?: number): Promise<number> {
  if (blob.length < shortestBlob || blob.length > longestBlob) {
    throw new HsmError("KEY_BLOB_INVALID", "check-failed", `${blob.length} bytes are no wrapped key`, {
      advice: "nothing was sent to the token",
    });
  }
  const place = await placeFor(session, ref);
  if (session.extended && blob.length <= longestInOneCommand) {
    if (await session.send(unwrapKeyCommand(place, blob, session.token), "login")) return place;
  }
  await writeFile(session, fileIds.scratch, blob);
  await session.send(unwrapKeyCommand(place, undefined, session.token), "login");
  return place;
}
