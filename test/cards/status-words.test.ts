import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type RefusableCommand, type Refusal, refusal, refusals } from "../../src/cards/smartcard-hsm/refusals.ts";
import { statusWordsDocument } from "./support/status-words-doc.ts";

const page = new URL("../../docs/status-words.md", import.meta.url);

test("docs/status-words.md says what the code does", () => {
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, statusWordsDocument());
  expect(readFileSync(page, "utf8")).toBe(statusWordsDocument());
});

describe.each(Object.entries(refusals))("%s", (command, table) => {
  test.each(Object.entries(table) as [string, Refusal][])("%s", (word, expected) => {
    const error = refusal(command as RefusableCommand, Number(word), "DENK0105213");
    expect(error).toMatchObject({ code: expected.code, kind: expected.kind, token: "DENK0105213" });
    // Lower case, no full stop, the token's name and the word for the curious.
    expect(error.message).toMatch(/^[a-zD].*DENK0105213.* \(.*SW [0-9A-F]{4}.*\)$|^DENK0105213.*SW [0-9A-F]{4}.*\)$/);
    expect(error.advice ?? "").not.toMatch(/[.]$/);
  });

  test("an unknown word is told as it is", () => {
    expect(refusal(command as RefusableCommand, 0x6f42, "x")).toMatchObject({
      code: "COMMAND_REFUSED",
      message: expect.stringContaining("6F42"),
    });
  });
});
