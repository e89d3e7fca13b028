// A small program of yours that talks to a token: what the other examples test.
import { SmartCardHsm } from "hsmadm";

/**
 * What a person should hear before work begins, or `null` when all is well. Spends no try.
 * @param {import("hsmadm").CardChannel} channel a reader, a recording or a simulated token: it cannot tell which
 * @returns {Promise<string | null>}
 */
export async function pinWarning(channel) {
  const card = await SmartCardHsm.open(channel);
  const { state, triesLeft } = await card.pinState("user-pin");
  const name = (await card.label()) ?? "this token";
  if (state === "uninitialised") return `${name} was never initialised`;
  if (state === "blocked") return `the user PIN of ${name} is blocked: ask your security officer`;
  if (triesLeft !== null && triesLeft < 2) return `only ${triesLeft} try left on ${name}`;
  return null;
}
