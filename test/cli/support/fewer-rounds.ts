/** Rounds of the derivation in tests: the true number costs seconds each time, and one test does that. */
export const rounds = { iterations: 1000 as number | undefined, derivations: 0 };

/** For `vi.mock("…/share-key.ts")`: fewer rounds, counted. */
export async function fewerRounds(original: () => Promise<unknown>): Promise<object> {
  const actual = (await original()) as typeof import("../../../src/crypto/shares/share-key.ts");
  return {
    ...actual,
    deriveShareKey(...[password, salt, options]: Parameters<typeof actual.deriveShareKey>) {
      rounds.derivations++;
      return actual.deriveShareKey(password, salt, { ...options, iterations: rounds.iterations });
    },
  };
}
