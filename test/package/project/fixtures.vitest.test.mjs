import { expect, test } from "vitest";
import { fixtures, played } from "./fixtures.mjs";

test.each(fixtures)("%s", async (fixture) => {
  const { facts, expected } = await played(fixture);
  expect(facts).toEqual(expected);
});
