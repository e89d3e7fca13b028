import { describe, expect, test } from "vitest";
import { initialised, loggedIn, selectApplet, selected, send, sendAll } from "./support/token.ts";

describe("SELECT", () => {
  // The bytes of reference/smartcard-hsm.md, "Minimal simulator behaviour", row 1.
  test("of the applet answers version 4.1 and the options, in FCI or FCP as asked", async () => {
    const token = await initialised("genuine");
    expect(await send(token, selectApplet)).toBe("6F0A8201788505000100" + "04019000");
    expect(await send(token, "00A404040BE82B0601040181C31F020100")).toBe("620A820178850500010004019000");
  });

  // Recording 01 of OpenSC 0.23.0.
  test("of the applet on a pico puts other tags before tag 85, whatever P2 asks", async () => {
    const token = await selected("pico");
    const fcp = "62228102000082010183020000840B2B0601040181C31F0201308A010585050000FF06069000";
    expect(await send(token, selectApplet)).toBe(fcp);
    expect(await send(token, "00A404040BE82B0601040181C31F020100")).toBe(fcp);
    expect(await send(token, "00A4040C0BE82B0601040181C31F020100")).toBe("6A86");
    expect(await send(token, selectApplet.slice(0, -2))).toBe("6124");
    expect(await send(token, "00C0000024")).toBe(fcp);
  });

  test("of another applet is refused and leaves ours selected", async () => {
    const token = await selected("genuine");
    expect(await sendAll(token, "00A4040006A00000000101", "0084000008")).toEqual([
      "6A82",
      expect.stringMatching(/^.{16}9000$/),
    ]);
  });

  test.each(["genuine", "pico"] as const)(
    "of the applet ends the login of a %s, of a file does not",
    async (profile) => {
      const token = await loggedIn(profile);
      expect(await sendAll(token, "00A40000022F0200", "00200081")).toEqual([expect.stringMatching(/9000$/), "9000"]);
      expect(await sendAll(token, selectApplet, "00200081")).toEqual([expect.stringMatching(/9000$/), "63C3"]);
    },
  );

  test("of a file tells its size in tag 80, of a missing one 6A82", async () => {
    const token = await selected("genuine");
    const answer = await send(token, "00A40000022F0200");
    const size = (token.state.device?.certificates.length ?? 0).toString(16).toUpperCase().padStart(4, "0");
    expect(answer).toBe(`6F0B8002${size}82010183022F029000`);
    expect(await send(token, "00A4000002CE0100")).toBe("6A82");
    expect(await send(token, "00A40800022F0000")).toBe("6A86");
  });

  test("must come first after power on", async () => {
    const token = await selected("genuine");
    token.reset();
    expect(await sendAll(token, "00200081", "8058000000")).toEqual(["6D00", "6D00"]);
  });
});

describe("a reset", () => {
  test("ends the login of a genuine card, and not of a pico", async () => {
    const genuine = await loggedIn("genuine");
    genuine.reset();
    expect(genuine.session.userLogin).toBe(false);
    const pico = await loggedIn("pico");
    pico.reset();
    expect(await send(pico, "00200081")).toBe("6D00");
    expect(pico.session.userLogin).toBe(true);
  });
});

describe("what the card does not know", () => {
  test("instructions and classes are refused", async () => {
    const token = await loggedIn("genuine");
    expect(await sendAll(token, "80AA0000", "00500000", "0C200081", "10200081")).toEqual([
      "6D00",
      "6E00",
      "6E00",
      "6884",
    ]);
  });

  test("lengths that do not fit are 6700", async () => {
    const token = await selected("genuine");
    expect(await sendAll(token, "002000", "00200081063634", "00B12F0200000454")).toEqual(["6700", "6700", "6700"]);
  });

  test("a pico joins chained commands", async () => {
    const token = await initialised("pico");
    expect(await sendAll(token, "10200081033634 38", "0020008103323139")).toEqual(["9000", "9000"]);
    expect(token.session.userLogin).toBe(true);
  });
});
