import type { CommandApdu } from "../../apdu/command.ts";
import { hexNumber } from "../../bytes/hex.ts";
import { readTlv } from "../../bytes/tlv.ts";
import { pinName } from "./pins.ts";

/** Half-open ranges in the data field of a command; `all` for the whole field. */
export type SecretData = "all" | "none" | readonly { readonly start: number; readonly end: number }[];

/** What of one command of the SmartCard-HSM is secret. */
export interface RedactionRule {
  /** The exchange in words. */
  readonly note: string;
  readonly data: SecretData;
  /** Whether the answer is secret, status word apart. */
  readonly answer: boolean;
}

const open = (note: string): RedactionRule => ({ note, data: "none", answer: false });
const secretData = (note: string): RedactionRule => ({ note, data: "all", answer: false });
const secretAnswer = (note: string): RedactionRule => ({ note, data: "none", answer: true });
/** Also for commands that have no answer: a card that echoes what it was sent must not get it into a trace. */
const secret = (note: string): RedactionRule => ({ note, data: "all", answer: true });

/** What nobody has looked at is secret as a whole. */
export function unknownCommand({ cla, ins }: CommandApdu): RedactionRule {
  return secret(`unknown command ${hexNumber(cla, 2)} ${hexNumber(ins, 2)}`);
}

/**
 * The rule for a command of the selected applet: an allow-list by class and instruction (reference 02).
 * @param selectedFile the elementary file that FID 0000 stands for, where known
 * @param whole `false` for a part of a command chain, whose data cannot be looked into
 */
export function ruleFor(command: CommandApdu, selectedFile: number | undefined, whole: boolean): RedactionRule {
  const { cla, ins, p1, p2 } = command;
  const data = command.data ?? new Uint8Array(0);
  const key = `key ${hexNumber(p1, 2)}`;
  switch (cla * 256 + ins) {
    case 0x00a4:
      return open(p1 === 0x04 ? "SELECT application" : `SELECT file ${data.length === 2 ? fidOf(data) : ""}`.trimEnd());
    case 0x0020:
      return data.length === 0 ? open(`VERIFY: state of ${reference(p2)}`) : secret(`VERIFY ${reference(p2)}`);
    case 0x0024:
      return secret(`CHANGE REFERENCE DATA ${reference(p2)}`);
    case 0x002c:
      return secret("RESET RETRY COUNTER");
    case 0x8050:
      if (data.length === 0) return open("INITIALIZE DEVICE: state");
      return { note: "INITIALIZE DEVICE", data: whole ? initializeSecrets(data) : "all", answer: true };
    case 0x8052:
      return manageKeyDomain(p1, p2, data);
    case 0x00b0:
    case 0x00b1: {
      const fid = ins === 0xb1 && p1 * 256 + p2 !== 0 ? p1 * 256 + p2 : selectedFile;
      const note = `READ BINARY ${fid === undefined ? "of the selected file" : hexNumber(fid, 4)}`;
      return fid !== undefined && isPublicFile(fid) ? open(note) : secretAnswer(note);
    }
    case 0x00d7: {
      const fid = p1 * 256 + p2 !== 0 ? p1 * 256 + p2 : selectedFile;
      const note = `UPDATE BINARY ${fid === undefined ? "of the selected file" : hexNumber(fid, 4)}`;
      if (fid !== undefined && isPublicFile(fid)) return open(note);
      return { note, data: whole ? writtenBytes(data) : "all", answer: false };
    }
    case 0x00e4:
      return open(`DELETE FILE ${data.length === 2 ? fidOf(data) : ""}`.trimEnd());
    case 0x8058:
      return open("ENUMERATE OBJECTS");
    // Eight bytes are a challenge that travels in the open; anything else may have become a key or a password.
    case 0x0084:
      return command.le === 8 ? open("GET CHALLENGE") : secretAnswer("GET CHALLENGE: random bytes");
    case 0x0046:
      // 8A in the template is a private key to be imported (development cards).
      return { note: `GENERATE ASYMMETRIC KEY PAIR ${key}`, data: whole ? importedKey(data) : "all", answer: false };
    case 0x8048:
      return open(`GENERATE SYMMETRIC KEY ${key}`);
    case 0x8068:
      return sign(p2, key);
    case 0x8062:
      return secretAnswer(p2 >= 0x80 ? `ECDH ${key}` : `DECIPHER ${key}`);
    case 0x8078:
      return symmetric(p2, key);
    case 0x8076:
      return secretData(`DERIVE EC KEY ${key}`);
    case 0x8072:
      return open(`WRAP KEY ${key}`);
    case 0x8074:
      return open(`UNWRAP KEY ${key}`);
    case 0x8054:
      return open("MANAGE PUBLIC KEY AUTHENTICATION");
    case 0x805a:
      return secret("GENERATE SESSION PIN");
    case 0x0022:
      return open("MANAGE SECURITY ENVIRONMENT");
    case 0x002a:
      // Other forms of PERFORM SECURITY OPERATION decipher.
      return p1 === 0x00 && p2 === 0xbe ? open("VERIFY CERTIFICATE") : secret("PERFORM SECURITY OPERATION");
    case 0x0082:
      return open("EXTERNAL AUTHENTICATE");
    case 0x0086:
      // A key made for the moment, no secret: masked, as no replay would send the same one.
      return secretData("GENERAL AUTHENTICATE");
    default:
      return unknownCommand(command);
  }
}

function manageKeyDomain(p1: number, domain: number, data: Uint8Array): RedactionRule {
  const of = `key domain ${domain}`;
  if (p1 === 0x00) return data.length === 0 ? open(`state of ${of}`) : secret(`import key share into ${of}`);
  if (p1 === 0x01 && data.length <= 1) return open(`create ${of}`);
  if (p1 === 0x02) return open(`create XKEK ${of}`);
  if (p1 === 0x03 && data.length === 0) return open(`delete ${of}`);
  if (p1 === 0x04 && data.length === 0) return open(`delete key of ${of}`);
  return secret(`MANAGE KEY DOMAIN ${hexNumber(p1, 2)}`);
}

function sign(algorithm: number, key: string): RedactionRule {
  // A raw RSA signature is a decryption of whatever was sent.
  if (algorithm === 0x20) return secretAnswer(`SIGN raw ${key}`);
  if (algorithm === 0x30 || algorithm === 0x40 || algorithm === 0x70) return open(`SIGN ${key}`);
  const onCard = (algorithm >= 0x31 && algorithm <= 0x35) || (algorithm >= 0x41 && algorithm <= 0x45);
  // The card hashes: the command carries the message itself.
  if (onCard || (algorithm >= 0x71 && algorithm <= 0x75)) return secretData(`SIGN message ${key}`);
  return secret(`SIGN ${hexNumber(algorithm, 2)} ${key}`);
}

function symmetric(algorithm: number, key: string): RedactionRule {
  if (algorithm === 0x10) return secretData(`ENCIPHER AES ${key}`);
  if (algorithm === 0x11) return secretAnswer(`DECIPHER AES ${key}`);
  return secret(
    `${algorithm === 0x18 ? "CMAC" : algorithm === 0x99 ? "DERIVE" : `AES ${hexNumber(algorithm, 2)}`} ${key}`,
  );
}

/** Files that anybody may read without a login (reference 03, section 3.1); CDxx is not, and unlisted ones are not known. */
export function isPublicFile(fid: number): boolean {
  const prefix = fid >> 8;
  // 2F10 takes wrapped keys, which are encrypted, and requests, which are public.
  if (prefix === 0x2f) return fid === 0x2f00 || fid === 0x2f02 || fid === 0x2f03 || fid === 0x2f10;
  return [0xc4, 0xc8, 0xc9, 0xca, 0xcb, 0xce, 0xcf].includes(prefix);
}

/** Values of 81 (user PIN) and 82 (SO-PIN). What cannot be read as the card would is secret whole. */
function initializeSecrets(data: Uint8Array): SecretData {
  const openTags = new Set([0x80, 0x91, 0x92, 0x93, 0x95, 0x96, 0x97]);
  const ranges: { start: number; end: number }[] = [];
  try {
    for (let at = 0; at < data.length; ) {
      const object = readTlv(data, "INITIALIZE", at);
      at += object.raw.length;
      if (!openTags.has(object.tag)) ranges.push({ start: at - object.value.length, end: at });
    }
    return ranges;
  } catch {
    return "all";
  }
}

/** What stands behind the offset (54) and the head of the content (53). */
function writtenBytes(data: Uint8Array): SecretData {
  try {
    const offset = readTlv(data, "UPDATE BINARY");
    const content = readTlv(data, "UPDATE BINARY", offset.raw.length);
    if (offset.tag !== 0x54 || offset.value.length > 4 || content.tag !== 0x53) return "all";
    return [{ start: offset.raw.length + content.raw.length - content.value.length, end: data.length }];
  } catch {
    return "all";
  }
}

function importedKey(data: Uint8Array): SecretData {
  try {
    for (let at = 0; at < data.length; ) {
      const object = readTlv(data, "key template", at);
      at += object.raw.length;
      if (object.tag === 0x8a) return "all";
      if (object.tag !== 0x7f49) continue;
      for (let inner = 0; inner < object.value.length; ) {
        const part = readTlv(object.value, "public key template", inner);
        inner += part.raw.length;
        if (part.tag === 0x8a) return "all";
      }
    }
    return "none";
  } catch {
    return "all";
  }
}

function reference(p2: number): string {
  if (p2 === 0x81) return pinName("user-pin");
  return p2 === 0x88 ? pinName("so-pin") : `reference ${hexNumber(p2, 2)}`;
}

function fidOf(data: Uint8Array): string {
  return hexNumber((data[0] ?? 0) * 256 + (data[1] ?? 0), 4);
}
