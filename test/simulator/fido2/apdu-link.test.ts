import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import type { Touch } from "../../../src/simulator/fido2/device.ts";
import { world } from "./support/client.ts";

const select = "00A4040008A0000006472F000100";
const selected = "4649444F5F325F309000";
const getInfo = "80108000010400";
const selection = "80108000010B00";
const poll = "8011000000";
const cancel = "8011110000";

async function inReader(touch?: Touch): Promise<(hex: string) => Promise<string>> {
  const authenticator = SimulatedAuthenticator.create(world(), { touch });
  authenticator.powerOn();
  const send = async (hex: string) => {
    const answer = toHex(await authenticator.transceive(fromHex(hex)));
    if (authenticator.lastFault !== undefined) throw authenticator.lastFault;
    return answer;
  };
  expect(await send(select)).toBe(selected);
  return send;
}

/** Somebody who touches when told to. */
function person(): { touch: Touch; now: (outcome: Awaited<ReturnType<Touch>>) => void; asked: () => number } {
  let now: (outcome: Awaited<ReturnType<Touch>>) => void = () => {};
  let asked = 0;
  const touch: Touch = () => {
    asked++;
    return new Promise((resolve) => {
      now = resolve;
    });
  };
  return { touch, now: (outcome) => now(outcome), asked: () => asked };
}

describe("an authenticator in a reader", () => {
  test("answers nothing before SELECT, and nothing to another AID", async () => {
    const authenticator = SimulatedAuthenticator.create(world());
    const send = async (hex: string) => toHex(await authenticator.transceive(fromHex(hex)));
    expect(await send(getInfo)).toBe("6986");
    expect(await send("00A4040008A00000030800001000")).toBe("6A82");
    expect(await send(getInfo)).toBe("6986");
    expect(await send(select)).toBe(selected);
    authenticator.reset();
    expect(await send(getInfo)).toBe("6986");
  });

  test.each([
    ["another class", "A0108000010400", "6E00"],
    ["another instruction", "8055000000", "6D00"],
    ["U2F", "0003000000", "6D00"],
    ["a poll with nothing to wait for", poll, "6D00"],
    ["GET RESPONSE with nothing left", "00C0000000", "6985"],
    ["a length that lies", "80108000050400", "6700"],
    ["three bytes", "801080", "6700"],
    ["NFCCTAP_CONTROL of another kind", "80120200", "6A86"],
  ])("refuses %s", async (_, command, status) => {
    const send = await inReader();
    expect(await send(command)).toBe(status);
    expect(await send(getInfo)).toMatch(/^00.*(9000|61..)$/);
  });

  test("gives a long answer in parts, to either class, and whole to an extended APDU", async () => {
    const send = await inReader();
    const whole = await send("8010800000000104" + "0000");
    expect(whole).toMatch(/^00AE.*9000$/);
    for (const cla of ["00", "80"]) {
      const first = await send("801080000104" + "40");
      expect(first).toMatch(/61..$/);
      let answer = first.slice(0, -4);
      let sw = first.slice(-4);
      while (sw.startsWith("61")) {
        const part = await send(`${cla}C00000${sw === "6100" ? "00" : sw.slice(2)}`);
        answer += part.slice(0, -4);
        sw = part.slice(-4);
      }
      expect(answer).toBe(whole.slice(0, -4));
    }
  });

  test("an answer that was not fetched is forgotten at the next command", async () => {
    const send = await inReader();
    expect(await send("80108000010410")).toMatch(/61..$/);
    expect(await send("80120200")).toBe("6A86");
    expect(await send("00C0000000")).toBe("6985");
  });

  test("property: a message in any parts is the message", async () => {
    const send = await inReader();
    const message = `01${"A0"}`; // makeCredential without anything: 14
    const long = fromHex(`02A1025901${"00".repeat(257)}`);
    const sizes = fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 2, maxLength: 6 });
    expect(await send(`8010800002${message}00`)).toBe("149000");
    await fc.assert(
      fc.asyncProperty(sizes, async (parts) => {
        let at = 0;
        for (const size of parts) {
          const part = long.subarray(at, at + size);
          if (at + size >= long.length) break;
          at += part.length;
          expect(await send(toHex(concat(Uint8Array.of(0x90, 0x10, 0x80, 0, part.length), part)))).toBe("9000");
        }
        const last = long.subarray(at, at + 255);
        // Only the beginning of a map: 12, whatever the parts; what is whole has no rpId: 14.
        const status = at + last.length === long.length ? "14" : "12";
        const answer = await send(
          toHex(concat(Uint8Array.of(0x80, 0x10, 0x80, 0, last.length), last, Uint8Array.of(0))),
        );
        expect(answer).toBe(`${status}9000`);
      }),
      { numRuns: 60 },
    );
  });

  test("a chain that something else breaks into is forgotten", async () => {
    const send = await inReader();
    expect(await send("90108000010B")).toBe("9000");
    expect(await send("8012020000")).toBe("6A86");
    expect(await send(getInfo)).toMatch(/^00AE/);
    expect(await send("901000000104")).toBe("9000");
    expect(await send(selection)).toBe("009000");
  });

  test("a chain that never ends is refused", async () => {
    const send = await inReader();
    const answers = new Set<string>();
    for (let i = 0; i < 6; i++) answers.add(await send(`90108000FF${"00".repeat(255)}`));
    expect([...answers]).toEqual(["9000", "6700"]);
  });

  test("NFCCTAP_CONTROL ends it until SELECT", async () => {
    const send = await inReader();
    expect(await send("80120100")).toBe("9000");
    expect(await send(getInfo)).toBe("9000");
    expect(await send(select)).toBe(selected);
    expect(await send(getInfo)).toMatch(/^00AE/);
  });
});

describe("a touch", () => {
  test("that comes by itself makes no 9100", async () => {
    const send = await inReader();
    expect(await send(selection)).toBe("009000");
  });

  test("is waited for with 9100 where the reader understands it", async () => {
    const { touch, now } = person();
    const send = await inReader(touch);
    for (const command of [selection, poll, poll]) expect(await send(command)).toBe("029100");
    now("touched");
    expect(await send(poll)).toBe("009000");
    expect(await send(poll)).toBe("6D00");
  });

  test("is waited for in silence where it does not", async () => {
    const { touch, now, asked } = person();
    const send = await inReader(touch);
    const answer = send("80100000010B00");
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked()).toBe(1);
    now("touched");
    expect(await answer).toBe("009000");
  });

  test.each([
    ["denied", "279000"],
    ["timeout", "2F9000"],
  ] as const)("%s", async (outcome, expected) => {
    const { touch, now } = person();
    const send = await inReader(touch);
    expect(await send(selection)).toBe("029100");
    now(outcome);
    expect(await send(poll)).toBe(expected);
  });

  test("is cancelled by the platform, and the next command works", async () => {
    const { touch, now, asked } = person();
    const send = await inReader(touch);
    expect(await send(selection)).toBe("029100");
    expect(await send(cancel)).toBe("2D9000");
    now("touched");
    expect(await send(selection)).toBe("029100");
    now("touched");
    expect(await send(poll)).toBe("009000");
    expect(asked()).toBe(2);
  });

  test.each([
    ["another message", getInfo, /^00AE/],
    ["SELECT", select, /^4649/],
    ["NFCCTAP_CONTROL", "80120100", /^9000$/],
  ])("is given up by %s", async (_, command, answer) => {
    const { touch } = person();
    const send = await inReader(touch);
    expect(await send(selection)).toBe("029100");
    expect(await send(command)).toMatch(answer);
    if (command === select) expect(await send(poll)).toBe("6D00");
  });

  test.each([
    ["after", ["cut", "touch"]],
    ["in the moment before", ["touch", "cut"]],
  ] as const)("that comes %s the power is cut resets nothing", async (_, inOrder) => {
    const { touch, now } = person();
    const authenticator = SimulatedAuthenticator.create(world(), { touch });
    await authenticator.transceive(fromHex(select));
    const saved: unknown[] = [];
    authenticator.onChange = (state) => void saved.push(state);
    expect(toHex(await authenticator.transceive(fromHex("80108000010700")))).toBe("029100");
    for (const what of inOrder) {
      if (what === "cut") authenticator.powerOn();
      else now("touched");
    }
    await authenticator.transceive(fromHex(select));
    expect(toHex(await authenticator.transceive(fromHex(getInfo)))).toMatch(/^00AE/);
    expect(saved).toEqual([]);
  });
});

test("a reset is taken within ten seconds of power, and only with a touch", async () => {
  const clock = world();
  const { touch, now } = person();
  const authenticator = SimulatedAuthenticator.create(clock, { touch });
  const before = toHex(authenticator.state.masterKey);
  clock.pass(10_001);
  expect(toHex(await authenticator.ctap(Uint8Array.of(0x07)))).toBe("30");
  authenticator.powerOn();
  clock.pass(10_000);
  const refused = authenticator.ctap(Uint8Array.of(0x07));
  now("denied");
  expect(toHex(await refused)).toBe("27");
  expect(toHex(authenticator.state.masterKey)).toBe(before);
  const done = authenticator.ctap(Uint8Array.of(0x07));
  now("touched");
  expect(toHex(await done)).toBe("00");
  expect(toHex(authenticator.state.masterKey)).not.toBe(before);
});

test("two messages at once: the second is told so", async () => {
  const { touch, now } = person();
  const authenticator = SimulatedAuthenticator.create(world(), { touch });
  const first = authenticator.ctap(Uint8Array.of(0x0b));
  expect(toHex(await authenticator.ctap(Uint8Array.of(0x04)))).toBe("06");
  now("touched");
  expect(toHex(await first)).toBe("00");
});

test("property: whatever APDU comes, a status word goes", async () => {
  const authenticator = SimulatedAuthenticator.create(world());
  await authenticator.transceive(fromHex(select));
  const head = fc.tuple(
    fc.constantFrom(0x00, 0x80, 0x90, 0xa0),
    fc.constantFrom(0x10, 0x11, 0x12, 0xc0, 0xa4, 0x03),
    fc.constantFrom(0x00, 0x04, 0x11, 0x80),
  );
  await fc.assert(
    fc.asyncProperty(head, fc.uint8Array({ maxLength: 40 }), async (three, rest) => {
      const answer = await authenticator.transceive(concat(Uint8Array.from(three), rest));
      expect(answer.length).toBeGreaterThanOrEqual(2);
      expect(authenticator.lastFault).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});
