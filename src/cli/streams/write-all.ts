import { writevSync } from "node:fs";

/**
 * Writes the pieces one after the other from where the file stands, however few the system takes at a time. Into a file
 * that is a copy; a trip through another thread costs more than the copy.
 */
export function writeAll(fd: number, pieces: readonly Uint8Array[]): void {
  for (let left = pieces; left.length > 0; ) left = behind(left, writevSync(fd, left));
}

/** What is left of the pieces behind the first `length` bytes. */
function behind(pieces: readonly Uint8Array[], length: number): readonly Uint8Array[] {
  let skipped = 0;
  for (const [i, piece] of pieces.entries()) {
    if (skipped + piece.length > length) return [piece.subarray(length - skipped), ...pieces.slice(i + 1)];
    skipped += piece.length;
  }
  return [];
}
