import { writev } from "node:fs";

/** Writes the pieces one after the other from where the file stands, however few the system takes at a time. */
export async function writeAll(fd: number, pieces: readonly Uint8Array[]): Promise<void> {
  for (let left = pieces; left.length > 0; ) left = behind(left, await written(fd, left));
}

function written(fd: number, pieces: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, pieces, (error, length) => (error === null ? resolve(length) : reject(error)));
  });
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
