import type { CommandApdu } from "../../apdu/command.ts";
import { SW } from "../../apdu/status-word.ts";
import { bigEndian, concat } from "../../bytes/bytes.ts";
import { readTlv, type Tlv } from "../../bytes/tlv.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse, requireLogin } from "../card.ts";
import {
  type Access,
  deleteAccess,
  enumerate,
  fileContent,
  isKeyFile,
  readAccess,
  writeAccess,
} from "../file-system.ts";
import { requireMemory } from "../memory.ts";
import { fid } from "../token-state.ts";

/** Largest file: what the two bytes of the size in an FCI can say, and some card memory. */
const maxFile = 0x7fff;

const offsetTag = 0x54;
const dataTag = 0x53;

/** READ BINARY B1: file id in P1-P2, offset in data object 54 (reference 02 section 2.2). */
export const readBinary: CommandHandler = (card, command) => {
  const id = fileAt(card, command);
  const offset = offsetOf(card, readTlv(dataOf(command), "READ BINARY"));
  return readAt(card, id, offset, command.le);
};

/** READ BINARY B0: offset in P1-P2, of the file that was selected. */
export const readBinaryCurrent: CommandHandler = (card, command) => {
  const id = card.session.currentFile ?? refuse(SW.noCurrentFile);
  return readAt(card, id, command.p1 * 256 + command.p2, command.le);
};

function readAt(card: Card, id: number, offset: number, le: number | undefined) {
  const content = fileContent(card, id) ?? refuse(SW.fileNotFound);
  permit(card, readAccess(id));
  card.session.currentFile = id;
  if (card.profile.name === "pico") {
    if (offset > content.length) refuse(SW.endOfFile);
    return ok(content.subarray(offset, offset + card.profile.maxResponse));
  }
  if (offset > content.length) refuse(SW.offsetOutside);
  const wanted = Math.min(le ?? 0, card.profile.maxResponse);
  const data = content.subarray(offset, offset + wanted);
  return data.length < wanted ? { data, sw: SW.endOfFile } : ok(data);
}

/** UPDATE BINARY D7: offset in 54, bytes in 53; makes the file if it is not there (reference 02 section 2.3). */
export const updateBinary: CommandHandler = (card, command) => {
  requireLogin(card);
  const body = dataOf(command);
  const offsetObject = readTlv(body, "UPDATE BINARY");
  const offset = offsetOf(card, offsetObject);
  const data = readTlv(body, "UPDATE BINARY", offsetObject.raw.length);
  if (data.tag !== dataTag || offsetObject.raw.length + data.raw.length !== body.length)
    refuse(card.profile.sw.malformed);
  const id = fileAt(card, command);
  permit(card, writeAccess(card, id));
  const old = card.state.files.get(id) ?? new Uint8Array(0);
  const end = offset + data.value.length;
  if (end > maxFile) refuse(SW.notEnoughMemory);
  if (card.profile.updateReplaces && offset > 0 && old.length === 0) refuse(SW.referenceDataNotUsable);
  if (offset > old.length) refuse(SW.offsetOutside);
  // The scratch file holds one thing at a time: what the last command left in it is of no use to the next.
  if (end > old.length) requireMemory(card, end - old.length);
  const replaces = card.profile.updateReplaces || id === fid.scratch;
  const tail = replaces && offset === 0 ? new Uint8Array(0) : old.subarray(end);
  card.state.files.set(id, concat(old.subarray(0, offset), data.value, tail));
  card.session.currentFile = id;
  card.changed();
  return ok();
};

/** DELETE FILE (reference 02 section 2.5). Deleting a key leaves its description and its certificate. */
export const deleteFile: CommandHandler = (card, command) => {
  requireLogin(card);
  const data = dataOf(command);
  if (card.profile.name === "genuine" && (command.p1 !== 0x02 || (command.p2 !== 0x00 && command.p2 !== 0x80))) {
    refuse(SW.wrongP1P2);
  }
  if (data.length !== 2) refuse(SW.wrongLength);
  const id = (data[0] as number) * 256 + (data[1] as number);
  if (fileContent(card, id) === null) refuse(SW.fileNotFound);
  permit(card, deleteAccess(card, id));
  if (isKeyFile(id)) card.state.keys.delete(id & 0xff);
  else card.state.files.delete(id);
  if (card.session.currentFile === id) card.session.currentFile = null;
  card.changed();
  return ok();
};

/** ENUMERATE OBJECTS: file ids, two bytes each. No login needed. */
export const enumerateObjects: CommandHandler = (card) => ok(concat(...enumerate(card).map((id) => bigEndian(id, 2))));

function permit(card: Card, access: Access): void {
  if (access === "never") refuse(SW.securityStatusNotSatisfied);
  if (access === "login") requireLogin(card);
}

/** File named by P1-P2; 0000 is the one selected. */
function fileAt(card: Card, command: CommandApdu): number {
  const id = command.p1 * 256 + command.p2;
  if (id !== 0) return id;
  return card.session.currentFile ?? refuse(card.profile.name === "pico" ? SW.fileNotFound : SW.noCurrentFile);
}

function offsetOf(card: Card, object: Tlv): number {
  const { tag, value } = object;
  if (tag !== offsetTag || value.length === 0 || value.length > 4) refuse(card.profile.sw.malformed);
  return value.reduce((offset, byte) => offset * 256 + byte, 0);
}
