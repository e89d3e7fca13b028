import assert from "node:assert/strict";
import { test } from "node:test";
import { fixtures, played } from "./fixtures.mjs";

for (const fixture of fixtures) {
  test(fixture, async () => {
    const { facts, expected } = await played(fixture);
    assert.deepEqual(facts, expected);
  });
}
