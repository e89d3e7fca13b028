import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TransportError } from "../../src/apdu/transport-error.ts";
import { concat, utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { encodeTlv } from "../../src/bytes/tlv.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { FakeToken } from "./support/fake-token.ts";
import { ScriptedChannel, select } from "./support/scripted-channel.ts";

const pin = utf8Bytes("648219");

/** A card that gives a file in pieces of its own size, with the status word of its kind at the end. */
function servingPieces(
  token: FakeToken,
  file: Uint8Array,
  size: number,
  kind: "genuine" | "pico" | "before 3.4",
): void {
  token.before = (_, command) => {
    if (command[1] !== 0xb1) return undefined;
    const at = command[4] === 0 ? 7 : 5;
    const offset = (command[at + 2] ?? 0) * 256 + (command[at + 3] ?? 0);
    if (offset > file.length) return fromHex(kind === "genuine" ? "6B00" : "6282");
    const piece = file.subarray(offset, offset + size);
    const last = offset + piece.length === file.length;
    return concat(piece, fromHex(kind === "before 3.4" || (kind === "genuine" && last) ? "6282" : "9000"));
  };
}

describe.each(["genuine", "pico", "before 3.4"] as const)("a card that ends files like %s", (kind) => {
  test("gives back what is in the file, whatever its pieces", async () => {
    const objects = fc.array(fc.uint8Array({ minLength: 1, maxLength: 600 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(objects, fc.integer({ min: 40, max: 2028 }), async (values, size) => {
        const token = FakeToken.initialised();
        const card = await SmartCardHsm.open(token);
        const single = encodeTlv(0x30, ...values);
        servingPieces(token, concat(single, fromHex("0102030405")), size, kind);
        // The tail of a longer file is cut off behind the one object.
        expect(await card.readFile(0xc401)).toEqual(single);
        const bytes = concat(...values);
        servingPieces(token, bytes, size, kind);
        expect(await card.readFile(0xcf01)).toEqual(bytes);
        const chain = concat(...values.map((value) => encodeTlv(0x7f21, value)));
        servingPieces(token, chain, size, kind);
        if (kind !== "before 3.4") expect(await card.readFile(0x2f02)).toEqual(chain);
      }),
      { numRuns: 60 },
    );
  });
});

test("one exchange where the lengths say that nothing is missing", async () => {
  const token = FakeToken.initialised();
  token.files.set(0xce01, fromHex("6703010203"));
  const card = await SmartCardHsm.open(token);
  await card.readFile(0xce01);
  expect(token.sent).toHaveLength(2);
});

test("firmware before 3.4 may end a piece with 6282 where more follows", async () => {
  const version12: [string, string] = ["00A404000B E82B0601040181C31F0201 00", "6F07820178 85020102 9000"];
  const read = (offset: string): string => `00B12F02 000004 5402${offset} 0000`;
  const channel = new ScriptedChannel(
    version12,
    [read("0000"), "7F210101 6282"],
    [read("0004"), "7F210102 6282"],
    [read("0008"), "6282"],
  );
  const card = await SmartCardHsm.open(channel);
  expect(await card.readFile(0x2f02)).toEqual(fromHex("7F2101017F210102"));
});

test.each([
  ["6700", "6700"],
  ["a failing exchange", new TransportError("EXCHANGE_FAILED", "the reader cannot")],
])("%s for an extended APDU: short ones from then on", async (_, answer) => {
  const channel = new ScriptedChannel(
    select(),
    ["00B1CE01 000004 54020000 0000", answer],
    ["00B1CE01 04 54020000 00", "6703010203 9000"],
    ["00B1CE02 04 54020000 00", "6A82"],
    ["8058000000", "CC00CC010000 9000"],
  );
  const card = await SmartCardHsm.open(channel);
  expect(await card.readFile(0xce01)).toEqual(fromHex("6703010203"));
  await expect(card.readFile(0xce02)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  expect(await card.listFiles()).toEqual([0xcc00, 0xcc01]);
});

test("a file that never ends is given up", async () => {
  const token = FakeToken.initialised();
  const card = await SmartCardHsm.open(token);
  token.before = () => concat(new Uint8Array(2000).fill(0x30), fromHex("9000"));
  await expect(card.readFile(0xcf01)).rejects.toMatchObject({ code: "FILE_TOO_LONG" });
  token.before = () => fromHex("309000");
  await expect(card.readFile(0xcf01)).rejects.toMatchObject({ code: "FILE_TOO_LONG" });
  expect(token.sent.length).toBeLessThan(300);
});

test("writes and reads back, long and short, with and without extended APDUs", async () => {
  const token = FakeToken.initialised();
  const card = await SmartCardHsm.open(token);
  await card.verifyUserPin(pin);
  const long = Uint8Array.from({ length: 3000 }, (_, i) => i & 0xff);
  await card.writeFile(0xcf01, long);
  expect(await card.readFile(0xcf01)).toEqual(long);
  await card.writeFile(0xcf01, fromHex("01"));
  expect(await card.readFile(0xcf01)).toEqual(fromHex("01"));
  await card.writeFile(0xcf02, new Uint8Array(0));
  token.before = (_, command) => (command[1] === 0xd7 && command[4] === 0 ? fromHex("6700") : undefined);
  await card.writeFile(0xcf01, long);
  expect(token.files.get(0xcf01)).toEqual(long);
  await card.deleteFile(0xcf01);
  await expect(card.deleteFile(0xcf01)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
});

test("random bytes, in pieces; too few of them are no random bytes", async () => {
  const token = FakeToken.initialised();
  const card = await SmartCardHsm.open(token);
  expect(await card.random(600)).toHaveLength(600);
  expect(token.sent.slice(1)).toEqual(["0084000000", "0084000000", "0084000058"]);
  token.before = () => fromHex("0102039000");
  await expect(card.random(8)).rejects.toMatchObject({ code: "RANDOM_INCOMPLETE" });
});

describe("key domains", () => {
  const answer = (states: readonly string[], channel: FakeToken): void => {
    channel.before = (_, command) => (command[1] === 0x52 ? fromHex(states[command[3] ?? 0] ?? "6A86") : undefined);
  };
  const complete = "0100630DCD2966C433669000";
  const pending = "020100000000000000009000";

  test("none asked for more than the DKEK where nothing hints at them", async () => {
    const token = FakeToken.initialised();
    answer([complete, complete], token);
    const card = await SmartCardHsm.open(token);
    expect(await card.status()).toMatchObject({ keyDomains: null, dkek: { state: "complete" } });
    expect(await card.status({ keyDomains: true })).toMatchObject({ keyDomains: [{ index: 0 }, { index: 1 }] });
  });
  test("a first domain not yet created makes it look further", async () => {
    const token = FakeToken.initialised();
    answer(["6A88", pending, "6A88"], token);
    expect(await (await SmartCardHsm.open(token)).status()).toMatchObject({
      state: "dkek-shares-pending",
      keyDomains: [{ state: "not-created" }, { state: "pending" }, { state: "not-created" }],
    });
  });
  test("6A88 alone is a card of version 4 without DKEK", async () => {
    const token = FakeToken.initialised();
    answer(["6A88"], token);
    expect(await (await SmartCardHsm.open(token)).status()).toMatchObject({
      dkek: { state: "none" },
      keyDomains: null,
    });
  });
  test("a token that was never initialised is asked once", async () => {
    const token = new FakeToken();
    answer(["6A88"], token);
    expect(await (await SmartCardHsm.open(token)).status()).toMatchObject({ state: "uninitialised", keyDomains: null });
    expect(token.sent).toHaveLength(4);
  });
  test("an XKEK domain shows itself by its length", async () => {
    const token = FakeToken.initialised();
    answer([complete.replace("9000", `${"AB".repeat(64)}9000`)], token);
    expect(await (await SmartCardHsm.open(token)).status()).toMatchObject({ keyDomains: [{ state: "complete" }] });
  });
  test("a card that never says no more is asked sixteen times", async () => {
    const token = FakeToken.initialised();
    token.before = (_, command) => (command[1] === 0x52 ? fromHex("6A88") : undefined);
    expect((await (await SmartCardHsm.open(token)).status()).keyDomains).toHaveLength(16);
  });
});
