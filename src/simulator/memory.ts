import { type Card, refuse } from "./card.ts";
import type { StoredKey, TokenState } from "./token-state.ts";

/** What a card needs for an object besides its content; a guess. */
const overhead = 32;

/** @throws Refusal 6A84 (a pico: 6581) when this many bytes more do not fit on the card */
export function requireMemory(card: Card, bytes: number): void {
  if (used(card.state) + bytes > card.profile.memory) refuse(card.profile.sw.memoryFull);
}

export function sizeOfKey(key: StoredKey): number {
  switch (key.kind) {
    case "rsa":
      return overhead + key.pkcs8.length;
    case "ec":
      return overhead + 3 * key.scalar.length;
    case "aes":
      return overhead + key.value.length;
  }
}

function used({ files, keys }: TokenState): number {
  let bytes = 0;
  for (const content of files.values()) bytes += overhead + content.length;
  for (const key of keys.values()) bytes += sizeOfKey(key);
  return bytes;
}
