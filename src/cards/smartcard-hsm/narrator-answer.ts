import type { CommandApdu } from "../../apdu/command.ts";
import { hexNumber, toHex } from "../../bytes/hex.ts";
import { readTlv } from "../../bytes/tlv.ts";
import { parseAuthenticatedRequest, parseCvc } from "../../crypto/cvc/cvc.ts";
import { HsmError } from "../../errors.ts";
import { parseApplicationInfo } from "./application.ts";
import { fileName, namedFiles } from "./file-names.ts";
import { identityOf } from "./identity.ts";
import { queryKeyDomain } from "./key-domains.ts";
import { type Fact, fact, individual, outline } from "./narrator-facts.ts";
import { decodeTokenInfo } from "./pkcs15-token-info.ts";

const mostFiles = 64;

/** A file as far as it was read in the connection, from its beginning. */
export interface ReadSoFar {
  readonly file: number;
  readonly content: Uint8Array;
}

/**
 * What the data of an answer say, read with the driver's own parsers.
 * @param read what a READ BINARY makes whole, this answer included; `undefined` where its file or beginning is not known
 */
export function answerFacts(
  command: CommandApdu,
  data: Uint8Array,
  sw: number,
  read: ReadSoFar | undefined,
): readonly Fact[] {
  if (data.length === 0) return [];
  try {
    return decoded(command, data, sw, read);
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    return [fact("answer", `${data.length} bytes that are not as expected: ${error.message}`)];
  }
}

function decoded(command: CommandApdu, data: Uint8Array, sw: number, read: ReadSoFar | undefined): readonly Fact[] {
  const { cla, ins, p1, p2 } = command;
  switch ((cla & ~0x10) * 256 + ins) {
    case 0x00a4:
      return p1 === 0x04 ? applicationFacts(data) : outline(data, "answer");
    case 0x00b0:
    case 0x00b1:
      return fileFacts(data, read);
    case 0x8052:
      return p1 === 0 ? domainFacts(p2, data, sw) : outline(data, "answer");
    case 0x8058:
      return [fact("files", filesIn(data))];
    case 0x0084:
      return [individual("random", `${data.length} bytes`)];
    case 0x8068:
      return [individual("signature", `${data.length} bytes`)];
    case 0x0046:
      return requestFacts(data);
    case 0x8062:
    case 0x8078:
    case 0x8072:
      return [individual("result", `${data.length} bytes`)];
    default:
      return outline(data, "answer");
  }
}

function applicationFacts(data: Uint8Array): readonly Fact[] {
  const { version, platform, options, optionNames } = parseApplicationInfo(data);
  const names = optionNames.length === 0 ? "" : ` (${optionNames.join(", ")})`;
  return [
    fact("version", `${version.major}.${version.minor}`),
    fact("platform", typeof platform === "number" ? hexNumber(platform, 2) : platform),
    fact("options", options === null ? "not told" : `${hexNumber(options, 4)}${names}`),
  ];
}

/** A file that comes in pieces is looked into when its objects are whole. */
function fileFacts(data: Uint8Array, read: ReadSoFar | undefined): readonly Fact[] {
  const piece = [fact("content", `${data.length} bytes`)];
  if (read === undefined || !isWhole(read.content)) return piece;
  const { file, content } = read;
  if (file === namedFiles.deviceCertificates) return certificateFacts(content);
  if (file !== namedFiles.tokenInfo) return [...piece, ...outline(content, "bytes")];
  const { label, manufacturer } = decodeTokenInfo(content);
  return [
    ...(label === null ? [] : [individual("label", `"${label}"`)]),
    ...(manufacturer === null ? [] : [fact("manufacturer", `"${manufacturer}"`)]),
  ];
}

/** Whether no object is cut. What is no TLV at all counts as whole. */
function isWhole(content: Uint8Array): boolean {
  try {
    for (let at = 0; at < content.length; ) at += readTlv(content, "file", at).raw.length;
    return true;
  } catch {
    return content[0] !== 0x30 && content[0] !== 0x67 && content[0] !== 0x7f;
  }
}

function certificateFacts(data: Uint8Array): readonly Fact[] {
  const { serial, chr, chain } = identityOf(data);
  const verdict =
    chain.status === "verified" ? `verified up to ${chain.root.name}` : `${chain.status}: ${chain.reason}`;
  return [individual("serial", serial || "none"), individual("holder", chr || "none"), fact("chain", verdict)];
}

function domainFacts(index: number, data: Uint8Array, sw: number): Fact[] {
  const { state, shares, outstanding, kcv, kcvNote } = queryKeyDomain(index).parse({ data, sw });
  return [
    fact("state", state),
    ...(shares === null ? [] : [fact("shares", `${shares}, ${outstanding ?? 0} to come`)]),
    ...(kcv === null ? [] : [individual("key check value", kcv)]),
    ...(kcvNote === null ? [] : [fact("key check value", "zeros before a login")]),
  ];
}

function filesIn(data: Uint8Array): string {
  const names: string[] = [];
  for (let at = 0; at + 1 < data.length; at += 2) names.push(fileName((data[at] ?? 0) * 256 + (data[at + 1] ?? 0)));
  const shown = names.slice(0, mostFiles).join(", ");
  return `${names.length}: ${shown}${names.length > mostFiles ? ", …" : ""}`;
}

/** GENERATE ASYMMETRIC KEY PAIR answers a request for a certificate (reference 04, section 4.4). */
function requestFacts(data: Uint8Array): readonly Fact[] {
  if (data[0] !== 0x67 && data[0] !== 0x7f) return outline(data, "answer");
  const cvc = data[0] === 0x67 ? parseAuthenticatedRequest(data).request : parseCvc(data);
  const { publicKey } = cvc;
  const kind = publicKey.kind === "rsa" ? `RSA ${publicKey.modulus.length * 8}` : `EC ${publicKey.curve ?? "?"}`;
  const key = publicKey.kind === "rsa" ? publicKey.modulus : publicKey.point;
  return [
    individual("holder", cvc.chr),
    fact("public key", kind),
    individual("key", `${toHex(key.subarray(0, 12), " ")} …`),
  ];
}
