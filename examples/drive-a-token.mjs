// Initialises a token, logs in, names it, and meets a wrong PIN: node drive-a-token.mjs
// The token is a simulated one that lives in memory. With a channel from `openPcsc` the same lines erase a real one.
import { HsmError, SmartCardHsm, standardStack } from "hsmadm";
import { defaultWorld, SimulatedToken, SimulatorChannel } from "hsmadm/testing";

/** @param {string} text */
const bytes = (text) => new TextEncoder().encode(text);

const token = SimulatedToken.create(defaultWorld(), { profile: "genuine" });
const channel = standardStack(new SimulatorChannel(token, "sim:example"), { deadlineMs: 10_000 });
try {
  const card = await SmartCardHsm.open(channel);
  await card.initialize({ soPin: bytes("3537363231383830"), userPin: bytes("648219"), dkek: { kind: "random" } });
  await card.verifyUserPin(bytes("648219"));
  await card.writeLabel("example");
  console.log(`label: ${await card.label()}`);
  console.log(`random bytes: ${(await card.random(16)).length}`);
  console.log(`state: ${(await card.status()).state}`);
  try {
    await card.verifyUserPin(bytes("111111"));
  } catch (error) {
    if (!(error instanceof HsmError) || error.code !== "PIN_WRONG") throw error;
    console.log(`wrong PIN, ${error.triesLeft} tries left`);
  }
  try {
    await card.verifyUserPin(bytes("111111"));
  } catch (error) {
    if (!(error instanceof HsmError) || error.code !== "PIN_REFUSED_BEFORE") throw error;
    console.log(`the same again: ${error.kind}, still ${(await card.pinState("user-pin")).triesLeft} tries left`);
  }
} finally {
  await channel.close();
}
