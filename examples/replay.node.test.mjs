// A recorded token in a test of Node's own runner: node --test
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openReplay } from "hsmadm/testing";
import { pinWarning } from "./pin-warning.mjs";

// Written by record-a-session.mjs.
const name = "ready.apdu";
const text = readFileSync(new URL(`recorded/${name}`, import.meta.url), "utf8");

test("a token that is ready gives no warning", async () => {
  const replay = openReplay(text, name);
  assert.equal(await pinWarning(replay.connect()), null);
  // Fails when something that was recorded was never asked for.
  replay.finish();
});

test("the last try is told: a recording is text, so the counter can be edited", async () => {
  const replay = openReplay(text.replace("< 63 C3", "< 63 C1"), name);
  assert.equal(await pinWarning(replay.connect()), "only 1 try left on this token");
  replay.finish();
});

test("a program that asks something else than was recorded hears the line, what was expected and what it sent", async () => {
  const other = openReplay(text.replaceAll("> 00 20 00 81", "> 00 20 00 88"), name);
  await assert.rejects(pinWarning(other.connect()), { code: "TRACE_OTHER_COMMAND" });
});
