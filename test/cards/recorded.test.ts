import { describe, expect, test } from "vitest";
import type { CardChannel } from "../../src/apdu/channel.ts";
import { decodeResponse } from "../../src/apdu/response.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { queryKeyDomain } from "../../src/cards/smartcard-hsm/key-domains.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { load, RecordedCard, recordedVersions } from "./support/recorded-card.ts";

// The answers of an independent card (pico-hsm 6.6), recorded with OpenSC: test/recordings/README.md.

const pin = utf8Bytes("648219");
const soPin = fromHex("3537363231383830");

describe.each(recordedVersions)("recorded with OpenSC %s", (version) => {
  test("never initialised", async () => {
    const card = await SmartCardHsm.open(new RecordedCard(version, "01-status-uninitialised", 1));
    expect(card.application).toMatchObject({ version: { major: 6, minor: 6 }, options: 0, profile: "pico" });
    // OpenSC asked for the user PIN only where the SO-PIN exists.
    expect(await card.pinState("so-pin")).toEqual({ state: "uninitialised", triesLeft: null, sw: 0x6a88 });
    expect(await card.identity()).toMatchObject({ serial: "", chain: { status: "not-verifiable" } });
    expect(await card.label()).toBeNull();
  });

  test("status with a complete DKEK, in six exchanges", async () => {
    const channel = new RecordedCard(version, "05-status", 0);
    const card = await SmartCardHsm.open(channel);
    const identity = await card.identity();
    const label = await card.label();
    const status = await card.status();
    expect(channel.sent).toHaveLength(6);
    expect(card.application.version).toEqual({ major: 6, minor: 6 });
    expect(identity).toMatchObject({ serial: "ESPICOHSMTR", chr: "ESPICOHSMTR00001", simulated: false });
    expect(identity.key).toMatch(/^[0-9a-f]{64}$/);
    expect(identity.chain.status).toBe("not-verifiable");
    expect(label).toBe("bench card");
    expect(status).toMatchObject({
      state: "operational",
      soPin: { state: "ready", triesLeft: 15 },
      userPin: { state: "ready", triesLeft: 3 },
      // Zeros on the wire: not readable before login, and no check value.
      dkek: { state: "complete", shares: 1, outstanding: 0, kcv: null, kcvNote: "before-login" },
      keyDomains: null,
    });
  });

  test("initialise with one share and a label: OpenSC's bytes, eleven exchanges with the status", async () => {
    const channel = new RecordedCard(version, "03-initialize-dkek-1", 1, "05-status");
    channel.at(0);
    const initialise = "805000001C80020001810636343832313982083537363231383830910103920101";
    expect(channel.knows(initialise)).toBe(true);
    // The counter before is from the status of the card as it stood then.
    const answers = new RecordedCard(version, "02-initialize-no-dkek", 3);
    const both = mixed(channel, answers);
    const driver = await SmartCardHsm.open(both);
    await driver.initialize({ soPin, userPin: pin, retries: 3, dkek: { kind: "shares", shares: 1 } });
    await driver.verifyUserPin(pin);
    await driver.writeLabel("bench card");
    channel.at(1);
    const status = await driver.status();
    // Ten as on a genuine card, and one to read the certificate again, which an independent card may have made anew.
    expect(both.sent).toHaveLength(11);
    expect(both.sent).toContain(initialise);
    expect(both.sent).toContain("0020008106363438323139");
    expect(both.sent).toContain("00D72F031B5402000053153013020100800A62656E6368206361726403020520");
    expect(status).toMatchObject({
      state: "dkek-shares-pending",
      userPin: { triesLeft: 3 },
      soPin: { triesLeft: 15 },
      dkek: { state: "pending", shares: 1, outstanding: 1, kcv: null },
    });
  });

  test("without key shares: ten zero bytes are no DKEK", async () => {
    const card = await SmartCardHsm.open(new RecordedCard(version, "02-initialize-no-dkek", 1));
    expect(await card.status()).toMatchObject({ state: "operational", dkek: { state: "none", kcv: null } });
  });

  test("one of two shares is missing, then none", async () => {
    const channel = new RecordedCard(version, "19-dkek-shares-2-of-2", 3);
    const card = await SmartCardHsm.open(channel);
    expect(await card.status()).toMatchObject({
      state: "dkek-shares-pending",
      dkek: { state: "pending", shares: 2, outstanding: 1 },
    });
    channel.at(5);
    expect(await card.status()).toMatchObject({
      state: "operational",
      dkek: { state: "complete", shares: 2, kcv: null, kcvNote: "before-login" },
    });
  });

  test("the check value is readable after a login, zeros before it are none", () => {
    const answers = load(version, "23-raw-dkek-status")
      .steps.flatMap((step) => step.exchange)
      .filter(({ c }) => c === "8052000000")
      .map(({ r = "" }) => queryKeyDomain(0).parse(decodeResponse(fromHex(r))));
    expect(answers[0]).toMatchObject({ state: "complete", kcv: null, kcvNote: "before-login" });
    expect(answers[1]).toMatchObject({ state: "complete", kcv: expect.stringMatching(/[1-9A-F]/), kcvNote: null });
  });

  test("three wrong PINs, each once, until blocked; then unblocked with the SO-PIN", async () => {
    const channel = new RecordedCard(version, "17-pin-blocked-unblock", 0);
    const wrong = utf8Bytes("000000");
    const card = await SmartCardHsm.open(channel, { policy: { minTries: 0, minSoTries: 3 } });
    const attempt = async () => card.verifyUserPin(wrong).catch((error: unknown) => error);

    expect(await attempt()).toMatchObject({ code: "PIN_WRONG", kind: "authentication", triesLeft: 2 });
    channel.at(1);
    expect(await card.status()).toMatchObject({ state: "operational", userPin: { triesLeft: 2 } });
    // The same PIN again: refused here, the recording would answer.
    channel.at(2);
    const sent = channel.sent.length;
    expect(await attempt()).toMatchObject({ code: "PIN_REFUSED_BEFORE", kind: "refused", triesLeft: 2 });
    expect(channel.sent.slice(sent)).toEqual(["00200081"]);

    // A new run without a memory, as another program would be.
    const other = await SmartCardHsm.open(channel, { policy: { minTries: 0, minSoTries: 3 } });
    const again = async () => other.verifyUserPin(wrong).catch((error: unknown) => error);
    expect(await again()).toMatchObject({ code: "PIN_WRONG", triesLeft: 1 });
    channel.at(4);
    const last = await SmartCardHsm.open(channel, { policy: { minTries: 0, minSoTries: 3 } });
    const blocking = await last.verifyUserPin(wrong).catch((error: unknown) => error);
    expect(blocking).toMatchObject({ code: "USER_PIN_BLOCKED", kind: "blocked", triesLeft: 0 });

    channel.at(5);
    expect(await last.status()).toMatchObject({
      state: "user-pin-blocked",
      userPin: { state: "blocked", triesLeft: 0 },
    });
    await expect(last.verifyUserPin(pin)).rejects.toMatchObject({ code: "USER_PIN_BLOCKED" });

    // A wrong SO-PIN, then the right one.
    const officer = await SmartCardHsm.open(mixed(channel, stepOf(version, 8)));
    await expect(officer.unblockUserPin({ soPin: fromHex("0000000000000000"), next: pin })).rejects.toMatchObject({
      code: "SO_PIN_WRONG",
      kind: "authentication",
      triesLeft: 14,
      which: "so-pin",
      advice: expect.stringMatching(/ASCII.*15 wrong ones/),
    });
    channel.at(9);
    expect(await officer.status()).toMatchObject({ state: "user-pin-blocked", soPin: { triesLeft: 14 } });
    const right = await SmartCardHsm.open(mixed(channel, stepOf(version, 10)));
    await right.unblockUserPin({ soPin, next: pin });
    channel.at(11);
    expect(await right.status()).toMatchObject({
      state: "operational",
      soPin: { triesLeft: 15 },
      userPin: { triesLeft: 3 },
    });
  });

  test("changes of both PINs are OpenSC's bytes", async () => {
    const user = await SmartCardHsm.open(new RecordedCard(version, "16-random-pin-change", 2));
    await user.changeUserPin({ current: pin, next: utf8Bytes("123456") }).catch(onlyMissing);
    const officer = new RecordedCard(version, "16-random-pin-change", 4);
    const driver = await SmartCardHsm.open(mixed(officer, new RecordedCard(version, "05-status", 0)));
    await driver.changeSoPin({ current: soPin, next: fromHex("0123456789ABCDEF") });
    expect(officer.sent.at(-1)).toBe("002400881035373632313838300123456789ABCDEF");
  });
});

function stepOf(version: (typeof recordedVersions)[number], step: number): RecordedCard {
  return new RecordedCard(version, "17-pin-blocked-unblock", step);
}

function onlyMissing(error: unknown): void {
  expect(error).not.toMatchObject({ kind: "authentication" });
}

/** Answers from the first recording, and from the second what was not asked in the first. */
function mixed(first: RecordedCard, second: RecordedCard): CardChannel & { readonly sent: string[] } {
  const sent: string[] = [];
  return {
    sent,
    atr: first.atr,
    where: first.where,
    async transceive(command: Uint8Array): Promise<Uint8Array> {
      const hex = toHex(command);
      sent.push(hex);
      return first.knows(hex) || !second.knows(hex) ? first.transceive(command) : second.transceive(command);
    },
    reset: async () => {},
    close: async () => {},
  };
}
