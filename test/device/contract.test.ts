import { afterAll, beforeAll, describe, test } from "vitest";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { openPcsc, type Pcsc } from "../../src/transport/pcsc/pcsc.ts";
import { smartCardHsmContract } from "../contract/smartcard-hsm-contract.ts";

/**
 * The contract on a real card. It ERASES the card many times, so both are wanted: the serial of that very card, which
 * must be the one found, and its SO-PIN as 16 hex digits.
 *
 *     HSM_TEST_SERIAL=DENK0105213 HSM_TEST_SO_PIN=… npm test -- --project device
 */
const serial = process.env["HSM_TEST_SERIAL"];
const soPin = process.env["HSM_TEST_SO_PIN"];

if (serial === undefined || soPin === undefined) {
  describe.skip("a real card (left out: HSM_TEST_SERIAL and HSM_TEST_SO_PIN are not set)", () => {
    test("contract of a SmartCard-HSM", () => {});
  });
} else {
  let pcsc: Pcsc;
  let reader: string;

  beforeAll(async () => {
    pcsc = await openPcsc({ timeoutMs: 60_000 });
    for (const { name, state } of await pcsc.listReaders()) {
      if (state !== "present") continue;
      const channel = await pcsc.connect(name, { share: "exclusive" });
      const card = await SmartCardHsm.open(channel).catch(() => null);
      const found = (await card?.identity())?.serial;
      await channel.close();
      if (found === serial) reader = name;
    }
    if (reader === undefined) throw new Error(`no token with serial ${serial} is plugged in: nothing was touched`);
  });
  afterAll(() => pcsc?.close());

  smartCardHsmContract(
    `card ${serial}`,
    (body) =>
      body({
        connect: async () => standardStack(await pcsc.connect(reader, { share: "exclusive" }), { deadlineMs: 60_000 }),
      }),
    { profile: "genuine", fresh: false, expendable: false },
    soPin,
  );
}
