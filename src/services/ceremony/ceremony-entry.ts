import type { Json } from "./canonical-json.ts";

/**
 * The entries of a ceremony record, docs/ceremony.md. What a person or a token chose (officer, labels, words of the command
 * line) is text of any kind: whoever shows it escapes it.
 */
export type CeremonyEntry = CeremonyOpening | CeremonyCommand | CeremonyClosing;

/** The first line. */
export interface CeremonyOpening extends Linked {
  readonly kind: "opening";
  readonly format: typeof recordFormat;
  readonly version: typeof recordVersion;
  /** 16 random bytes, hex: which record it is, whatever the file is called. */
  readonly id: string;
}

/** One command that was run, whatever became of it. */
export interface CeremonyCommand extends Linked, CommandFacts {
  readonly kind: "command";
}

/** The last line: a key on a token signs everything before it. */
export interface CeremonyClosing extends Linked {
  readonly kind: "closing";
  readonly officer: string | null;
  readonly token: TokenName;
  readonly key: SigningKey;
  readonly scheme: SigningScheme;
  /** Hex; over {@link closingMessage}. */
  readonly signature: string;
}

interface Linked {
  /** Counts from 0. */
  readonly sequence: number;
  /** Hash of the entry before, hex; zeros in the first. */
  readonly previous: string;
  /** Of this entry without `hash` and `signature`. */
  readonly hash: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** `hsmadm 0.1.0` */
  readonly tool: string;
}

export interface CommandFacts {
  readonly officer: string | null;
  /** `device init` */
  readonly command: string;
  /** The command line; of a secret only the kind of its source. */
  readonly words: readonly string[];
  readonly exitCode: number;
  /** `done`, or the kind of the error: docs/exit-codes.md. */
  readonly result: string;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Every token that the command opened, in that order. */
  readonly tokens: readonly TokenRecord[];
}

export interface TokenName {
  readonly where: string;
  readonly serial: string | null;
  readonly chr: string | null;
  readonly label: string | null;
  /** SHA-256 of the public point of the device key, hex: the name that no other token has. */
  readonly deviceKey: string | null;
  readonly simulated: boolean;
}

export interface TokenRecord extends TokenName {
  /** `null`: the token could not be asked. */
  readonly before: TokenMoment | null;
  readonly after: TokenMoment | null;
}

/** What a token said of itself without being given a PIN. */
export interface TokenMoment {
  readonly state: string;
  readonly userPin: CountedPin;
  readonly soPin: CountedPin;
  /** Key check values of the DKEK or the key domains, where the token tells them. */
  readonly kcvs: readonly { readonly domain: number; readonly kcv: string }[];
}

export interface CountedPin {
  /** `ready`, `verified`, `blocked`, … */
  readonly state: string;
  readonly triesLeft: number | null;
}

export interface SigningKey {
  readonly ref: number;
  readonly label: string;
  /** SubjectPublicKeyInfo, DER in hex. */
  readonly publicKey: string;
  /** What shows in which token the key was made; `null`: the token has nothing that does. */
  readonly attestation: KeyOrigin | null;
}

export interface KeyOrigin {
  /** Authenticated request of the key, hex. */
  readonly request: string;
  /** The token's certificate and its issuers', hex. */
  readonly certificates: readonly string[];
}

export const recordFormat = "hsmadm ceremony record";
export const recordVersion = 1;
export const signingSchemes = ["ecdsa-sha256", "rsa-pkcs1-sha256"] as const;
export type SigningScheme = (typeof signingSchemes)[number];

/** Whether JSON that was read has the shape of an entry. Its hashes are not looked at here. */
export function isEntry(json: Json): json is Json & CeremonyEntry {
  if (!record(json) || !linked(json)) return false;
  switch (json["kind"]) {
    case "opening":
      return (
        only(json, [...linkNames, "format", "version", "id"]) &&
        json["format"] === recordFormat &&
        json["version"] === recordVersion &&
        hexOf(json["id"], 16)
      );
    case "command":
      return only(json, [...linkNames, ...commandNames]) && isCommand(json);
    case "closing":
      return only(json, [...linkNames, "officer", "token", "key", "scheme", "signature"]) && isClosing(json);
    default:
      return false;
  }
}

const linkNames = ["kind", "sequence", "previous", "hash", "time", "tool"];
const commandNames = ["officer", "command", "words", "exitCode", "result", "error", "tokens"];
const tokenNames = ["where", "serial", "chr", "label", "deviceKey", "simulated"];

type Members = { readonly [name: string]: Json };

function linked(json: Members): boolean {
  return (
    whole(json["sequence"]) &&
    hexOf(json["previous"], 32) &&
    hexOf(json["hash"], 32) &&
    typeof json["time"] === "string" &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(json["time"]) &&
    text(json["tool"])
  );
}

function isCommand(json: Members): boolean {
  const { officer, command, words, exitCode, result, error, tokens } = json;
  return (
    textOrNull(officer) &&
    text(command) &&
    listOf(words, text) &&
    whole(exitCode) &&
    text(result) &&
    (error === null ||
      (record(error) && only(error, ["code", "message"]) && text(error["code"]) && text(error["message"]))) &&
    listOf(tokens, isTokenRecord)
  );
}

function isClosing(json: Members): boolean {
  const { officer, token, key, scheme, signature } = json;
  return (
    textOrNull(officer) &&
    isTokenName(token, tokenNames) &&
    record(key) &&
    only(key, ["ref", "label", "publicKey", "attestation"]) &&
    whole(key["ref"]) &&
    text(key["label"]) &&
    hex(key["publicKey"]) &&
    isOrigin(key["attestation"]) &&
    signingSchemes.some((known) => known === scheme) &&
    hex(signature)
  );
}

function isOrigin(json: Json | undefined): boolean {
  if (json === null) return true;
  return (
    record(json) && only(json, ["request", "certificates"]) && hex(json["request"]) && listOf(json["certificates"], hex)
  );
}

function isTokenName(json: Json | undefined, names: readonly string[]): json is Members {
  return (
    record(json) &&
    only(json, names) &&
    text(json["where"]) &&
    [json["serial"], json["chr"], json["label"], json["deviceKey"]].every(textOrNull) &&
    typeof json["simulated"] === "boolean"
  );
}

function isTokenRecord(json: Json): boolean {
  return (
    isTokenName(json, [...tokenNames, "before", "after"]) &&
    [json["before"], json["after"]].every((moment) => moment === null || isMoment(moment))
  );
}

function isMoment(json: Json | undefined): boolean {
  return (
    record(json) &&
    only(json, ["state", "userPin", "soPin", "kcvs"]) &&
    text(json["state"]) &&
    [json["userPin"], json["soPin"]].every(isPin) &&
    listOf(
      json["kcvs"],
      (kcv) => record(kcv) && only(kcv, ["domain", "kcv"]) && whole(kcv["domain"]) && text(kcv["kcv"]),
    )
  );
}

function isPin(json: Json | undefined): boolean {
  return (
    record(json) &&
    only(json, ["state", "triesLeft"]) &&
    text(json["state"]) &&
    (json["triesLeft"] === null || whole(json["triesLeft"]))
  );
}

function only(json: Members, names: readonly string[]): boolean {
  const own = Object.keys(json);
  return own.length === names.length && names.every((name) => Object.hasOwn(json, name));
}

function record(json: Json | undefined): json is Members {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function listOf(json: Json | undefined, fits: (member: Json) => boolean): boolean {
  return Array.isArray(json) && json.every(fits);
}

function text(json: Json | undefined): boolean {
  return typeof json === "string";
}

function textOrNull(json: Json | undefined): boolean {
  return json === null || typeof json === "string";
}

function whole(json: Json | undefined): boolean {
  return typeof json === "number" && Number.isSafeInteger(json) && json >= 0;
}

function hex(json: Json | undefined): boolean {
  return typeof json === "string" && /^([0-9a-f]{2})+$/.test(json);
}

function hexOf(json: Json | undefined, bytes: number): boolean {
  return hex(json) && (json as string).length === 2 * bytes;
}
