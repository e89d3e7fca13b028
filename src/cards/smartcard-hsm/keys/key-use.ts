import type { CardCommand } from "../../../apdu/card-command.ts";
import { SW } from "../../../apdu/status-word.ts";
import { HsmError } from "../../../errors.ts";
import type { KeyKind } from "../pkcs15-key-description.ts";
import { type RefusableCommand, refusal } from "../refusals.ts";
import type { Session } from "../session.ts";
import { algorithmName, kindNames } from "./algorithms.ts";
import { allows } from "./key-metadata.ts";
import { checkKeyReference, type KeyInUse, keyName } from "./token-key.ts";

/** Data that fits in one command and leaves room for its head on every platform but the smallest (reference 01, section 1.6). */
export const longestInput = 1_000;
export const longestShortInput = 255;

/** OpenSC's Le for every use of a key: the longest answer is that of an RSA-4096 key. */
const answerBytes = 512;
/** RSA-4096 takes seconds; on a Pico HSM somebody may have to press a button. */
const patienceMs = 90_000;

export type UseCommand = Extract<RefusableCommand, "SIGN" | "DECIPHER" | "ECDH" | "AES OPERATION">;
const instructions = { SIGN: 0x68, DECIPHER: 0x62, ECDH: 0x62, "AES OPERATION": 0x78 } as const satisfies Record<
  UseCommand,
  number
>;

/** A command that uses a key: the algorithm in P2, the input in the data field, the result in the answer. */
export function useKey(
  name: UseCommand,
  key: KeyInUse,
  algorithm: number,
  input: Uint8Array,
  session: Pick<Session, "extended" | "token">,
): CardCommand<Uint8Array> {
  const { extended, token } = session;
  return {
    name,
    apdu: {
      cla: 0x80,
      ins: instructions[name],
      p1: key.ref,
      p2: algorithm,
      data: input,
      // What AES gives is as long as what it was given.
      le: extended ? Math.max(answerBytes, input.length) : 256,
      extended,
    },
    patienceMs,
    parse({ data, sw }) {
      if (sw !== SW.ok) throw refusal(name, sw, token, keyName(key));
      return data;
    },
  };
}

/**
 * The first of the algorithms that the key may be used with.
 * @throws HsmError `ALGORITHM_NOT_ALLOWED` (not-supported), before anything is sent
 */
export function permitted(session: Session, key: KeyInUse, wanted: readonly number[]): number {
  const found = wanted.find((algorithm) => allows(key.metadata, algorithm));
  if (found !== undefined && key.metadata?.usesLeft !== 0) return found;
  const { token } = session;
  if (found !== undefined) {
    throw new HsmError("KEY_USED_UP", "blocked", `${keyName(key)} on ${token} has no uses left`, {
      advice: "generate a new key, or restore this one from a backup; nothing was sent",
      token,
    });
  }
  const has = (key.metadata?.algorithms ?? []).map(algorithmName).join(", ");
  throw new HsmError(
    "ALGORITHM_NOT_ALLOWED",
    "not-supported",
    `${keyName(key)} on ${token} may not be used with ${wanted.map(algorithmName).join(" or ")}`,
    { advice: `it was made for ${has} only, and that cannot be changed; nothing was sent`, token },
  );
}

/** @throws HsmError `KEY_KIND_WRONG` (usage), before anything is sent. A key of unknown kind is left to the card. */
export function needKind(session: Session, key: KeyInUse, kind: KeyKind, purpose: string): void {
  checkKeyReference(key.ref);
  if (key.kind === kind || key.kind === "unknown") return;
  throw new HsmError(
    "KEY_KIND_WRONG",
    "usage",
    `${keyName(key)} on ${session.token} is an ${kindNames[key.kind]} key: ${purpose} needs an ${kindNames[kind]} key`,
    { advice: "nothing was sent to the token", token: session.token },
  );
}

/** The input does not fit the key or the algorithm. */
export function badInput(problem: string, advice = "nothing was sent to the token"): HsmError {
  return new HsmError("KEY_INPUT_INVALID", "usage", problem, { advice });
}

/** The card said yes, and what it gave cannot be the result. */
export function badAnswer({ token }: Session, key: KeyInUse, problem: string): HsmError {
  return new HsmError("KEY_ANSWER_INVALID", "check-failed", `${token} answered for ${keyName(key)}: ${problem}`, {
    advice: "`hsmadm doctor` shows what the token answers; a report of it helps us",
    token,
  });
}
