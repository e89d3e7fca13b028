// A simulated token in a test: unlike a recording it answers whatever is asked, and every run gives the same bytes.
import { SmartCardHsm } from "hsmadm";
import { repeatableWorld, SimulatedToken, SimulatorChannel } from "hsmadm/testing";
import { expect, test } from "vitest";
import { pinWarning } from "./pin-warning.mjs";

/** @param {string} text */
const bytes = (text) => new TextEncoder().encode(text);

test("a blocked PIN is told", async () => {
  const token = SimulatedToken.create(repeatableWorld("blocked"), { profile: "genuine" });
  const channel = new SimulatorChannel(token, "sim:test");
  expect(await pinWarning(channel)).toBe("this token was never initialised");

  // The floor is off, because this test wants to spend the last try.
  const card = await SmartCardHsm.open(channel, { policy: { minTries: 0, minSoTries: 3 } });
  await card.initialize({ soPin: bytes("3537363231383830"), userPin: bytes("648219"), dkek: { kind: "none" } });
  for (const wrong of ["111111", "222222", "333333"]) await card.verifyUserPin(bytes(wrong)).catch(() => {});
  expect(await pinWarning(channel)).toBe("the user PIN of this token is blocked: ask your security officer");
});

test("what it keeps survives as JSON", async () => {
  const token = SimulatedToken.create(repeatableWorld("kept"), { profile: "pico" });
  const card = await SmartCardHsm.open(new SimulatorChannel(token, "sim:test"));
  await card.initialize({ soPin: bytes("3537363231383830"), userPin: bytes("648219"), dkek: { kind: "none" } });

  const later = SimulatedToken.restore(JSON.parse(JSON.stringify(token.serialize())), repeatableWorld("later"));
  expect(await pinWarning(new SimulatorChannel(later, "sim:test"))).toBeNull();
});
