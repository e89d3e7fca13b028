import { describe, expect, test } from "vitest";
import { aesKey, operation } from "./support/keys.ts";
import { generateRsa, initialised, loggedIn, selected, send, sendAll, verifyPin } from "./support/token.ts";

const query = "8052000000";
const oneShare = { tags: "910103920101" };

// vectors/dkek.json and reference 05 section 5.1.
const dkek = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";
const kcv = "630DCD2966C43366";

describe("a DKEK on a genuine card", () => {
  test("waits for its shares, then shows its check value", async () => {
    const token = await initialised("genuine", oneShare);
    expect(await sendAll(token, query, `8052000020${dkek}00`, query)).toEqual([
      "010100000000000000009000",
      `0100${kcv}9000`,
      `0100${kcv}9000`,
    ]);
    expect(await send(token, `8052000020${dkek}00`)).toBe("6985");
  });

  test("is the XOR of its shares: the same share twice cancels itself", async () => {
    const token = await initialised("genuine", { tags: "910103920103" });
    const share = "AA".repeat(32);
    await sendAll(token, `8052000020${share}00`, `8052000020${dkek}00`);
    expect(await send(token, query)).toBe("030100000000000000009000");
    expect(await send(token, `8052000020${share}00`)).toBe(`0300${kcv}9000`);
  });

  test("takes no share of another length", async () => {
    const token = await initialised("genuine", oneShare);
    expect(await sendAll(token, `805200001F${dkek.slice(2)}00`, query)).toEqual(["6700", "010100000000000000009000"]);
  });

  test("is random for no shares, and is not there without tag 92", async () => {
    expect(await send(await initialised("genuine", { tags: "910103920100" }), query)).toMatch(
      /^0000(?!0{16}).{16}9000$/,
    );
    expect(await send(await initialised("genuine"), query)).toBe("6A88");
    expect(await send(await selected("genuine"), query)).toBe("6A88");
  });

  test("blocks key generation until it is complete", async () => {
    const token = await loggedIn("genuine", oneShare);
    expect(await send(token, generateRsa)).toBe("6985");
    await send(token, `8052000020${dkek}00`);
    expect(await send(token, generateRsa)).toMatch(/^67.*9000$/);
  });
});

describe("a DKEK on a pico", () => {
  // Recordings 01, 02, 04, 23.
  test("shows its check value only while logged in", async () => {
    const token = await initialised("pico", oneShare);
    expect(await sendAll(token, `8052000020${dkek}00`, query, verifyPin, query)).toEqual([
      "010000000000000000009000",
      "010000000000000000009000",
      "9000",
      `0100${kcv}9000`,
    ]);
  });

  test("is all zeros without tag 92, and takes no share", async () => {
    const token = await initialised("pico");
    expect(await sendAll(token, query, `8052000020${dkek}00`)).toEqual(["000000000000000000009000", "6986"]);
    expect(await send(await selected("pico"), query)).toBe("6B00");
  });
});

describe("key domains", () => {
  test("are created, filled, and deleted one by one", async () => {
    const token = await loggedIn("genuine", { tags: "910103970102" });
    expect(await sendAll(token, "8052000000", "8052000100", "8052000200")).toEqual(["6A88", "6A88", "6A86"]);
    expect(await send(token, "8052010101 01 00")).toBe("010100000000000000009000");
    expect(await send(token, `8052000120${dkek}00`)).toBe(`0100${kcv}9000`);
    expect(await send(token, "8052000000")).toBe("6A88");
    expect(await sendAll(token, "8052010101 01 00", "80520401", "8052000100")).toEqual([
      "6A86",
      "9000",
      "010100000000000000009000",
    ]);
    expect(await sendAll(token, "80520301", "8052000100")).toEqual(["6A88", "6A88"]);
  });

  test("lose their key alone (P1 04) while they hold keys, themselves (P1 03) only when they hold none", async () => {
    const token = await loggedIn("genuine", { tags: "910103970102" });
    await sendAll(token, "80520100010100", `8052000020${dkek}00`, aesKey("01", "B0"));
    expect(await sendAll(token, "80520300", "8052040000", "8052000000")).toEqual([
      "6A89",
      "010100000000000000009000",
      "010100000000000000009000",
    ]);
    // The key is still of use, but it goes nowhere until the shares came again.
    expect(await sendAll(token, operation("78", "01", "18", "AA"), "80720192000000")).toEqual([
      expect.stringMatching(/^.{32}9000$/),
      "6985",
    ]);
    await send(token, `8052000020${dkek}00`);
    expect(await send(token, "80720192000000")).toMatch(new RegExp(`^${kcv}0F.*9000$`));
    expect(await sendAll(token, "00E4020002CC01", "80520300", "8052000000")).toEqual(["9000", "6A88", "6A88"]);
  });

  test("without shares get another random key, never an empty one", async () => {
    const token = await loggedIn("genuine", { tags: "910103970101" });
    const [first, second] = await sendAll(token, "80520100010000", "8052040000");
    expect(first).toMatch(/^0000(?!66687AADF862BD77)(?!0{16}).{16}9000$/);
    expect(second).toMatch(/^0000(?!66687AADF862BD77)(?!0{16}).{16}9000$/);
    expect(second).not.toBe(first);
  });

  test("are for those who are logged in", async () => {
    expect(await send(await initialised("genuine", { tags: "970101" }), "8052010001 01 00")).toBe("6982");
    expect(await send(await initialised("pico", { tags: "970101" }), "8052010001 01 00")).toBe("6985");
  });
});
