import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../../src/bytes/hex.ts";
import { type ReaderInfo, readerChanges, readerInfo } from "../../../src/transport/pcsc/reader-info.ts";

const atr = fromHex("3B80800101");

describe("reader state bits", () => {
  test.each([
    [0x00012, "empty"],
    [0x10022, "present"],
    [0x10122, "present"],
    [0x101a2, "in-use"],
    [0x00222, "mute"],
    [0x00422, "present"],
    [0x00000, "empty"],
  ] as const)("%i is %s", (bits, state) => expect(readerInfo("R", bits, atr).state).toBe(state));

  test("an ATR is told only with a card, and never an empty one", () => {
    expect(readerInfo("R", 0x12, atr).atr).toBeNull();
    expect(readerInfo("R", 0x22, new Uint8Array(0)).atr).toBeNull();
    expect(readerInfo("R", 0x22, atr).atr).toEqual(atr);
  });
});

describe("hot-plug", () => {
  const empty: ReaderInfo = { name: "R", state: "empty", atr: null };
  const present: ReaderInfo = { name: "R", state: "present", atr };
  const other: ReaderInfo = { name: "R", state: "present", atr: fromHex("3BFE") };
  const mute: ReaderInfo = { name: "R", state: "mute", atr: null };

  const changes = (before: ReaderInfo[], after: ReaderInfo[]) =>
    readerChanges(before, after).map((event) => event.change);

  test.each<[string, ReaderInfo[], ReaderInfo[], string[]]>([
    ["a reader with a card comes", [], [present], ["reader-added", "card-inserted"]],
    ["and goes", [present], [], ["card-removed", "reader-gone"]],
    ["a card comes", [empty], [present], ["card-inserted"]],
    ["and goes", [present], [empty], ["card-removed"]],
    ["one card for another, too fast to see the gap", [present], [other], ["card-removed", "card-inserted"]],
    ["a card the wrong way round", [empty], [mute], ["card-mute"]],
    ["somebody uses it", [present], [{ ...present, state: "in-use" }], []],
    ["its ATR becomes known", [{ ...present, atr: null }], [present], []],
    ["nothing", [present], [present], []],
  ])("%s", (_, before, after, expected) => expect(changes(before, after)).toEqual(expected));

  test("following the events leads from any list to any other", () => {
    const reader = fc.record({
      name: fc.constantFrom("A", "B", "C", "D"),
      state: fc.constantFrom("empty", "present", "mute", "in-use"),
    });
    const list = fc
      .uniqueArray(reader, { selector: ({ name }) => name })
      .map((readers) => readers.map((one): ReaderInfo => ({ ...one, atr: one.state === "empty" ? null : atr })));
    fc.assert(
      fc.property(list, list, (before, after) => {
        const known = new Map(before.map(({ name, state }) => [name, state !== "empty"]));
        for (const event of readerChanges(before, after)) {
          if (!("reader" in event)) continue;
          const { name } = event.reader;
          if (event.change === "reader-gone") expect(known.delete(name)).toBe(true);
          else if (event.change === "reader-added") {
            expect(known.has(name)).toBe(false);
            known.set(name, false);
          } else known.set(name, event.change !== "card-removed");
        }
        expect([...known].sort()).toEqual(after.map(({ name, state }) => [name, state !== "empty"] as const).sort());
      }),
    );
  });
});
