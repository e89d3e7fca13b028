import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../src/bytes/hex.ts";
import { HsmError } from "../../src/errors.ts";
import { reportDevice } from "../../src/services/device-report.ts";
import { explain } from "../../src/services/explain.ts";
import { fileLedger } from "../../src/services/pins/ledger.ts";
import { type InitialisePlan, initialiseToken } from "../../src/services/provisioning.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { openOn, PulledCard, type PulledWhen } from "./pulled-card.ts";

const pin = new TextEncoder().encode("648219");
const next = new TextEncoder().encode("123987");
const wrong = new TextEncoder().encode("000000");
const soPin = fromHex("3537363231383830");
const plan: InitialisePlan = { label: "demo", settings: { soPin, userPin: pin, dkek: { kind: "none" } } };

const verify = 0x20;
const change = 0x24;
const initialize = 0x50;

describe.each(["genuine", "pico"] as const)("%s", (profile) => {
  const fresh = () => SimulatedToken.create(repeatableWorld(profile), { profile });
  const initialised = async () => {
    const token = fresh();
    await initialiseToken(await openOn(new PulledCard(token)), plan);
    return token;
  };

  describe.each<PulledWhen>(["before", "after"])("unplugged %s the card has worked on an exchange", (when) => {
    test.each(["new", "initialised"])("at every exchange of `device init` on a token that is %s", async (kind) => {
      const begin = kind === "new" ? async () => fresh() : initialised;
      const whole = new PulledCard(await begin());
      await initialiseToken(await openOn(whole), plan);
      for (let at = 0; at < whole.sent.length; at++) {
        const token = await begin();
        const pulled = new PulledCard(token, { at, when });
        await expectHsmError(async () => initialiseToken(await openOn(pulled), plan));
        expect(pulled.count(initialize), `INITIALIZE, pulled at ${at}`).toBeLessThanOrEqual(1);
        expect(pulled.count(verify), `VERIFY, pulled at ${at}`).toBeLessThanOrEqual(1);

        const report = await reportDevice(await openOn(new PulledCard(token)));
        expect(["uninitialised", "operational"], `state, pulled at ${at}`).toContain(report.state);
        expect(explain(report).length).toBeGreaterThan(0);
        if (report.state === "operational") expect(report.userPin.triesLeft).toBe(3);
        if (report.soPin.triesLeft !== null) expect(report.soPin.triesLeft).toBe(15);

        const outcome = await initialiseToken(await openOn(new PulledCard(token)), plan);
        expect(outcome.labelWritten, `label after the second run, pulled at ${at}`).toBe(true);
      }
    });

    test("at every exchange of `pin change`", async () => {
      const whole = new PulledCard(await initialised());
      await (await openOn(whole)).changeUserPin({ current: pin, next });
      for (let at = 0; at < whole.sent.length; at++) {
        const token = await initialised();
        const pulled = new PulledCard(token, { at, when });
        await expectHsmError(async () => (await openOn(pulled)).changeUserPin({ current: pin, next }));
        expect(pulled.count(change)).toBeLessThanOrEqual(1);

        const card = await openOn(new PulledCard(token));
        expect(await reportDevice(card)).toMatchObject({ state: "operational", userPin: { triesLeft: 3 } });
        // Either the change was made or it was not; running it again tells, at the price of one try at most.
        const again = await card.changeUserPin({ current: pin, next }).then(
          () => "made now",
          (error: HsmError) => error.code,
        );
        expect(["made now", "PIN_WRONG"]).toContain(again);
        await card.verifyUserPin(next);
      }
    });
  });

  test("the next command does not send the same wrong PIN again, and the next success clears it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hsmadm-ledger-"));
    try {
      const token = await initialised();
      const run = async (value: Uint8Array) => {
        const channel = new PulledCard(token);
        const card = await openOn(channel, fileLedger(join(folder, "ledger.json")));
        const error = await card.verifyUserPin(value).then(
          () => undefined,
          (thrown: HsmError) => thrown,
        );
        return { error, sent: channel.count(verify) };
      };
      expect(await run(wrong)).toMatchObject({ error: { code: "PIN_WRONG", triesLeft: 2 }, sent: 1 });
      for (let i = 0; i < 3; i++) {
        expect(await run(wrong)).toMatchObject({
          error: { code: "PIN_REFUSED_BEFORE", kind: "refused", message: expect.stringContaining("NOT sent") },
          sent: 0,
        });
      }
      expect(await run(pin)).toMatchObject({ error: undefined, sent: 1 });
      expect(await run(wrong)).toMatchObject({ error: { code: "PIN_WRONG", triesLeft: 2 }, sent: 1 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("without the ledger's file in order nothing is sent", async () => {
    const token = await initialised();
    const channel = new PulledCard(token);
    const card = await openOn(channel, fileLedger(import.meta.filename)); // This test is no ledger.
    await expect(card.verifyUserPin(pin)).rejects.toMatchObject({ code: "LEDGER_UNREADABLE", kind: "refused" });
    expect(channel.count(verify)).toBe(0);
  });
});

test.each([{ kind: "shares", shares: 1 }, { kind: "none" }] as const)(
  "`device init` with a label and DKEK $kind takes the ten exchanges of the budget on a genuine token",
  async (dkek) => {
    const channel = new PulledCard(SimulatedToken.create(repeatableWorld("budget"), { profile: "genuine" }));
    await initialiseToken(await openOn(channel), {
      label: "demo",
      settings: { soPin, userPin: pin, dkek },
    });
    expect(channel.sent.length).toBe(10);
  },
);

async function expectHsmError(work: () => Promise<unknown>): Promise<void> {
  const error = await work().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HsmError);
  expect((error as HsmError).code).toMatch(/^(CARD_REMOVED|INITIALISED_IN_PART)$/);
}
