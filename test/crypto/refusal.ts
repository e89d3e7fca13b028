import { HsmError } from "../../src/errors.ts";

/** The HsmError that `action` throws; anything else, a TypeError too, fails the test. */
export function refusal(action: () => unknown): HsmError {
  try {
    action();
  } catch (error) {
    if (error instanceof HsmError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

export async function refusalOf(promise: Promise<unknown>): Promise<HsmError> {
  const outcome = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  return refusal(() => {
    if (outcome !== null) throw outcome;
  });
}

/** `bytes` with one bit of the byte at `index` turned. */
export function flipped(bytes: Uint8Array, index: number, bit = 0): Uint8Array {
  const copy = bytes.slice();
  copy[index] = (copy[index] as number) ^ (1 << bit);
  return copy;
}
