// Records what a program and a token say to each other, PINs masked as they pass: node record-a-session.mjs FILE
// The token is a simulated one; record yours by taking the channel from `openPcsc`.
import { SmartCardHsm, standardStack } from "hsmadm";
import { repeatableWorld, SimulatedToken, SimulatorChannel, smartCardHsmRedactor, TraceRecorder } from "hsmadm/testing";
import { pinWarning } from "./pin-warning.mjs";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: node record-a-session.mjs FILE");

const token = SimulatedToken.create(repeatableWorld("example"), { profile: "genuine" });
const bytes = new TextEncoder();
const setUp = await SmartCardHsm.open(new SimulatorChannel(token, "sim:example"));
await setUp.initialize({
  soPin: bytes.encode("3537363231383830"),
  userPin: bytes.encode("648219"),
  dkek: { kind: "none" },
});
await setUp.channel.close();

const recorder = await TraceRecorder.create(file, { header: { card: "SIMULATED SmartCard-HSM", tool: "my program" } });
// The recorder stands next to the card, everything else above it.
const recorded = recorder.record(new SimulatorChannel(token, "sim:example"), smartCardHsmRedactor());
console.log((await pinWarning(standardStack(recorded, { deadlineMs: 10_000 }))) ?? "all is well");
await recorded.close();
await recorder.finish();
