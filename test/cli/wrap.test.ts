import fc from "fast-check";
import { expect, test } from "vitest";
import { wrap } from "../../src/cli/terminal/wrap.ts";

test("what fits is left as it is, and so is everything where the width is not known", () => {
  expect(wrap("State     operational", 40)).toEqual(["State     operational"]);
  expect(wrap("x ".repeat(100), undefined)).toEqual(["x ".repeat(100)]);
  expect(wrap("x ".repeat(100), 0)).toEqual(["x ".repeat(100)]);
});

test("values of aligned facts stay in their column", () => {
  expect(wrap("DKEK      waiting for 2 of 3 shares, check value not readable", 40)).toEqual([
    "DKEK      waiting for 2 of 3 shares,",
    "          check value not readable",
  ]);
});

test("sentences behind a dash and messages stand under their first word", () => {
  expect(wrap("- set them with `hsmadm device init`, all of them", 30)).toEqual([
    "- set them with `hsmadm device",
    "  init`, all of them",
  ]);
  const hint = `hsmadm: hint: ${"insert a card ".repeat(4)}`.trimEnd();
  expect(wrap(hint, 60)).toEqual([
    "hsmadm: hint: insert a card insert a card insert a card",
    "              insert a card",
  ]);
  expect(wrap(hint, 40)).toEqual(["hsmadm: hint: insert a card insert a", "  card insert a card insert a card"]);
  expect(wrap("  three words indented so", 20)).toEqual(["  three words", "  indented so"]);
});

test("a word that is too long is left whole", () => {
  const key = "0123456789abcdef".repeat(4);
  expect(wrap(`Key  ${key} more`, 40)).toEqual([`Key  ${key}`, "     more"]);
  expect(wrap(key, 40)).toEqual([key]);
});

test("no word is lost, none is changed, and only long words stick out", () => {
  const word = fc.stringMatching(/^[a-z:-]{1,30}$/);
  fc.assert(
    fc.property(
      fc.array(word),
      fc.constantFrom("", "- ", "Name  ", "    "),
      fc.integer({ min: 20, max: 80 }),
      (words, head, columns) => {
        const line = head + words.join(" ");
        const lines = wrap(line, columns);
        expect(lines.join(" ").split(/ +/).filter(Boolean)).toEqual(line.split(/ +/).filter(Boolean));
        for (const one of lines.filter(({ length }) => length > columns)) {
          expect(one.slice(head.length).trim()).not.toContain(" ");
        }
      },
    ),
  );
});
