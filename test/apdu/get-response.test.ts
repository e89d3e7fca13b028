import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { getResponseLimits, withGetResponse } from "../../src/apdu/get-response.ts";
import { concat } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { scripted } from "./support/scripted-channel.ts";

describe("GET RESPONSE", () => {
  test("joins the parts and gives the last status word", async () => {
    const card = scripted(["01026103", "0304056101", "069000"]);
    const answer = await withGetResponse(card).transceive(fromHex("00B000000A"), { patienceMs: 7 });
    expect(toHex(answer)).toBe("0102030405069000");
    expect(card.sent).toEqual(["00B000000A", "00C0000003", "00C0000001"]);
    expect(card.options).toEqual([{ patienceMs: 7 }, { patienceMs: 7 }, { patienceMs: 7 }]);
  });

  test("6100 asks for 256 bytes, a refusal at the end is handed on after the data", async () => {
    const card = scripted(["6100", "AA6282"]);
    expect(toHex(await withGetResponse(card).transceive(fromHex("00CA0000")))).toBe("AA6282");
    expect(card.sent[1]).toBe("00C0000000");
  });

  test.each([
    ["80", "00"],
    ["02", "02"],
    ["0C", "00"],
    ["10", "00"],
  ])("class %s fetches with class %s", async (cla, expected) => {
    const card = scripted(["6101", "019000"]);
    await withGetResponse(card).transceive(fromHex(`${cla}520000`));
    expect(card.sent[1]).toBe(`${expected}C0000001`);
  });

  test("a card that announces data for ever is stopped", async () => {
    const card = scripted(["6101"], true);
    await expect(withGetResponse(card).transceive(fromHex("00CA0000"))).rejects.toMatchObject({
      code: "RESPONSE_ENDLESS",
    });
    expect(card.sent.length).toBe(getResponseLimits.rounds + 1);
  });

  test("so is one that sends more than fits into one answer", async () => {
    const card = scripted([() => concat(new Uint8Array(60_000), fromHex("6100"))], true);
    await expect(withGetResponse(card).transceive(fromHex("00CA0000"))).rejects.toMatchObject({
      code: "RESPONSE_ENDLESS",
    });
    expect(card.sent.length).toBe(2);
  });

  test("any answer cut into any parts arrives whole", async () => {
    const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 256 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(parts, async (chunks) => {
        const answers = chunks.map((chunk, i) => {
          const next = chunks[i + 1];
          const sw = next === undefined ? Uint8Array.of(0x90, 0) : Uint8Array.of(0x61, next.length & 0xff);
          return () => concat(chunk, sw);
        });
        const answer = await withGetResponse(scripted(answers)).transceive(fromHex("00CB0000"));
        expect(answer).toEqual(concat(...chunks, Uint8Array.of(0x90, 0)));
      }),
    );
  });

  test("whatever a card answers, it ends", async () => {
    const words = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(words, async (answers) => {
        const card = scripted(
          answers.map((bytes) => () => bytes),
          true,
        );
        await withGetResponse(card)
          .transceive(fromHex("00CB0000"))
          .catch(() => {});
        expect(card.sent.length).toBeLessThanOrEqual(getResponseLimits.rounds + 1);
      }),
      { numRuns: 50 },
    );
  });
});
