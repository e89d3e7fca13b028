import { describe, expect, test } from "vitest";
import type { CardChannel } from "../../../src/apdu/channel.ts";
import { TransportError } from "../../../src/apdu/transport-error.ts";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { SmartCardHsm } from "../../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { hexAt, textAt, vectors } from "../../crypto/vectors.ts";
import { type Exchange, ScriptedChannel, select } from "../support/scripted-channel.ts";

const kcv = "630DCD2966C43366";

async function scripted(...script: Exchange[]): Promise<{ driver: SmartCardHsm; card: ScriptedChannel }> {
  const card = new ScriptedChannel(select(), ...script);
  return { driver: await SmartCardHsm.open(card), card };
}

describe("key shares", () => {
  const share = fromHex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
  const command = `${textAt(vectors("apdus"), "apdus", "import_dkek_share")}00`;

  test("the state comes with the answer: one exchange", async () => {
    const { driver, card } = await scripted([command, `0201${"00".repeat(8)}9000`], [command, `0200${kcv}9000`]);
    expect(await driver.importDkekShare(share)).toMatchObject({
      state: "pending",
      shares: 2,
      outstanding: 1,
      kcv: null,
    });
    expect(await driver.importDkekShare(share)).toMatchObject({ state: "complete", outstanding: 0, kcv });
    expect(card.left).toBe(0);
  });

  test("into another domain, and asked for where the answer says nothing", async () => {
    const { driver, card } = await scripted(
      [command.replace("80520000", "80520003"), "9000"],
      ["8052000300", `0100${kcv}9000`],
    );
    expect(await driver.importDkekShare(share, 3)).toMatchObject({ index: 3, state: "complete", kcv });
    expect(card.left).toBe(0);
  });

  test.each([new Uint8Array(31), new Uint8Array(33), new Uint8Array(32), new Uint8Array(0)])(
    "share %# is refused, nothing is sent",
    async (bad) => {
      const { driver, card } = await scripted();
      await expect(driver.importDkekShare(bad)).rejects.toMatchObject({ code: "SHARE_INVALID", kind: "usage" });
      expect(card.sent).toHaveLength(1);
    },
  );

  test("never sent twice, not even when another program resets the card: it would cancel itself", async () => {
    const reset = new TransportError("CARD_RESET", "reset", { layer: "test" });
    const { driver, card } = await scripted([command, reset]);
    await expect(driver.importDkekShare(share)).rejects.toMatchObject({ code: "CARD_RESET" });
    expect(card.sent).toHaveLength(2);
  });

  test.each([
    ["6986", "SHARE_NOT_EXPECTED", "conflict"],
    ["6985", "SHARE_NOT_EXPECTED", "conflict"],
    ["6D00", "NO_DKEK", "not-supported"],
    ["6A88", "NO_DKEK", "not-supported"],
    ["6A86", "KEY_DOMAIN_NOT_FOUND", "usage"],
    ["6700", "SHARE_REFUSED", "usage"],
    ["6F42", "COMMAND_REFUSED", "unexpected"],
  ])("%s: %s, without the share in the message", async (sw, code, kind) => {
    const { driver } = await scripted([command, sw]);
    const error: unknown = await driver.importDkekShare(share).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code, kind, message: expect.stringContaining(sw) });
    expect(JSON.stringify(error)).not.toContain("0001020304");
  });
});

describe("key domains", () => {
  test("created, cleared, deleted", async () => {
    const { driver, card } = await scripted(
      ["80520102 01 02 00", `0202${"00".repeat(8)}9000`],
      ["80520402 00", "9000"],
      ["80520002 00", `0202${"00".repeat(8)}9000`],
      ["80520302 00", "6A88"],
      ["80520002 00", "6A88"],
    );
    expect(await driver.createKeyDomain(2, 2)).toMatchObject({ index: 2, state: "pending", shares: 2, outstanding: 2 });
    expect(await driver.clearKeyDomain(2)).toMatchObject({ state: "pending", outstanding: 2 });
    // Pico HSM answers 6A88 to a delete that was done.
    expect(await driver.deleteKeyDomain(2)).toMatchObject({ state: "not-created" });
    expect(card.left).toBe(0);
  });

  test("listed until the card says that there are no more", async () => {
    const { driver } = await scripted(
      ["80520000 00", `0100${kcv}9000`],
      ["80520001 00", "6A88"],
      ["80520002 00", "6A86"],
    );
    expect((await driver.keyDomains()).map(({ index, state }) => [index, state])).toEqual([
      [0, "complete"],
      [1, "not-created"],
    ]);
    const none = await scripted(["80520000 00", "6D00"]);
    expect(await none.driver.keyDomains()).toMatchObject([{ index: 0, state: "none" }]);
  });

  test.each([
    ["6A89", "KEY_DOMAIN_NOT_EMPTY", "conflict"],
    ["6982", "NOT_LOGGED_IN", "authentication"],
    ["6985", "KEY_DOMAIN_STATE", "conflict"],
    ["6A86", "KEY_DOMAIN_STATE", "conflict"],
    ["6B00", "KEY_DOMAIN_NOT_FOUND", "usage"],
    ["6D00", "NO_KEY_DOMAINS", "not-supported"],
  ])("a delete is answered %s: %s", async (sw, code, kind) => {
    const { driver } = await scripted(["80520302 00", sw]);
    await expect(driver.deleteKeyDomain(2)).rejects.toMatchObject({ code, kind });
  });

  test("numbers that are none are refused before sending", async () => {
    const { driver, card } = await scripted();
    const invalid = { code: "KEY_DOMAIN_INVALID", kind: "usage" };
    await expect(driver.createKeyDomain(256, 1)).rejects.toMatchObject(invalid);
    await expect(driver.createKeyDomain(1, 256)).rejects.toMatchObject(invalid);
    await expect(driver.createKeyDomain(1, -1)).rejects.toMatchObject(invalid);
    await expect(driver.deleteKeyDomain(0.5)).rejects.toMatchObject(invalid);
    expect(card.sent).toHaveLength(1);
  });
});

describe("unwrap", () => {
  const blob = hexAt(vectors("wrapped_keys"), "cases", "ec_p256", "blob");
  const list: Exchange = ["80580000000000", "CC00CC01C401CC02CE039000"];

  test("in one command, as in the vectors, in the first place that is free", async () => {
    const vector = textAt(vectors("apdus"), "apdus", "unwrap_key_ec_p256_id5");
    const { driver, card } = await scripted(list, [vector.replace("80740593", "80740493"), "9000"]);
    expect(await driver.unwrapKey(blob)).toBe(4);
    expect(card.left).toBe(0);
  });

  test("long ones, and where the card takes no long command, through the scratch file", async () => {
    const long = concat(blob, new Uint8Array(1300 - blob.length));
    const sent: string[] = [];
    let refusing = false;
    const card: CardChannel = {
      atr: new Uint8Array(0),
      where: "card",
      transceive: async (command) => {
        const hex = toHex(command);
        sent.push(hex);
        if (hex.startsWith("00A4")) return fromHex("6F0A82017885050001000401 9000");
        if (hex.startsWith("8058")) return fromHex(list[1] as string);
        return fromHex(refusing && hex.startsWith("80740493000") ? "6700" : "9000");
      },
      reset: async () => {},
      close: async () => {},
    };
    const driver = await SmartCardHsm.open(card);
    await driver.unwrapKey(long);
    expect(sent.slice(2).map((hex) => hex.slice(0, 8))).toEqual(["00D72F10", "00D72F10", "80740493"]);
    expect(sent.at(-1)).toBe("80740493");
    refusing = true;
    await driver.unwrapKey(blob);
    expect(sent.slice(-3).map((hex) => hex.slice(0, 8))).toEqual(["80740493", "00D72F10", "80740493"]);
    expect(sent.at(-1)).toBe("80740493");
  });

  test.each([
    ["6A80", "KEY_BLOB_REFUSED", "check-failed"],
    ["6400", "KEY_BLOB_REFUSED", "check-failed"],
    ["6984", "KEY_BLOB_REFUSED", "check-failed"],
    ["6F00", "KEY_BLOB_REFUSED", "not-supported"],
    ["6A84", "TOKEN_FULL", "unexpected"],
    ["6985", "DKEK_SHARES_PENDING", "refused"],
    ["6D00", "NO_DKEK", "not-supported"],
    ["6982", "NOT_LOGGED_IN", "authentication"],
  ])("%s: %s", async (sw, code, kind) => {
    const vector = textAt(vectors("apdus"), "apdus", "unwrap_key_ec_p256_id5");
    const { driver } = await scripted(list, [vector, sw]);
    await expect(driver.unwrapKey(blob, 5)).rejects.toMatchObject({ code, kind });
  });

  test.each([0, 10, 4097])("%d bytes are no wrapped key, nothing is sent", async (length) => {
    const { driver, card } = await scripted();
    await expect(driver.unwrapKey(new Uint8Array(length))).rejects.toMatchObject({ code: "KEY_BLOB_INVALID" });
    expect(card.sent).toHaveLength(1);
  });

  test.each([
    ["6A88", "NO_DKEK"],
    ["6D00", "NO_DKEK"],
    ["6A82", "KEY_NOT_FOUND"],
    ["6985", "KEY_NOT_EXPORTABLE"],
    ["6982", "NOT_LOGGED_IN"],
    ["9000", "KEY_BLOB_INVALID"],
    ["0102039000", "KEY_BLOB_INVALID"],
  ])("a wrap is answered %s: %s", async (answer, code) => {
    const { driver } = await scripted(["80720192 000000", answer]);
    await expect(driver.wrapKey(1)).rejects.toMatchObject({ code });
  });
});
