import { expect, test } from "vitest";
import { describeSw, meaningOf, SW, triesLeftIn } from "../../src/apdu/status-word.ts";

test("only 63Cx tells tries: 6983 is blocked, not three left", () => {
  expect(triesLeftIn(0x63c0)).toBe(0);
  expect(triesLeftIn(0x63cf)).toBe(15);
  for (const sw of [0x6983, 0x6300, 0x63b3, 0x63d0, 0x9003]) expect(triesLeftIn(sw)).toBeUndefined();
});

test.each([
  [0x9000, "SW 9000 (done)"],
  [0x6a82, "SW 6A82 (file not found)"],
  [0x63c2, "SW 63C2 (wrong, 2 tries left)"],
  [0x6100, "SW 6100 (256 more bytes to fetch)"],
  [0x6c10, "SW 6C10 (wrong Le, 16 bytes are there)"],
  [0x6983, "SW 6983 (blocked)"],
  [0x0000, "SW 0000 (unknown status word)"],
])("%i reads %s", (sw, text) => expect(describeSw(sw)).toBe(text));

test("every word has a meaning, every named word one of its own", () => {
  for (let sw = 0; sw <= 0xffff; sw += 7) expect(meaningOf(sw)).not.toBe("");
  for (const sw of Object.values(SW)) {
    expect(["warning", "refused", "unknown status word"]).not.toContain(meaningOf(sw));
  }
});
