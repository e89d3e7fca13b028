/** A place in the one sequence, in the other, or in both. */
export interface AlignedPair {
  readonly left: number | null;
  readonly right: number | null;
}

/** Comparisons at most: four thousand different steps on either side take a tenth of a second. */
const mostCells = 16_000_000;

/**
 * Lays two sequences beside each other so that as many equal elements as possible stand together (longest common
 * subsequence). What is equal at the beginning and at the end costs nothing.
 * @returns every index of either side once, in order; `null` when the parts that differ are too long to be compared
 */
export function align(left: readonly string[], right: readonly string[]): AlignedPair[] | null {
  let head = 0;
  while (head < left.length && head < right.length && left[head] === right[head]) head++;
  let tail = 0;
  const most = Math.min(left.length, right.length) - head;
  while (tail < most && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail++;
  const rows = left.length - head - tail;
  const columns = right.length - head - tail;
  if (rows * columns > mostCells) return null;
  const pairs: AlignedPair[] = [];
  for (let i = 0; i < head; i++) pairs.push({ left: i, right: i });
  const lengths = commonLengths(left.slice(head, head + rows), right.slice(head, head + columns));
  let i = 0;
  let j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && left[head + i] === right[head + j]) {
      pairs.push({ left: head + i++, right: head + j++ });
    } else if (j === columns || (i < rows && lengths(i + 1, j) >= lengths(i, j + 1))) {
      pairs.push({ left: head + i++, right: null });
    } else {
      pairs.push({ left: null, right: head + j++ });
    }
  }
  for (let k = tail; k > 0; k--) pairs.push({ left: left.length - k, right: right.length - k });
  return pairs;
}

/** The length of the longest common subsequence from `i` and `j` to the ends. */
function commonLengths(left: readonly string[], right: readonly string[]): (i: number, j: number) => number {
  const width = right.length + 1;
  const table = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      const below = table[(i + 1) * width + j] ?? 0;
      const beside = table[i * width + j + 1] ?? 0;
      const across = table[(i + 1) * width + j + 1] ?? 0;
      table[i * width + j] = left[i] === right[j] ? across + 1 : Math.max(below, beside);
    }
  }
  return (i, j) => table[i * width + j] ?? 0;
}
