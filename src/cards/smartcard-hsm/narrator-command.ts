import type { CommandApdu } from "../../apdu/command.ts";
import { equal } from "../../bytes/bytes.ts";
import { hexNumber, toHex } from "../../bytes/hex.ts";
import { readTlv, tagName } from "../../bytes/tlv.ts";
import { applicationId, optionNames } from "./application.ts";
import { fileName } from "./file-names.ts";
import { type Fact, fact, outline } from "./narrator-facts.ts";

/** What a command says beyond its name. @param hidden whether bytes of its data are not known */
export function commandFacts(command: CommandApdu, hidden: boolean): Fact[] {
  const { cla, ins, p1, p2, le } = command;
  const data = command.data ?? new Uint8Array(0);
  switch ((cla & ~0x10) * 256 + ins) {
    case 0x00a4:
      if (p1 === 0x04) return [fact("application", equal(data, applicationId) ? "SmartCard-HSM" : toHex(data))];
      return data.length === 2 ? [fact("file", fileName(number(data)))] : outline(data);
    case 0x00b1:
    case 0x00b0:
      return [
        ...(p1 + p2 === 0 ? [] : [fact("file", fileName(p1 * 256 + p2))]),
        fact("offset", String(offsetIn(data) ?? (ins === 0xb0 ? p1 * 256 + p2 : 0))),
      ];
    case 0x00d7:
      return hidden || data.length > 0 ? writtenFacts(p1 * 256 + p2, data) : [];
    case 0x00e4:
      return data.length === 2 ? [fact("file", fileName(number(data)))] : [];
    case 0x0020:
    case 0x0024:
    case 0x002c:
      return data.length === 0 ? [] : [fact("presented", `${data.length} bytes${hidden ? ", hidden" : ""}`)];
    case 0x0084:
      return le === undefined ? [] : [fact("wanted", `${le} bytes`)];
    case 0x8050:
      return initializeFacts(data);
    case 0x8068:
      return [fact("algorithm", hexNumber(p2, 2)), fact("to sign", `${data.length} bytes`)];
    default:
      if (data.length === 0) return [];
      return hidden ? [fact("data", `${data.length} bytes, hidden`)] : outline(data);
  }
}

function writtenFacts(fid: number, data: Uint8Array): Fact[] {
  try {
    const offset = readTlv(data, "UPDATE BINARY");
    const content = readTlv(data, "UPDATE BINARY", offset.raw.length);
    return [
      fact("file", fileName(fid)),
      fact("offset", String(number(offset.value))),
      fact("content", `${content.value.length} bytes`),
    ];
  } catch {
    return [fact("file", fileName(fid)), fact("data", `${data.length} bytes`)];
  }
}

/** The objects of INITIALIZE DEVICE (reference 02, section 2.9). PINs are told by their length alone, hidden or not. */
function initializeFacts(data: Uint8Array): Fact[] {
  const facts: Fact[] = [];
  try {
    for (let at = 0; at < data.length; ) {
      const { tag, value, raw } = readTlv(data, "INITIALIZE DEVICE", at);
      at += raw.length;
      facts.push(initializeFact(tag, value));
    }
    return facts;
  } catch {
    return [fact("data", `${data.length} bytes`)];
  }
}

function initializeFact(tag: number, value: Uint8Array): Fact {
  const [first = 0, second = 0] = value;
  switch (tag) {
    case 0x80: {
      const names = optionNames(first * 256 + second);
      return fact("options", `${toHex(value)}${names.length === 0 ? "" : ` (${names.join(", ")})`}`);
    }
    case 0x81:
      return fact("user PIN", `${value.length} bytes`);
    case 0x82:
      return fact("SO-PIN", `${value.length} bytes`);
    case 0x91:
      return fact("tries of the user PIN", String(first));
    case 0x92:
      return fact("DKEK", first === 0 ? "made inside" : `${first} shares`);
    case 0x93:
      return fact("public keys", `${second} of ${first}`);
    case 0x97:
      return fact("key domains", String(first));
    default:
      return fact(tagName(tag), `${value.length} bytes`);
  }
}

/** The offset data object 54 names. */
export function offsetIn(data: Uint8Array): number | undefined {
  if (data[0] !== 0x54) return undefined;
  try {
    return number(readTlv(data, "offset").value);
  } catch {
    return undefined;
  }
}

function number(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}
