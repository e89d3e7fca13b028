import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes/hex.ts";
import {
  bothProfiles,
  generateRsa,
  initialised,
  length,
  loggedIn,
  selectApplet,
  selected,
  send,
  sendAll,
} from "./support/token.ts";

function update(fid: string, offset: number, hex: string): string {
  const data = `5402${offset.toString(16).padStart(4, "0")}53${length(hex)}${hex}`;
  return `00D7${fid}${length(data)}${data}`;
}

function read(fid: string, offset: number, le = "00"): string {
  return `00B1${fid}045402${offset.toString(16).padStart(4, "0")}${le}`;
}

describe.each(bothProfiles)("files of a %s", (profile) => {
  test("are written piece by piece and read back", async () => {
    const token = await loggedIn(profile);
    const commands = [
      update("CF01", 0, ""),
      update("CF01", 0, "0102"),
      update("CF01", 2, "0304"),
      update("CF01", 1, "FF"),
    ];
    expect(await sendAll(token, ...commands)).toEqual(["9000", "9000", "9000", "9000"]);
    expect(await send(token, read("CF01", 0, "04"))).toBe("01FF03049000");
  });

  test("are written by those who are logged in, and read by all", async () => {
    const token = await loggedIn(profile);
    await sendAll(token, update("CF01", 0, "AA"), selectApplet);
    expect(await sendAll(token, update("CF01", 0, "BB"), "00E4020002CF01", read("CF01", 0, "01"))).toEqual([
      "6982",
      "6982",
      "AA9000",
    ]);
  });

  test("of the prefix CD are read by those who are logged in", async () => {
    const token = await loggedIn(profile);
    expect(await sendAll(token, update("CD01", 0, "AA"), read("CD01", 0, "01"))).toEqual(["9000", "AA9000"]);
    await send(token, selectApplet);
    expect(await send(token, read("CD01", 0, "01"))).toBe("6982");
  });

  test("are gone after DELETE FILE", async () => {
    const token = await loggedIn(profile);
    expect(await sendAll(token, update("CF01", 0, "AA"), "00E4020002CF01", read("CF01", 0), "00E4020002CF01")).toEqual([
      "9000",
      "9000",
      "6A82",
      "6A82",
    ]);
  });

  test("that belong to the card are not written and not deleted", async () => {
    const token = await loggedIn(profile);
    for (const fid of ["2F02", "CC00", "CC01", "1234"]) {
      expect(await send(token, update(fid, 0, "AA")), fid).toBe("6982");
    }
    expect(await sendAll(token, "00E40200022F02", "00E4020002CC00")).toEqual(["6982", "6982"]);
  });

  test("can be read in pieces of any size", async () => {
    const token = await selected(profile);
    const whole = toHex(token.state.device?.certificates ?? new Uint8Array());
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 255 }), async (piece) => {
        let collected = "";
        for (let offset = 0; offset < whole.length / 2; offset = collected.length / 2) {
          const answer = await send(token, read("2F02", offset, piece.toString(16).padStart(2, "0")));
          expect(answer.length).toBeGreaterThan(4);
          collected += answer.slice(0, -4);
        }
        expect(collected).toBe(whole);
      }),
      { numRuns: 20 },
    );
  });
});

describe("READ BINARY", () => {
  test("at the end of a genuine card's file: 6282, with what is there; beyond: 6B00", async () => {
    const token = await loggedIn("genuine");
    await send(token, update("CF01", 0, "AABB"));
    expect(await sendAll(token, read("CF01", 0), read("CF01", 2), read("CF01", 3))).toEqual([
      "AABB6282",
      "6282",
      "6B00",
    ]);
  });

  test("at the end of a pico's file: 9000; beyond: 6282", async () => {
    const token = await loggedIn("pico");
    await send(token, update("CF01", 0, "AABB"));
    expect(await sendAll(token, read("CF01", 0), read("CF01", 2), read("CF01", 3))).toEqual([
      "AABB9000",
      "9000",
      "6282",
    ]);
  });

  test("of more than Le leaves the rest of a pico's file for GET RESPONSE", async () => {
    const token = await loggedIn("pico");
    await send(token, update("CF01", 0, "AABBCC"));
    expect(await sendAll(token, read("CF01", 0, "01"), "00C0000002", "00C0000002")).toEqual([
      "AA6102",
      "BBCC9000",
      "6985",
    ]);
  });

  test("B0 and file 0000 mean the file that was selected or written last", async () => {
    const token = await loggedIn("genuine");
    await send(token, update("CF01", 0, "AABB"));
    expect(
      await sendAll(token, "00B0000101", "00B10000045402000001", "00A4000002CF0100", update("0000", 0, "CC")),
    ).toEqual(["BB9000", "AA9000", expect.stringMatching(/9000$/), "9000"]);
    expect(await send(token, "00B0000001")).toBe("CC9000");
    await send(token, selectApplet);
    expect(await sendAll(token, "00B0000001", "00B10000045402000001")).toEqual(["6986", "6986"]);
  });

  test("refuses a data field that is no offset", async () => {
    const token = await selected("genuine");
    expect(await sendAll(token, "00B12F02045302000000", "00B12F02025400 00", "00B12F020754050000000000 00")).toEqual([
      "6A80",
      "6A80",
      "6A80",
    ]);
  });
});

describe("UPDATE BINARY", () => {
  test("at offset 0 replaces a pico's file, and leaves the tail of a genuine card's", async () => {
    for (const [profile, left] of [
      ["pico", "CC9000"],
      ["genuine", "CCBB9000"],
    ] as const) {
      const token = await loggedIn(profile);
      await sendAll(token, update("CF01", 0, "AABB"), update("CF01", 0, "CC"));
      expect(await send(token, read("CF01", 0, profile === "pico" ? "00" : "02"))).toBe(left);
    }
  });

  test("fills the card, and says when it is full; what is deleted makes room", async () => {
    const token = await loggedIn("genuine");
    const piece = "AA".repeat(1400);
    const write = (fid: string, offset: number) => {
      const data = `5402${offset.toString(16).padStart(4, "0")}53820578${piece}`;
      return `00D7${fid}00${(data.length / 2).toString(16).padStart(4, "0")}${data}`;
    };
    let last = "9000";
    let files = 0;
    while (last === "9000" && files < 20) {
      files++;
      for (let offset = 0; offset + 1400 < 0x7fff && last === "9000"; offset += 1400) {
        last = await send(token, write(`CF${files.toString(16).padStart(2, "0")}`, offset));
      }
    }
    expect(last).toBe("6A84");
    expect(files).toBe(9);
    // A key of 16 bytes still fits, an RSA key does not.
    expect(await send(token, "804801B0")).toBe("9000");
    const before = token.state.keys.size;
    expect(await send(token, generateRsa.replace("004601", "004602"))).toBe("6A84");
    expect(token.state.keys.size).toBe(before);
    await send(token, "00E4020002CF01");
    expect(await send(token, generateRsa.replace("004601", "004602"))).toMatch(/9000$/);
  });

  test("leaves no gap", async () => {
    expect(await send(await loggedIn("genuine"), update("CF01", 1, "AA"))).toBe("6B00");
    expect(await send(await loggedIn("pico"), update("CF01", 1, "AA"))).toBe("6984");
  });
});

describe("ENUMERATE OBJECTS", () => {
  const files = ["2F03", "C801", "C901", "CA01", "CD01", "CE09", "CF01"];

  test("of a genuine card lists everything of its prefixes, sorted, and the device's own", async () => {
    const token = await loggedIn("genuine");
    for (const fid of files) await send(token, update(fid, 0, "AA"));
    expect(await send(token, "80580000000000")).toBe("2F02C801C901CA01CC00CD01CE09CF019000");
  });

  test("of a pico lists keys and descriptions", async () => {
    const token = await loggedIn("pico");
    for (const fid of files) await send(token, update(fid, 0, "AA"));
    expect(await send(token, "80580000000000")).toBe("C400CC00C801C9019000");
    expect(await send(await selected("pico"), "80580000000000")).toBe("9000");
  });
});

describe("GET CHALLENGE", () => {
  test("answers as many bytes as asked for, not twice the same", async () => {
    const token = await initialised("genuine");
    const [first, second] = await sendAll(token, "0084000008", "0084000008");
    expect(first).toMatch(/^.{16}9000$/);
    expect(second).not.toBe(first);
    expect((await send(token, "0084000000 0400")).length).toBe(2 * 1026);
    expect(await sendAll(token, "00840000000401", "00840000")).toEqual(["6700", "6700"]);
  });
});
