// The retry counters of the token in each reader: node read-counters.mjs
// Reading them costs no try. Needs a reader, and pcscd on Linux.
import { HsmError, openPcsc, SmartCardHsm, standardStack } from "hsmadm";

const timeoutMs = 10_000;

try {
  const pcsc = await openPcsc({ timeoutMs });
  try {
    const readers = await pcsc.listReaders();
    const present = readers.filter(({ state }) => state === "present");
    if (present.length === 0) console.log("no card in any reader");
    for (const { name } of present) await show(pcsc, name);
  } finally {
    await pcsc.close();
  }
} catch (error) {
  if (!(error instanceof HsmError)) throw error;
  console.error(`${error.message}${error.advice === undefined ? "" : `\n${error.advice}`}`);
  process.exitCode = error.exitCode;
}

/**
 * @param {import("hsmadm").Pcsc} pcsc
 * @param {string} reader
 */
async function show(pcsc, reader) {
  const bare = await pcsc.connect(reader, { share: "shared" });
  try {
    const card = await SmartCardHsm.open(standardStack(bare, { deadlineMs: timeoutMs }));
    const { serial } = await card.identity();
    const { userPin, soPin } = await card.status();
    console.log(`${serial}: user PIN ${userPin.triesLeft ?? userPin.state}, SO-PIN ${soPin.triesLeft ?? soPin.state}`);
  } finally {
    await bare.close();
  }
}
