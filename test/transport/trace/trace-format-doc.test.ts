import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isTransportFault } from "../../../src/apdu/transport-error.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import { faultWords } from "../../../src/transport/trace/fault-words.ts";
import { openReplay } from "../../../src/transport/trace/replay.ts";
import { formatTrace, parseTrace } from "../../../src/transport/trace/trace-file.ts";
import { errorFrom, faultNames } from "./support.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/trace-format.md"), "utf8");
const example = /```apdu\n([\s\S]*?)```/.exec(page)?.[1] ?? "";

describe("docs/trace-format.md", () => {
  test("has an example that is written exactly like this", () => {
    expect(formatTrace(parseTrace(example, "example"))).toBe(example);
  });

  test("has an example that replays", async () => {
    const replay = openReplay(example, "example");
    const channel = replay.connect();
    await channel.transceive(fromHex("00A404000BE82B0601040181C31F020100"));
    expect(await channel.transceive(fromHex("0020008106363438323139"))).toEqual(fromHex("63C2"));
    await channel.reset();
    expect(await channel.transceive(fromHex("0084000028"))).toHaveLength(42);
    const removed = await errorFrom(() => channel.transceive(fromHex("0084000028")));
    expect(isTransportFault(removed, "CARD_REMOVED")).toBe(true);
    expect(removed.advice).toBe("put it back and run the command again");
    await channel.close();
    replay.finish();
  });

  test("names every fault and no other", () => {
    const list = /<!-- fault words -->([\s\S]*?)<!--/.exec(page)?.[1] ?? "";
    expect([...list.matchAll(/`([^`]+)`/g)].map((match) => match[1])).toEqual(faultNames.map(faultWords));
  });
});
