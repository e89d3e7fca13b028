/**
 * Waits until all of it is over, whatever becomes of it, and only then throws: nothing is given back while a card is
 * still at work.
 * @throws the first rejection, in the order of `work`
 */
export async function allSettled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const results: T[] = [];
  for (const outcome of await Promise.allSettled(work)) {
    if (outcome.status === "rejected") throw outcome.reason;
    results.push(outcome.value);
  }
  return results;
}
