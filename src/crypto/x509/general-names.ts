import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { asciiText, utf8Bytes } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { encodeTlv, readTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";

/** Context tags of GeneralName (RFC 5280 section 4.2.1.6). */
const tags = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;
type Kind = keyof typeof tags;

const longest = 2048;

/**
 * GeneralNames out of `dns:door.example`, `ip:192.0.2.7`, `email:a@b.example`, `uri:https://…`, for subjectAltName.
 * @returns DER
 * @throws HsmError `ALTERNATIVE_NAME_MALFORMED` (usage)
 */
export function encodeAlternativeNames(names: readonly string[]): Uint8Array {
  return encodeTlv(0x30, ...names.map(encodeOne));
}

function encodeOne(name: string): Uint8Array {
  const [, kind = "", value = ""] = /^([A-Za-z]+):(.*)$/s.exec(name) ?? [];
  const known = kind.toLowerCase();
  if (!Object.hasOwn(tags, known)) throw malformed(name, "it begins with none of dns:, ip:, email:, uri:");
  return encodeTlv(tags[known as Kind], contents[known as Kind](value, name));
}

const contents: Readonly<Record<Kind, (value: string, name: string) => Uint8Array>> = {
  dns(value, name) {
    // Names of other alphabets are written as xn--…; a wildcard is the whole leftmost label or nothing.
    const [, wildcard = "", rest = ""] = /^(\*\.)?(.*)$/s.exec(value) ?? [];
    // domainToASCII drops line feeds and tabs in silence.
    const ascii = /[\s\p{Cc}]/u.test(rest) || /^[\x21-\x7e]*$/.test(rest) ? rest : domainToASCII(rest);
    const labels = ascii.split(".");
    const good = labels.every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/.test(label));
    if (!good || ascii.length > 253 || isIPv4(ascii)) throw malformed(name, "it is no name of the DNS");
    return utf8Bytes(wildcard + ascii);
  },
  ip(value, name) {
    if (isIPv4(value)) return Uint8Array.from(value.split("."), Number);
    if (isIPv6(value) && !value.includes("%")) return ipv6Bytes(value);
    throw malformed(name, "it is neither an IPv4 nor an IPv6 address");
  },
  email(value, name) {
    if (value.length > longest || !/^[!-?A-~]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/.test(value)) {
      throw malformed(name, "it is no address such as name@host");
    }
    return utf8Bytes(value);
  },
  uri(value, name) {
    if (value.length > longest || !/^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/.test(value)) {
      throw malformed(name, "it is no URI with a scheme, in ASCII");
    }
    return utf8Bytes(value);
  },
};

function ipv6Bytes(text: string): Uint8Array {
  // The last two groups may be written as an IPv4 address.
  const hex = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a, b, c, d] = parts.slice(0, 4).map(Number) as [number, number, number, number];
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = "", tail] = hex.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const [before, behind] = [groups(head), groups(tail ?? "")];
  const zeros = tail === undefined ? [] : Array<string>(8 - before.length - behind.length).fill("0");
  return Uint8Array.from(
    [...before, ...zeros, ...behind].flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

/**
 * The names in a subjectAltName, in the spelling that {@link encodeAlternativeNames} reads; kinds it does not know as
 * `[4]:hex`.
 * @throws HsmError `TLV_INVALID` (check-failed)
 */
export function alternativeNames(der: Uint8Array): string[] {
  return readTlvs(readTlv(der, "subjectAltName").value, "subjectAltName").map(oneText);
}

function oneText({ tag, value }: Tlv): string {
  const kind = (Object.keys(tags) as Kind[]).find((name) => tags[name] === tag);
  if (kind === "ip" && value.length === 4) return `ip:${value.join(".")}`;
  if (kind === "ip" && value.length === 16) return `ip:${new URL(`http://[${groupsOf(value)}]`).hostname.slice(1, -1)}`;
  const text = kind === undefined || kind === "ip" ? null : asciiText(value);
  return text === null ? `[${tag & 0x1f}]:${toHex(value)}` : `${kind}:${text}`;
}

function groupsOf(bytes: Uint8Array): string {
  return toHex(bytes).match(/.{4}/g)?.join(":") ?? "";
}

function malformed(name: string, problem: string): HsmError {
  const shown = name.replace(/[\p{Cc}\p{Cf}]/gu, "?").slice(0, 80);
  return new HsmError("ALTERNATIVE_NAME_MALFORMED", "usage", `malformed alternative name "${shown}": ${problem}`, {
    advice: "write it as dns:host.example, ip:192.0.2.7, ip:2001:db8::7, email:name@host.example or uri:https://…",
  });
}
