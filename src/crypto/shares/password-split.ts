import { createHash, generatePrimeSync, randomBytes } from "node:crypto";
import { concat, equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import { fromInteger, modInverse, stripped, toInteger } from "../curves/integers.ts";

/**
 * The n-of-m password of sc-hsm-tool: 8 secret bytes, split by Shamir's scheme over a 64-bit safe prime.
 * Reference 05 section 5.3; docs/dkek-share-format.md.
 */
export const splitBytes = 8;

export interface SplitPart {
  /** x, from 1. */
  readonly id: number;
  /** f(x), 8 bytes. Secret. */
  readonly value: Uint8Array;
}

export interface PasswordSplit {
  /** 8 bytes, public, the same on every card of one split. */
  readonly prime: Uint8Array;
  readonly threshold: number;
  readonly parts: readonly SplitPart[];
}

export interface SplitOptions {
  readonly random?: ((length: number) => Uint8Array) | undefined;
  /** For tests: 64 bits. */
  readonly prime?: bigint | undefined;
}

/**
 * The secret that becomes the password of the share file: 8 bytes, top bit clear (below every 64-bit prime).
 * One with a leading zero byte is drawn again: sc-hsm-tool would read it back shorter and not open its own file.
 */
export function newSplitSecret(random: (length: number) => Uint8Array = randomBytes): Uint8Array {
  for (let i = 0; i < 64; i++) {
    const secret = new Uint8Array(random(splitBytes)).slice();
    secret[0] = (secret[0] as number) & 0x7f;
    if (secret[0] !== 0) return secret;
  }
  throw new HsmError("RANDOM_BROKEN", "unexpected", "the random generator gives zeros");
}

/** @throws HsmError `SPLIT_INVALID` (usage) for limits that sc-hsm-tool would refuse */
export function checkSplit(threshold: number, total: number): void {
  const whole = Number.isInteger(threshold) && Number.isInteger(total);
  if (whole && total >= 3 && total <= 255 && threshold >= 2 && threshold <= total) return;
  throw new HsmError("SPLIT_INVALID", "usage", `a password cannot be split ${threshold} of ${total}`, {
    advice: "at least 3 parts, of which at least 2 and at most all are needed",
  });
}

/** Splits a secret of {@link newSplitSecret}. */
export function splitPassword(
  secret: Uint8Array,
  threshold: number,
  total: number,
  options: SplitOptions = {},
): PasswordSplit {
  checkSplit(threshold, total);
  if (secret.length !== splitBytes) throw new RangeError("a split secret has 8 bytes");
  const random = options.random ?? randomBytes;
  const prime = options.prime ?? generatePrimeSync(64, { safe: true, bigint: true });
  const constant = toInteger(secret);
  if (constant >= prime) throw new RangeError("a split secret is below its prime");
  const others = Array.from({ length: threshold - 1 }, () => below(prime, random));
  const polynomial = [constant, ...others];
  const parts = Array.from({ length: total }, (_, i) => {
    const x = BigInt(i + 1);
    const y = polynomial.reduceRight((sum, coefficient) => (sum * x + coefficient) % prime, 0n);
    return { id: i + 1, value: fromInteger(y, splitBytes) };
  });
  return { prime: fromInteger(prime, splitBytes), threshold, parts };
}

/** Uniform: what is not below the bound is drawn again. */
function below(bound: bigint, random: (length: number) => Uint8Array): bigint {
  for (let i = 0; i < 256; i++) {
    const value = toInteger(random(splitBytes));
    if (value < bound) return value;
  }
  throw new HsmError("RANDOM_BROKEN", "unexpected", "the random generator gives numbers that are too large");
}

/**
 * f(0), by Lagrange. Fewer parts than the threshold, or a wrong one, give a wrong secret and no error: only the share
 * file's padding tells, or the check figure of each part where there is one.
 * @throws HsmError `SPLIT_PARTS_INVALID` (usage) for parts that cannot belong together
 */
export function joinPassword(prime: Uint8Array, parts: readonly SplitPart[]): Uint8Array {
  const p = toInteger(prime);
  if (p < 3n || prime.length > splitBytes) throw unfit("the prime is none of 64 bits");
  if (parts.length < 2) throw unfit("at least two parts are needed");
  const points = parts.map(({ id, value }) => ({ x: BigInt(id), y: toInteger(value) }));
  let secret = 0n;
  for (const [i, { x, y }] of points.entries()) {
    if (x < 1n || x >= p) throw unfit(`part ${x} has an impossible number`);
    if (y >= p) throw unfit(`the value of part ${x} is larger than the prime`, Number(x));
    let [numerator, denominator] = [y, 1n];
    for (const [j, other] of points.entries()) {
      if (i === j) continue;
      if (other.x === x) throw unfit(`part ${x} was given twice`, Number(x));
      numerator = (numerator * other.x) % p;
      denominator = (denominator * (((other.x - x) % p) + p)) % p;
    }
    const inverse = modInverse(denominator, p);
    if (inverse === null) throw unfit("the prime is none");
    secret = (secret + numerator * inverse) % p;
  }
  return fromInteger(secret, splitBytes);
}

/** A part as it was typed: the number as text, because "10" can mean ten or sixteen. */
export interface TypedPart {
  readonly id: string;
  readonly value: Uint8Array;
}

/**
 * The passwords that these parts can stand for, the likeliest first. sc-hsm-tool prints part numbers in decimal and reads
 * them as hexadecimal, and it drops the leading zero bytes of the secret it computes: files made from such a misread part
 * or a shortened secret exist, so each reading gets its turn.
 */
export function passwordCandidates(prime: Uint8Array, parts: readonly TypedPart[]): Uint8Array[] {
  const candidates: Uint8Array[] = [];
  const add = (password: Uint8Array): void => {
    if (!candidates.some((known) => equal(known, password))) candidates.push(password);
  };
  for (const radix of [10, 16]) {
    const ids = parts.map(({ id }) => partNumber(id, radix));
    if (ids.includes(null)) continue;
    const secret = joinPassword(
      prime,
      parts.map(({ value }, i) => ({ id: ids[i] as number, value })),
    );
    add(secret);
    add(stripped(secret).slice());
  }
  if (candidates.length === 0) throw unfit("the number of a part is neither decimal nor hexadecimal");
  return candidates;
}

function partNumber(text: string, radix: number): number | null {
  const digits = radix === 10 ? /^[0-9]{1,3}$/ : /^[0-9a-fA-F]{1,2}$/;
  return digits.test(text.trim()) ? Number.parseInt(text.trim(), radix) : null;
}

/**
 * Four hex digits that go on a custodian's card beside the value, so that a slip of the pen is found, and found at
 * its part. They say nothing to anybody who does not hold that card. 16 bits: one slip in 65,536 goes unnoticed.
 */
export function partCheck(prime: Uint8Array, part: SplitPart): string {
  const bytes = concat(prime, Uint8Array.of(part.id), part.value);
  return toHex(
    new Uint8Array(createHash("sha256").update("hsmadm share part\n").update(bytes).digest().subarray(0, 2)),
  );
}

/** @throws HsmError `SPLIT_PART_MISTYPED` (check-failed), which names the part and never its value */
export function checkPart(prime: Uint8Array, part: SplitPart, check: string): void {
  if (check.trim().toUpperCase() === partCheck(prime, part)) return;
  throw new HsmError(
    "SPLIT_PART_MISTYPED",
    "check-failed",
    `part ${part.id} is mistyped: its check figure does not fit`,
    {
      advice: "compare prime, number, value and check figure with this custodian's card",
      details: { part: part.id },
    },
  );
}

function unfit(problem: string, part?: number): HsmError {
  return new HsmError("SPLIT_PARTS_INVALID", "usage", `these parts do not make a password: ${problem}`, {
    details: part === undefined ? undefined : { part },
  });
}
