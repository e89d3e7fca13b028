import { equal, utf8Bytes } from "../../bytes/bytes.ts";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";

/** What goes to a custodian elsewhere. docs/n-of-m-login.md describes both files. */
export interface LoginChallenge {
  /** CHR of the device that is to be opened. */
  readonly device: string;
  /** 8 bytes. */
  readonly challenge: Uint8Array;
  /** CHR of the custodian's key it is for; `null`: any of them (Pico HSM). */
  readonly custodian: string | null;
  /** ISO date-time, as the asking computer says. */
  readonly made: string;
}

/** What comes back. */
export interface LoginAnswer {
  readonly device: string;
  readonly challenge: Uint8Array;
  readonly custodian: string;
  /** Plain, `r ‖ s`. */
  readonly signature: Uint8Array;
}

const challengeFormat = "hsmadm-login-challenge";
const answerFormat = "hsmadm-login-answer";
const version = 1;
const challengeBytes = 8;
const largestFile = 8_192;
const holder = /^[\x21-\x7e]{1,20}$/;

export function encodeChallenge({ device, challenge, custodian, made }: LoginChallenge): Uint8Array {
  return document({ format: challengeFormat, version, device, challenge: toHex(challenge), custodian, made });
}

export function encodeAnswer({ device, challenge, custodian, signature }: LoginAnswer): Uint8Array {
  const hex = { challenge: toHex(challenge), signature: toHex(signature) };
  return document({ format: answerFormat, version, device, custodian, ...hex });
}

/** @throws HsmError `PKA_CHALLENGE_INVALID` (check-failed) */
export function decodeChallenge(bytes: Uint8Array): LoginChallenge {
  const fields = parsed(bytes, challengeFormat, "CHALLENGE");
  const { device, challenge, custodian, made } = fields;
  const forAny = custodian === null;
  if (!isHolder(device) || !(forAny || isHolder(custodian)) || !isHex(challenge, challengeBytes, challengeBytes)) {
    throw invalid("CHALLENGE", "a field is missing or malformed");
  }
  if (typeof made !== "string" || Number.isNaN(Date.parse(made)))
    throw invalid("CHALLENGE", "it does not say when it was made");
  return { device, challenge: fromHex(challenge), custodian: forAny ? null : custodian, made };
}

/** @throws HsmError `PKA_ANSWER_INVALID` (check-failed) */
export function decodeAnswer(bytes: Uint8Array): LoginAnswer {
  const { device, challenge, custodian, signature } = parsed(bytes, answerFormat, "ANSWER");
  if (!isHolder(device) || !isHolder(custodian)) throw invalid("ANSWER", "a field is missing or malformed");
  if (!isHex(challenge, challengeBytes, challengeBytes) || !isHex(signature, 48, 132)) {
    throw invalid("ANSWER", "a field is missing or malformed");
  }
  return { device, custodian, challenge: fromHex(challenge), signature: fromHex(signature) };
}

/**
 * Whether an answer is one to this challenge: a signature over another one would only be refused by the token.
 * @throws HsmError `PKA_ANSWER_OTHER_DEVICE`, `PKA_ANSWER_OTHER_CHALLENGE`, `PKA_ANSWER_OTHER_CUSTODIAN` (check-failed)
 */
export function needAnswerTo({ device, challenge, custodian }: LoginChallenge, answer: LoginAnswer): void {
  const refused = (code: string, problem: string) =>
    new HsmError(`PKA_ANSWER_${code}`, "check-failed", `the answer of "${answer.custodian}" ${problem}`, {
      advice: "give the custodian the challenge of this login, and bring back the answer to it; nothing was sent",
    });
  if (answer.device !== device) throw refused("OTHER_DEVICE", `is for the device "${answer.device}", not "${device}"`);
  if (!equal(answer.challenge, challenge)) throw refused("OTHER_CHALLENGE", "is one to another challenge");
  if (custodian !== null && answer.custodian !== custodian) {
    throw refused("OTHER_CUSTODIAN", `came where that of "${custodian}" was awaited`);
  }
}

function document(fields: Record<string, unknown>): Uint8Array {
  return utf8Bytes(`${JSON.stringify(fields, null, 2)}\n`);
}

type Kind = "CHALLENGE" | "ANSWER";

function parsed(bytes: Uint8Array, format: string, kind: Kind): Partial<Record<string, unknown>> {
  if (bytes.length > largestFile) throw invalid(kind, "it is too long");
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(kind, "it is no JSON, or a part of it is missing", cause);
  }
  const isRecord = (thing: unknown): thing is Partial<Record<string, unknown>> =>
    typeof thing === "object" && thing !== null && !Array.isArray(thing);
  if (!isRecord(value) || value["format"] !== format) throw invalid(kind, `it does not say that it is a ${format}`);
  if (value["version"] !== version) throw invalid(kind, "it has a version that is not known here");
  return value;
}

function isHolder(value: unknown): value is string {
  return typeof value === "string" && holder.test(value);
}

function isHex(value: unknown, min: number, max: number): value is string {
  return (
    typeof value === "string" && /^([0-9A-F]{2})+$/.test(value) && value.length >= 2 * min && value.length <= 2 * max
  );
}

function invalid(kind: Kind, problem: string, cause?: unknown): HsmError {
  const what = kind === "CHALLENGE" ? "challenge of a login" : "answer of a custodian";
  return new HsmError(`PKA_${kind}_INVALID`, "check-failed", `no ${what}: ${problem}`, {
    advice: kind === "CHALLENGE" ? "`pka login --challenge-out FILE` writes one" : "`hsmadm pka answer` writes one",
    cause,
  });
}
