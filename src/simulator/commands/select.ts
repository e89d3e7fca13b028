import { SW } from "../../apdu/status-word.ts";
import { bigEndian, concat, equal } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv } from "../../bytes/tlv.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { fileContent, isKeyFile, keyRulesOf } from "../file-system.ts";
import { forgetLogins } from "../session.ts";
import type { KeyRules } from "../token-state.ts";

/** OID 1.3.6.1.4.1.24991.2.1 as an application identifier (reference 01 section 1.1). */
const applicationId = fromHex("E82B0601040181C31F0201");

/** SELECT (reference 01 sections 1.3 and 1.5). */
export const select: CommandHandler = (card, command) => {
  const { p1, p2 } = command;
  const data = dataOf(command);
  if (p1 === 0x04) return selectApplication(card, data, p2);
  if (!card.session.selected) refuse(SW.insNotSupported);
  if (card.profile.name === "genuine" ? p2 !== 0x00 && p2 !== 0x04 : p2 > 0x07) refuse(SW.wrongP1P2);
  const byPath = p1 === 0x08 || p1 === 0x09;
  if (byPath ? card.profile.name === "genuine" : p1 !== 0x00 && p1 !== 0x02) refuse(SW.wrongP1P2);
  if (data.length !== 2) refuse(byPath && data.length > 0 ? SW.fileNotFound : SW.wrongLength);
  const id = (data[0] as number) * 256 + (data[1] as number);
  const content = fileContent(card, id) ?? refuse(SW.fileNotFound);
  card.session.currentFile = id;
  return ok(card.profile.name === "genuine" ? genuineFile(card, id, content, p2) : picoFile(card, id, content));
};

function selectApplication(card: Card, id: Uint8Array, p2: number) {
  // Another applet than ours: the one that was selected stays so.
  if (!equal(id, applicationId)) refuse(SW.fileNotFound);
  if (card.profile.name === "genuine" ? p2 !== 0x00 && p2 !== 0x04 && p2 !== 0x0c : p2 > 0x07) refuse(SW.wrongP1P2);
  forgetLogins(card.session);
  Object.assign(card.session, { selected: true, currentFile: null });
  const { platform, version } = card.profile;
  const information = encodeTlv(0x85, bigEndian(card.state.options, 2), Uint8Array.of(platform, ...version));
  if (card.profile.name === "genuine") {
    const template = encodeTlv(p2 === 0x04 ? 0x62 : 0x6f, encodeTlv(0x82, Uint8Array.of(0x78)), information);
    return p2 === 0x0c ? ok() : ok(template);
  }
  // The AID is shifted by one byte, as that card's is (traces/README.md, "Where this card differs").
  const name = concat(applicationId.subarray(1), Uint8Array.of(0x30));
  return ok(encodeTlv(0x62, picoHead(0, 0x01, 0), encodeTlv(0x84, name), lifeCycle, information));
}

function genuineFile(card: Card, id: number, content: Uint8Array, p2: number): Uint8Array {
  const rules = keyRulesOf(card, id);
  return encodeTlv(
    p2 === 0x04 ? 0x62 : 0x6f,
    encodeTlv(0x80, bigEndian(content.length, 2)),
    encodeTlv(0x82, Uint8Array.of(isKeyFile(id) ? 0x08 : 0x01)),
    encodeTlv(0x83, bigEndian(id, 2)),
    ...(rules === null ? [] : [encodeTlv(0xa5, encodeRules(rules))]),
  );
}

const lifeCycle = fromHex("8A0105");

function picoFile(card: Card, id: number, content: Uint8Array): Uint8Array {
  const internal = isKeyFile(id) || (id & 0xff) === 0x00 ? 0x08 : 0x01;
  const type = id >> 8 === 0x2f || id >> 8 === 0x50 || id >> 8 === 0xcf || id >> 8 === 0xc9 ? 0x01 : internal;
  const rules = keyRulesOf(card, id);
  const metadata = rules === null ? new Uint8Array(0) : encodeRules(rules);
  return encodeTlv(
    0x62,
    picoHead(content.length, type, id),
    lifeCycle,
    ...(metadata.length === 0 ? [] : [Uint8Array.of(0xa5, 0x81, metadata.length), metadata]),
  );
}

function picoHead(size: number, type: number, id: number): Uint8Array {
  return concat(
    encodeTlv(0x81, bigEndian(size, 2)),
    encodeTlv(0x82, Uint8Array.of(type)),
    encodeTlv(0x83, bigEndian(id, 2)),
  );
}

function encodeRules({ usesLeft, algorithms, domain }: KeyRules): Uint8Array {
  return concat(
    usesLeft === undefined ? new Uint8Array(0) : encodeTlv(0x90, bigEndian(usesLeft, 4)),
    algorithms.length === 0 ? new Uint8Array(0) : encodeTlv(0x91, algorithms),
    domain === 0 ? new Uint8Array(0) : encodeTlv(0x92, Uint8Array.of(domain)),
  );
}
