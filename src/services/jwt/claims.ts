import { randomBytes } from "node:crypto";
import { utf8Text } from "../../bytes/bytes.ts";
import { HsmError, messageOf } from "../../errors.ts";

export type Claims = Readonly<Record<string, unknown>>;

/** RFC 7519 section 4.1: each has an option of its own. */
const registered = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"] as const;

const hour = 60 * 60;
/** Longer than this a token is no longer short-lived: whoever finds it is the device for so long. */
export const longestTtl = 24 * hour;
export const usualTtl = 10 * 60;
const longestAllowed = 366 * 24 * hour;

export interface ClaimWishes {
  readonly audience: readonly string[];
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  readonly id?: string | undefined;
  /** Seconds. */
  readonly ttl: number;
  readonly notBefore?: Date | undefined;
  /** Neither registered nor twice. */
  readonly others: Claims;
}

/** The claims of a token that is made now; `jti` is random where none is given. */
export function claimsAt(now: Date, wishes: ClaimWishes): Claims {
  const { audience, issuer, subject, notBefore, ttl, others } = wishes;
  const iat = Math.floor(now.getTime() / 1000);
  const exp = iat + ttl;
  const nbf = notBefore === undefined ? undefined : Math.floor(notBefore.getTime() / 1000);
  if (nbf !== undefined && nbf >= exp) {
    throw new HsmError("CLAIM_INVALID", "usage", "--nbf is not before the end: the token would never be valid", {
      advice: "give a longer --ttl or an earlier --nbf",
    });
  }
  return {
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(subject === undefined ? {} : { sub: subject }),
    aud: audience.length === 1 ? audience[0] : audience,
    iat,
    ...(nbf === undefined ? {} : { nbf }),
    exp,
    jti: wishes.id ?? randomBytes(16).toString("base64url"),
    ...others,
  };
}

/**
 * `10m`, `90s`, `12h`, `1d`, or seconds.
 * @throws HsmError `TTL_INVALID` (usage); above {@link longestTtl} unless that is allowed
 */
export function ttlSeconds(text: string, allowLong: boolean): number {
  const [, digits = "", unit = "s"] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  const seconds = Number(digits) * ({ s: 1, m: 60, h: hour, d: 24 * hour }[unit || "s"] ?? 1);
  if (digits === "" || seconds < 1) throw invalidTtl("--ttl wants a time such as 90s, 10m or 12h");
  if (seconds <= longestTtl || (allowLong && seconds <= longestAllowed)) return seconds;
  throw invalidTtl(
    allowLong
      ? "--ttl is longer than a year"
      : `--ttl ${text} is longer than a day: whoever finds the token is the device for so long`,
    allowLong ? undefined : "make short-lived tokens and make them anew, or give --allow-long-ttl",
  );
}

/**
 * `k=v` of `--claim`, texts, and an object of `--claims` with values of any JSON type.
 * @throws HsmError `CLAIM_RESERVED`, `CLAIM_TWICE`, `CLAIM_INVALID` (usage)
 */
export function otherClaims(pairs: readonly string[], object: Claims = {}): Claims {
  const entries: [string, unknown][] = [
    ...Object.entries(object),
    ...pairs.map((pair): [string, string] => {
      const at = pair.indexOf("=");
      if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
      throw new HsmError("CLAIM_INVALID", "usage", "--claim wants NAME=VALUE", {
        advice: "numbers and objects go into a JSON file: --claims FILE",
      });
    }),
  ];
  const seen = new Set<string>();
  for (const [name] of entries) {
    if ((registered as readonly string[]).includes(name)) {
      throw new HsmError("CLAIM_RESERVED", "usage", `the claim ${name} is not given so`, {
        advice: "iss, sub, aud, nbf and jti have options of their own; iat is now, exp follows from --ttl",
      });
    }
    if (seen.has(name)) throw new HsmError("CLAIM_TWICE", "usage", `the claim ${name} was given more than once`);
    seen.add(name);
  }
  return Object.fromEntries(entries);
}

/** A JSON file with one object. @throws HsmError `CLAIM_INVALID` (usage) */
export function claimsIn(content: Uint8Array, path: string): Claims {
  try {
    const value: unknown = JSON.parse(utf8Text(content) ?? "");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Claims;
  } catch (cause) {
    throw new HsmError("CLAIM_INVALID", "usage", `${path} is no JSON: ${messageOf(cause)}`, { cause });
  }
  throw new HsmError("CLAIM_INVALID", "usage", `${path} is no JSON object`);
}

function invalidTtl(message: string, advice?: string): HsmError {
  return new HsmError("TTL_INVALID", "usage", message, { advice });
}
