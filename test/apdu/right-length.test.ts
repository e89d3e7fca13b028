import { describe, expect, test } from "vitest";
import { withGetResponse } from "../../src/apdu/get-response.ts";
import { withRightLength } from "../../src/apdu/right-length.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { scripted } from "./support/scripted-channel.ts";

describe("6Cxx", () => {
  test.each([
    ["00B0000000", "6C05", "00B0000005"],
    ["00CA0000", "6C00", "00CA000000"],
    ["00B10000045402000000", "6C10", "00B10000045402000010"],
    ["00B1000000000454020000 0000", "6C10", "00B1000000000454020000 0010"],
  ])("%s answered %s goes out again as %s", async (first, sw, second) => {
    const card = scripted([sw, "019000"]);
    expect(toHex(await withRightLength(card).transceive(fromHex(first)))).toBe("019000");
    expect(card.sent[1]).toBe(second.replace(/\s/g, ""));
  });

  test("once only", async () => {
    const card = scripted(["6C05", "6C06"]);
    expect(toHex(await withRightLength(card).transceive(fromHex("00B0000000")))).toBe("6C06");
    expect(card.sent.length).toBe(2);
  });

  test("not at all when the length asked for is the one the card wants", async () => {
    const card = scripted(["6C05"]);
    expect(toHex(await withRightLength(card).transceive(fromHex("00B0000005")))).toBe("6C05");
  });

  test.each(["0020008106313233343536", "00240001", "802C0081", "00500000", "1020008100"])(
    "a command that presents a PIN (%s) is never sent twice",
    async (command) => {
      const card = scripted(["6C05"]);
      expect(toHex(await withRightLength(card).transceive(fromHex(command)))).toBe("6C05");
      expect(card.sent.length).toBe(1);
    },
  );

  test("an answer with data that happens to end in 6Cxx, and bytes that are no APDU, pass untouched", async () => {
    expect(toHex(await withRightLength(scripted(["016C05"])).transceive(fromHex("00B0000000")))).toBe("016C05");
    expect(toHex(await withRightLength(scripted(["6C05"])).transceive(fromHex("00B0")))).toBe("6C05");
  });

  test("under GET RESPONSE it corrects that too", async () => {
    const card = scripted(["6100", "6C02", "01029000"]);
    expect(toHex(await withGetResponse(withRightLength(card)).transceive(fromHex("00CA0000")))).toBe("01029000");
    expect(card.sent).toEqual(["00CA0000", "00C0000000", "00C0000002"]);
  });
});
