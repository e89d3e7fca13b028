import { describe, expect, test } from "vitest";
import type { CardChannel } from "../../../src/apdu/channel.ts";
import { standardStack } from "../../../src/apdu/standard-stack.ts";
import { TransportError } from "../../../src/apdu/transport-error.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { getInfo } from "../../../src/cards/fido2/authenticator-info.ts";
import { exchangeCtap } from "../../../src/cards/fido2/ctap-command.ts";
import { type CtapOverCardOptions, ctapOverCard } from "../../../src/cards/fido2/ctap-over-apdu.ts";
import { resetAuthenticator } from "../../../src/cards/fido2/device-commands.ts";
import { type Exchange, ScriptedChannel } from "../support/scripted-channel.ts";

const select = ["00A40400 08 A0000006472F0001 00", "4649444F5F325F30 9000"] as const;
const wait = async (): Promise<void> => {};

function over(options: CtapOverCardOptions, ...script: readonly Exchange[]) {
  const card = new ScriptedChannel(...script);
  return { card, channel: ctapOverCard(card, { wait, ...options }) };
}

describe("SELECT", () => {
  test.each(["6A82", "6999", "6A81", "6D00"])("%s: FIDO2 is not reachable this way", async (sw) => {
    const { channel } = over({}, [select[0], sw]);
    await expect(channel.send(Uint8Array.of(4))).rejects.toMatchObject({
      code: "NOT_A_FIDO2_TOKEN",
      kind: "not-supported",
      advice: expect.stringMatching(/hide FIDO2 from card readers/),
    });
  });

  test("once, and again after a reset of the authenticator, an empty answer, a refusal", async () => {
    const { card, channel } = over(
      {},
      select,
      ["80108000 01 07 00", "00 9000"],
      select,
      ["80108000 01 04 00", "9000"],
      select,
      ["80108000 01 04 00", "6D00"],
      select,
      ["80108000 01 04 00", "00 9000"],
      ["80108000 01 04 00", "00 9000"],
    );
    await channel.send(Uint8Array.of(7));
    await expect(channel.send(Uint8Array.of(4))).rejects.toMatchObject({ code: "FIDO_SESSION_ENDED" });
    await expect(channel.send(Uint8Array.of(4))).rejects.toMatchObject({
      code: "APPLET_NOT_SELECTED",
      kind: "service",
    });
    await channel.send(Uint8Array.of(4));
    await channel.send(Uint8Array.of(4));
    expect(card.left).toBe(0);
  });

  test("again after another program's reset, with which a reading is repeated and nothing else", async () => {
    const reset = new TransportError("CARD_RESET", "another program reset the card");
    const { card, channel } = over({}, select, ["80108000 01 04 00", reset], select, [
      "80108000 01 04 00",
      `00A10350${"00".repeat(16)}9000`,
    ]);
    await exchangeCtap(channel, getInfo);
    expect(card.left).toBe(0);
    const once = over({}, select, ["80108000 01 07 00", reset]);
    await expect(exchangeCtap(once.channel, resetAuthenticator)).rejects.toBe(reset);
  });
});

describe("messages", () => {
  const long = new Uint8Array(600).fill(0xab);
  const hex = (from: number, to: number): string => toHex(long.subarray(from, to));

  test("in short APDUs, chained, under the standard stack too", async () => {
    const script = [
      select,
      [`90108000 FA ${hex(0, 250)}`, "9000"],
      [`90108000 FA ${hex(250, 500)}`, "9000"],
      [`80108000 64 ${hex(500, 600)} 00`, "00 6102"],
      ["00C00000 02", "A000 9000"],
    ] satisfies Exchange[];
    for (const stack of [
      (card: CardChannel) => card,
      (card: CardChannel) => standardStack(card, { deadlineMs: 1000 }),
    ]) {
      const card = new ScriptedChannel(...script);
      expect(toHex(await ctapOverCard(stack(card)).send(long))).toBe("00A000");
      expect(card.left).toBe(0);
    }
  });

  test("a refused part ends the chain", async () => {
    const { card, channel } = over({}, select, [`90108000 FA ${hex(0, 250)}`, "6700"]);
    await expect(channel.send(long)).rejects.toMatchObject({ code: "FIDO_APDU_REFUSED" });
    expect(card.left).toBe(0);
  });

  test("extended, until the first one is refused; later ones are not sent again", async () => {
    const { card, channel } = over(
      { extended: true },
      select,
      ["80108000 000001 04 0000", "6700"],
      ["80108000 01 04 00", "00 9000"],
      ["80108000 02 06A0 00", "00 9000"],
    );
    await channel.send(Uint8Array.of(4));
    await channel.send(Uint8Array.of(6, 0xa0));
    expect(card.left).toBe(0);
    const later = over(
      { extended: true },
      select,
      ["80108000 000001 04 0000", "00 9000"],
      ["80108000 000002 06A0 0000", "6700"],
    );
    await later.channel.send(Uint8Array.of(4));
    await expect(later.channel.send(Uint8Array.of(6, 0xa0))).rejects.toMatchObject({ code: "FIDO_APDU_REFUSED" });
    expect(later.card.left).toBe(0);
  });
});

describe("waiting for a touch", () => {
  test("patience ends in a cancellation, and one that is not heard in a timeout", async () => {
    const poll = ["8011000000", "02 9100"] as const;
    const patient = { patienceMs: 300 };
    const ended = over({}, select, ["80108000 01 02 00", "02 9100"], poll, poll, poll, ["8011110000", "2D 9000"]);
    expect(toHex(await ended.channel.send(Uint8Array.of(2), patient))).toBe("2D");
    expect(ended.card.left).toBe(0);
    const deaf: Exchange[] = Array.from({ length: 9 }, () => ["8011000000", "02 9100"]);
    const stuck = over(
      {},
      select,
      ["80108000 01 02 00", "02 9100"],
      poll,
      poll,
      poll,
      ["8011110000", "02 9100"],
      ...deaf,
    );
    await expect(stuck.channel.send(Uint8Array.of(2), patient)).rejects.toMatchObject({
      code: "TIMEOUT",
      kind: "timeout",
    });
    expect(stuck.card.left).toBe(0);
  });

  test("the answer after it may come in parts", async () => {
    const { channel } = over(
      {},
      select,
      ["80108000 01 02 00", "01 9100"],
      ["8011000000", "00 6101"],
      ["00C0000001", "A0 9000"],
    );
    const seen: number[] = [];
    expect(toHex(await channel.send(Uint8Array.of(2), { onKeepAlive: (status) => seen.push(status) }))).toBe("00A0");
    expect(seen).toEqual([1]);
  });
});

test("what was sent is overwritten: a message may carry what was made of a PIN", async () => {
  const sent: Uint8Array[] = [];
  const card: CardChannel = {
    atr: new Uint8Array(0),
    where: "reader",
    async transceive(command) {
      sent.push(command);
      return fromHex("009000");
    },
    async reset() {},
    async close() {},
  };
  await ctapOverCard(card).send(Uint8Array.of(6, 1, 2, 3));
  expect(sent.at(-1)?.every((byte) => byte === 0)).toBe(true);
});
