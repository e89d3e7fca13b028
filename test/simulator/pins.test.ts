import { describe, expect, test } from "vitest";
import type { SimulatedToken } from "../../src/simulator/simulator.ts";
import {
  bothProfiles,
  initialised,
  loggedIn,
  selectApplet,
  selected,
  send,
  sendAll,
  soPin,
  userPin,
  verifyPin,
} from "./support/token.ts";

const wrongPin = "0020008106303030303030";
const newPin = "313233343536";
const status = "00200081";
const soStatus = "00200088";

describe.each(bothProfiles)("VERIFY on a %s", (profile) => {
  test("tells the tries without spending one", async () => {
    const token = await initialised(profile);
    expect(await sendAll(token, status, status, soStatus, soStatus)).toEqual(["63C3", "63C3", "63CF", "63CF"]);
  });

  test("logs in, and tells so", async () => {
    const token = await initialised(profile);
    expect(await sendAll(token, verifyPin, status)).toEqual(["9000", "9000"]);
  });

  test("counts wrong PINs, and a right one brings the tries back", async () => {
    const token = await initialised(profile);
    expect(await sendAll(token, wrongPin, status, verifyPin, selectApplet, status)).toEqual([
      "63C2",
      "63C2",
      "9000",
      expect.stringMatching(/9000$/),
      "63C3",
    ]);
  });

  test("blocks after the last, for the right PIN too", async () => {
    const token = await initialised(profile);
    const last = profile === "genuine" ? "63C0" : "6983";
    expect(await sendAll(token, wrongPin, wrongPin, wrongPin, status, verifyPin)).toEqual([
      "63C2",
      "63C1",
      last,
      "6983",
      "6983",
    ]);
  });

  test("of a wrong PIN ends an earlier login", async () => {
    const token = await loggedIn(profile);
    expect(await sendAll(token, wrongPin, status)).toEqual(["63C2", "63C2"]);
  });

  test("has no biometric templates: OpenSC would believe in a PIN pad", async () => {
    const token = await initialised(profile);
    expect(await sendAll(token, "00200085", "00200086")).toEqual(["6A88", "6A88"]);
  });

  test("knows no PIN before the token is initialised", async () => {
    const token = await selected(profile);
    expect(await sendAll(token, status, soStatus, verifyPin)).toEqual(["6A88", "6A88", "6A88"]);
  });

  test("of the SO-PIN opens the user's functions on a pico only", async () => {
    const token = await initialised(profile);
    expect(await send(token, `0020008808${soPin}`)).toBe("9000");
    expect(await send(token, "00D7CF01065402000053 00")).toBe(profile === "pico" ? "9000" : "6982");
  });
});

describe("VERIFY on a genuine card", () => {
  test("refuses a PIN that no card of its kind can have, and spends no try", async () => {
    const token = await initialised("genuine");
    expect(await sendAll(token, "002000810131", "0020008807 00000000000000", status, soStatus)).toEqual([
      "6A80",
      "6A80",
      "63C3",
      "63CF",
    ]);
  });

  test("blocks the SO-PIN after 15 wrong ones, for ever", async () => {
    const token = await initialised("genuine");
    const wrong = `0020008808${"00".repeat(8)}`;
    const answers = await sendAll(token, ...Array.from({ length: 15 }, () => wrong), soStatus, `0020008808${soPin}`);
    expect(answers.slice(0, 2)).toEqual(["63CE", "63CD"]);
    expect(answers.slice(-3)).toEqual(["63C0", "6983", "6983"]);
    expect(await send(token, `002C00810E${soPin}${newPin}`)).toBe("6983");
    // The user's PIN still works.
    expect(await send(token, verifyPin)).toBe("9000");
  });

  test("is refused while the transport PIN was not changed", async () => {
    const token = await initialised("genuine", { options: "0003" });
    expect(await sendAll(token, status, verifyPin)).toEqual(["6984", "6984"]);
    expect(await sendAll(token, `002400810C${userPin}${newPin}`, status, `0020008106${newPin}`)).toEqual([
      "9000",
      "63C3",
      "9000",
    ]);
  });

  test("gives way to public key authentication", async () => {
    const token = await initialised("genuine", { tags: "91010393020302" });
    expect(await sendAll(token, status, verifyPin, "8054000000")).toEqual(["6300", "6985", "030302009000"]);
  });
});

describe.each(bothProfiles)("CHANGE REFERENCE DATA on a %s", (profile) => {
  test("sets the new user PIN", async () => {
    const token = await initialised(profile);
    expect(await send(token, `002400810C${userPin}${newPin}`)).toBe("9000");
    await send(token, selectApplet);
    expect(await sendAll(token, verifyPin, `0020008106${newPin}`)).toEqual(["63C2", "9000"]);
  });

  test("with a wrong old PIN costs a try and changes nothing", async () => {
    const token = await initialised(profile);
    expect(await sendAll(token, `002400810C${newPin}${userPin}`, status, verifyPin)).toEqual(["63C2", "63C2", "9000"]);
  });

  test("sets the new SO-PIN, and takes tries of the SO-PIN", async () => {
    const token = await initialised(profile);
    const next = "0123456789ABCDEF";
    expect(await sendAll(token, `0024008810${next}${next}`, `0024008810${soPin}${next}`)).toEqual(["63CE", "9000"]);
    expect(await send(token, `002C00810E${next}${newPin}`)).toBe("9000");
  });

  test("refuses lengths before it compares", async () => {
    const token = await initialised(profile);
    const malformed = profile === "genuine" ? "6A80" : "6700";
    expect(await sendAll(token, `0024008106${userPin}`, `002400880F${soPin}01234567890123`, status)).toEqual([
      malformed,
      malformed,
      "63C3",
    ]);
  });
});

describe.each(bothProfiles)("RESET RETRY COUNTER on a %s", (profile) => {
  async function block(token: SimulatedToken): Promise<void> {
    await sendAll(token, wrongPin, wrongPin, wrongPin);
  }

  test("with a new PIN unblocks", async () => {
    const token = await initialised(profile);
    await block(token);
    expect(await sendAll(token, `002C00810E${soPin}${newPin}`, selectApplet, status, `0020008106${newPin}`)).toEqual([
      "9000",
      expect.stringMatching(/9000$/),
      "63C3",
      "9000",
    ]);
  });

  test("with a wrong SO-PIN costs a try of the SO-PIN", async () => {
    const token = await initialised(profile);
    await block(token);
    expect(await sendAll(token, `002C00810E${"00".repeat(8)}${newPin}`, soStatus, status)).toEqual([
      "63CE",
      "63CE",
      "6983",
    ]);
  });

  test("without a new PIN wants option 0020", async () => {
    const notSet = profile === "genuine" ? "6985" : "6986";
    expect(await send(await initialised(profile), `002C018108${soPin}`)).toBe(notSet);
    const token = await initialised(profile, { options: "0021" });
    await block(token);
    expect(await sendAll(token, `002C018108${soPin}`, selectApplet, status, verifyPin)).toEqual([
      "9000",
      expect.stringMatching(/9000$/),
      "63C3",
      "9000",
    ]);
  });

  test("is refused without option 0001, and spends no try", async () => {
    const token = await initialised(profile, { options: "0000" });
    const notSet = profile === "genuine" ? "6985" : "6986";
    expect(await sendAll(token, `002C00810E${soPin}${newPin}`, soStatus)).toEqual([notSet, "63CF"]);
  });

  test("without the SO-PIN wants it verified before", async () => {
    const token = await initialised(profile);
    expect(await send(token, `002C028106${newPin}`)).toBe(profile === "genuine" ? "6982" : "6985");
    expect(await sendAll(token, `0020008808${soPin}`, `002C028106${newPin}`)).toEqual(["9000", "9000"]);
  });
});

describe("tries", () => {
  test.each(bothProfiles)("of a %s are saved before the PIN is compared", async (profile) => {
    const token = await initialised(profile);
    const saved: number[] = [];
    token.onChange = (state) => {
      saved.push(state.userPin?.triesLeft ?? -1);
    };
    await sendAll(token, wrongPin, verifyPin);
    // Wrong: once. Right: down first, then back.
    expect(saved).toEqual([2, 1, 3]);
  });

  test("are not compared when they could not be saved", async () => {
    const token = await initialised("genuine");
    token.markSaved();
    token.onChange = () => {
      throw new Error("disk full");
    };
    const answer = await token.transceive(Uint8Array.from(Buffer.from(verifyPin, "hex")));
    expect([...answer]).toEqual([0x65, 0x81]);
    expect(token.session.userLogin).toBe(false);
    expect(token.state.userPin?.triesLeft).toBe(3);
  });
});
