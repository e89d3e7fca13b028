import type { CardCommand } from "../../../apdu/card-command.ts";
import type { ResponseApdu } from "../../../apdu/response.ts";
import { SW } from "../../../apdu/status-word.ts";
import { asciiText, utf8Bytes } from "../../../bytes/bytes.ts";
import { encodeTlv, findTlv, readTlvs } from "../../../bytes/tlv.ts";
import { HsmError } from "../../../errors.ts";
import { refusal } from "../refusals.ts";

/** How many custodians' keys there are to be, and how many of them log in (reference 02, section 2.18). */
export interface AuthenticationStatus {
  /** Keys the token was initialised for. */
  readonly total: number;
  /** Keys still to be registered. */
  readonly missing: number;
  /** Signatures that log in. */
  readonly required: number;
  /** Signatures of this session so far. */
  readonly authenticated: number;
}

/** One place for a custodian's key; `null` in place of it: empty. */
export interface RegisteredKey {
  readonly index: number;
  readonly chr: string;
  /** Has signed in this session; `null` where the token does not tell it. */
  readonly authenticated: boolean | null;
}

const manage = "MANAGE PUBLIC KEY AUTHENTICATION";
const environment = "MANAGE SECURITY ENVIRONMENT";
const challengeBytes = 8;

/** Asks how many keys are registered, wanted and have signed; `null` where the token was not set up for it. */
export function queryAuthentication(token: string): CardCommand<AuthenticationStatus | null> {
  return {
    name: manage,
    apdu: { cla: 0x80, ins: 0x54, p1: 0x00, p2: 0x00, le: 256 },
    parse({ data, sw }) {
      // 6D00 from cards that do not know it, 6A86 and 6985 (6A88 on 4.x) where INITIALIZE did not ask for it.
      if (notSetUp.includes(sw)) return null;
      return statusFrom({ data, sw }, token);
    },
  };
}

const notSetUp: readonly number[] = [
  SW.insNotSupported,
  SW.wrongP1P2,
  SW.conditionsNotSatisfied,
  SW.referencedDataNotFound,
];

function statusFrom({ data, sw }: ResponseApdu, token: string): AuthenticationStatus {
  if (sw !== SW.ok) throw refusal(manage, sw, token);
  const [total, missing, required, authenticated] = data;
  if (total === undefined || missing === undefined || required === undefined || authenticated === undefined) {
    throw badAnswer(token, `${data.length} bytes where 4 counts stand`);
  }
  if (missing > total || required > total || required < 1 || authenticated > total) {
    throw badAnswer(token, `counts that do not fit: ${total}, ${missing}, ${required}, ${authenticated}`);
  }
  return { total, missing, required, authenticated };
}

/**
 * Registers a custodian's key.
 * @param request content of its authenticated request (67), whose signer the token has verified before
 */
export function registerKey(request: Uint8Array, token: string): CardCommand<AuthenticationStatus> {
  return {
    name: manage,
    apdu: { cla: 0x80, ins: 0x54, p1: 0x00, p2: 0x00, data: request, le: 256, extended: true },
    parse: (response) => statusFrom(response, token),
  };
}

/** Pico HSM and newer cards. `"beyond"`: there is no such place, or the token does not tell its keys. */
export function keyAt(index: number, token: string): CardCommand<RegisteredKey | null | "beyond"> {
  return {
    name: manage,
    apdu: { cla: 0x80, ins: 0x54, p1: 0x02, p2: index, le: 256 },
    parse({ data, sw }) {
      if (sw === SW.referencedDataNotFound) return null;
      // 9001: this key has signed.
      if (sw !== SW.ok && sw !== 0x9001) return "beyond";
      const chr = asciiText(data);
      if (chr === null || chr === "" || chr.length > 20) throw badAnswer(token, "a holder reference that is none");
      return { index, chr, authenticated: sw === 0x9001 };
    },
  };
}

/** Names the key that is to verify the next certificate or request. `false`: the token does not know it. */
export function selectVerificationKey(chr: string, token: string): CardCommand<boolean> {
  return selectHolder(0xb6, chr, (sw) => {
    if (sw === SW.ok) return true;
    if (sw === SW.referencedDataNotFound || sw === SW.fileNotFound) return false;
    throw refusal(environment, sw, token);
  });
}

/** Names the custodian's key whose signature comes next. `done`: this session has one of it already. */
export function selectAuthenticationKey(chr: string, token: string): CardCommand<"known" | "unknown" | "done"> {
  return selectHolder(0xa4, chr, (sw) => {
    if (sw === SW.ok) return "known";
    if (sw === SW.referencedDataNotFound || sw === SW.fileNotFound) return "unknown";
    if (sw === SW.conditionsNotSatisfied) return "done";
    throw refusal(environment, sw, token);
  });
}

function selectHolder<Result>(template: number, chr: string, judge: (sw: number) => Result): CardCommand<Result> {
  return {
    name: environment,
    apdu: { cla: 0x00, ins: 0x22, p1: 0x81, p2: template, data: encodeTlv(0x83, utf8Bytes(chr)) },
    parse: ({ sw }) => judge(sw),
  };
}

/** Has the token check a certificate with the key that was named; its own key is known from then on. */
export function verifyCertificate(content: Uint8Array, token: string): CardCommand<void> {
  return {
    name: "VERIFY CERTIFICATE",
    apdu: { cla: 0x00, ins: 0x2a, p1: 0x00, p2: 0xbe, data: content },
    parse({ sw }) {
      if (sw !== SW.ok) throw refusal("VERIFY CERTIFICATE", sw, token);
    },
  };
}

/** Eight bytes that the token keeps for EXTERNAL AUTHENTICATE. */
export function getAuthenticationChallenge(token: string): CardCommand<Uint8Array> {
  return {
    name: "GET CHALLENGE",
    apdu: { cla: 0x00, ins: 0x84, p1: 0x00, p2: 0x00, le: challengeBytes },
    parse({ data, sw }) {
      if (sw !== SW.ok) throw refusal("GET CHALLENGE", sw, token);
      if (data.length !== challengeBytes) throw badAnswer(token, `a challenge of ${data.length} bytes`);
      return data;
    },
  };
}

/** @param signature plain, `r ‖ s` */
export function externalAuthenticate(signature: Uint8Array, token: string): CardCommand<void> {
  return {
    name: "EXTERNAL AUTHENTICATE",
    apdu: { cla: 0x00, ins: 0x82, p1: 0x00, p2: 0x00, data: signature },
    parse({ sw }) {
      if (sw !== SW.ok) throw refusal("EXTERNAL AUTHENTICATE", sw, token);
    },
  };
}

/** MSE SET for chip authentication (reference 07, section 7.4). `false`: the token does not offer it. */
export function selectChipAuthentication(oid: Uint8Array): CardCommand<boolean> {
  return {
    name: environment,
    apdu: { cla: 0x00, ins: 0x22, p1: 0x41, p2: 0xa4, data: encodeTlv(0x80, oid) },
    parse: ({ sw }) => sw === SW.ok,
  };
}

export interface ChipAuthenticationAnswer {
  readonly nonce: Uint8Array;
  readonly token: Uint8Array;
}

/** @returns the answer, or the status word of a token that does not give one */
export function generalAuthenticate(ephemeral: Uint8Array): CardCommand<ChipAuthenticationAnswer | number> {
  return {
    name: "GENERAL AUTHENTICATE",
    apdu: { cla: 0x00, ins: 0x86, p1: 0x00, p2: 0x00, data: encodeTlv(0x7c, encodeTlv(0x80, ephemeral)), le: 256 },
    parse({ data, sw }) {
      if (sw !== SW.ok) return sw;
      const what = "answer to GENERAL AUTHENTICATE";
      const template = findTlv(readTlvs(data, what), 0x7c);
      const objects = template === undefined ? [] : readTlvs(template.value, what);
      return {
        nonce: findTlv(objects, 0x81)?.value ?? new Uint8Array(0),
        token: findTlv(objects, 0x82)?.value ?? new Uint8Array(0),
      };
    },
  };
}

function badAnswer(token: string, what: string): HsmError {
  return new HsmError("PKA_ANSWER_MALFORMED", "check-failed", `${token} answered with ${what}`, {
    advice: "`hsmadm doctor` shows what the token answers; a report of it helps us",
    token,
  });
}
