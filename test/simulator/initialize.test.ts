import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes/hex.ts";
import {
  bothProfiles,
  initialised,
  initialize,
  loggedIn,
  selectApplet,
  selected,
  send,
  sendAll,
  soPin,
} from "./support/token.ts";

const wrongSoPin = "0000000000000000";
const putFile = "00D7CF01075402000053 01AA";

describe.each(bothProfiles)("INITIALIZE DEVICE on a %s", (profile) => {
  test("sets PINs, tries and options", async () => {
    const token = await initialised(profile, { options: "0021", tags: "910102" });
    expect(await sendAll(token, "00200081", "00200088")).toEqual(["63C2", "63CF"]);
    expect(await send(token, selectApplet)).toContain("85050021");
  });

  test("takes 3 tries when none are named", async () => {
    const token = await initialised(profile, { tags: "" });
    expect(await send(token, "00200081")).toBe("63C3");
  });

  test("erases files and keys, keeps the identity", async () => {
    const token = await loggedIn(profile);
    const before = token.state.device?.certificates ?? new Uint8Array();
    expect(await send(token, putFile)).toBe("9000");
    expect(await sendAll(token, initialize(), selectApplet, "00B1CF01045402000000")).toEqual([
      "9000",
      expect.stringMatching(/9000$/),
      "6A82",
    ]);
    expect(toHex(token.state.device?.certificates ?? new Uint8Array())).toBe(toHex(before));
  });

  test.each([
    ["no options", "8050000014 8106363438323139 8208 3537363231383830 9200"],
    ["no SO-PIN", "805000000C 80020001 8106363438323139"],
    ["an SO-PIN of seven bytes", "8050000015 80020001 8106363438323139 8207 35373632313838"],
    ["a length that runs over the end", "8050000006 80020001 8206"],
    ["no tries", "8050000019 80020001 8106363438323139 8208 3537363231383830 910100"],
  ])("refuses %s and changes nothing", async (_, command) => {
    const token = await selected(profile);
    const answer = await send(token, command);
    expect(answer).toBe(profile === "genuine" ? "6A80" : "6700");
    expect(token.state.initialised).toBe(false);
  });
});

describe("INITIALIZE DEVICE on a genuine card", () => {
  test("checks the SO-PIN, and a wrong one costs a try", async () => {
    const token = await loggedIn("genuine");
    await send(token, putFile);
    expect(await sendAll(token, initialize({ so: wrongSoPin }), "00200088", "00B1CF010454020000 01")).toEqual([
      "6985",
      "63CE",
      "AA9000",
    ]);
    // The right one brings the tries back.
    expect(await sendAll(token, initialize(), "00200088")).toEqual(["9000", "63CF"]);
  });

  test("is never possible again once the SO-PIN is blocked", async () => {
    const token = await initialised("genuine");
    for (let i = 0; i < 15; i++) expect(await send(token, initialize({ so: wrongSoPin }))).toBe("6985");
    expect(await sendAll(token, initialize(), "00200088")).toEqual(["6983", "6983"]);
  });

  test.each([
    ["4 tries for 6 characters", { tags: "910104" }, "6A80"],
    ["5 tries for 7", { pin: "31323334353637", tags: "910105" }, "9000"],
    ["6 tries for 7", { pin: "31323334353637", tags: "910106" }, "6A80"],
    ["10 tries for 8", { pin: "3132333435363738", tags: "91010A" }, "9000"],
    ["11 tries for 8", { pin: "3132333435363738", tags: "91010B" }, "6A80"],
    ["a PIN of 5", { pin: "3132333435" }, "6A80"],
    ["a PIN of 16", { pin: "31".repeat(16) }, "9000"],
    ["a PIN of 17", { pin: "31".repeat(17) }, "6A80"],
    ["no PIN", { pin: "" }, "6A80"],
    ["no PIN but keys that log in", { pin: "", tags: "93020301" }, "9000"],
    ["more keys required than there are", { tags: "93020304" }, "6A80"],
    ["shares and key domains at once", { tags: "920101970102" }, "6A80"],
    ["a biometric server's AID", { tags: "9505A000000001" }, "9000"],
    ["an empty AID", { tags: "9600" }, "6A80"],
  ])("with %s", async (_, settings, answer) => {
    expect(await send(await selected("genuine"), initialize(settings))).toBe(answer);
  });

  test("does not log in", async () => {
    const token = await selected("genuine");
    expect(await sendAll(token, initialize(), "00200081")).toEqual(["9000", "63C3"]);
  });
});

describe("INITIALIZE DEVICE on a pico", () => {
  // Recording 18.
  test("takes any SO-PIN and sets it", async () => {
    const token = await initialised("pico");
    expect(await sendAll(token, initialize({ so: wrongSoPin }), "00200088", `0020008808${soPin}`)).toEqual([
      "9000",
      "63CF",
      "63CE",
    ]);
  });

  test("makes a new identity when neither PIN stays and nobody is logged in", async () => {
    const token = await initialised("pico");
    const before = toHex(token.state.device?.certificates ?? new Uint8Array());
    await sendAll(token, selectApplet, initialize({ so: wrongSoPin, pin: "313131313131" }));
    expect(toHex(token.state.device?.certificates ?? new Uint8Array())).not.toBe(before);
  });
});

describe("the query", () => {
  test("tells the version in its last two bytes", async () => {
    expect(await send(await selected("genuine"), "8050000000")).toMatch(/0401 ?9000$/);
    // Recording 22.
    expect(await send(await selected("pico"), "8050000000")).toBe("001000000006069000");
  });
});
