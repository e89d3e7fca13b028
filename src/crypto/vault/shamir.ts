import { randomBytes } from "node:crypto";
import { HsmError } from "../../errors.ts";

/**
 * Shamir's secret sharing over GF(2^8) with the polynomial of AES (0x11B), byte by byte. A share is `y ‖ x`: as many bytes
 * as the secret, then the point, 1 to 255.
 *
 * Arithmetic has neither tables nor branches that depend on secret bytes. It tells nothing about wrong shares: enough of
 * them give *some* secret. Who uses it authenticates each share and the result (`hsmadm/sss`, `hsmadm/sss-key`).
 */

/** @returns `n` shares, any `k` of which give the secret back; share `i` (from 0) belongs to the point i + 1 */
export function splitSecret(
  secret: Uint8Array,
  k: number,
  n: number,
  random: (length: number) => Uint8Array = randomBytes,
): Uint8Array[] {
  if (!(Number.isInteger(k) && Number.isInteger(n) && 2 <= k && k <= n && n <= 255)) {
    throw new HsmError("SHARES_INVALID", "usage", `${k} of ${n} is no threshold`);
  }
  // coefficients[j] belongs to x^j: the secret itself, then randomness.
  const coefficients = [secret, ...Array.from({ length: k - 1 }, () => random(secret.length))];
  const shares = Array.from({ length: n }, (_, i) => {
    const share = new Uint8Array(secret.length + 1);
    for (let at = 0; at < secret.length; at++) {
      let y = 0;
      for (let j = k - 1; j >= 0; j--) y = multiply(y, i + 1) ^ (coefficients[j]?.[at] ?? 0);
      share[at] = y;
    }
    share[secret.length] = i + 1;
    return share;
  });
  for (const coefficient of coefficients.slice(1)) coefficient.fill(0);
  return shares;
}

/**
 * The secret that these shares give, right when at least `k` of one splitting are among them.
 * @throws HsmError `SHARES_INVALID` (check-failed) when lengths differ or a point is zero or there twice
 */
export function joinShares(shares: readonly Uint8Array[]): Uint8Array {
  const length = (shares[0]?.length ?? 0) - 1;
  const points = shares.map((share) => share[length] ?? 0);
  if (
    length < 1 ||
    shares.some((share) => share.length !== length + 1) ||
    points.includes(0) ||
    new Set(points).size !== points.length
  ) {
    throw new HsmError("SHARES_INVALID", "check-failed", "these shares do not belong to one secret");
  }
  const secret = new Uint8Array(length);
  for (const [i, share] of shares.entries()) {
    const weight = lagrangeAtZero(points, i);
    for (let at = 0; at < length; at++) secret[at] = (secret[at] ?? 0) ^ multiply(share[at] ?? 0, weight);
  }
  return secret;
}

/** Product over j != i of x_j / (x_j - x_i); subtraction is XOR. */
function lagrangeAtZero(points: readonly number[], i: number): number {
  const own = points[i] ?? 0;
  let weight = 1;
  for (const [j, x] of points.entries()) if (j !== i) weight = multiply(weight, multiply(x, inverse(x ^ own)));
  return weight;
}

function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = a;
  for (let bit = 0; bit < 8; bit++) {
    product ^= shifted & -((b >> bit) & 1);
    shifted = ((shifted << 1) ^ (0x1b & -(shifted >> 7))) & 0xff;
  }
  return product;
}

/** a^254, which is 1/a. */
function inverse(a: number): number {
  let power = a;
  let result = 1;
  for (let i = 1; i < 8; i++) {
    power = multiply(power, power);
    result = multiply(result, power);
  }
  return result;
}
