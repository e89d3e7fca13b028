import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import type { ProfileName } from "../../src/simulator/profile.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { aesKey, ecKey, generate } from "./support/keys.ts";
import { bothProfiles, generateRsa, initialize, loggedIn, selectApplet, verifyPin } from "./support/token.ts";

/** Instructions that present a PIN or set one. */
const pinInstructions = [0x20, 0x24, 0x2c, 0x50];
const instructions = [
  0x20, 0x24, 0x2c, 0x46, 0x48, 0x50, 0x52, 0x54, 0x58, 0x62, 0x68, 0x72, 0x74, 0x76, 0x78, 0x84, 0xa4, 0xb0, 0xb1,
  0xc0, 0xd7, 0xe4,
];

const anyBytes = fc.uint8Array({ maxLength: 300 });

/** Looks like a command of the card, with data that mostly are no sense. */
const likeACommand = fc
  .record({
    cla: fc.constantFrom(0x00, 0x80, 0x10, 0x0c),
    ins: fc.constantFrom(...instructions),
    p1: fc.oneof(fc.constantFrom(0x00, 0x01, 0x02, 0x04, 0x2f, 0xcc, 0xcf), fc.nat(255)),
    p2: fc.oneof(
      fc.constantFrom(0x00, 0x02, 0x10, 0x20, 0x21, 0x30, 0x70, 0x80, 0x81, 0x88, 0x92, 0x93, 0xb2),
      fc.nat(255),
    ),
    data: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(fromHex("5402000053021122"))),
    le: fc.option(fc.nat(255), { nil: undefined }),
  })
  .map(({ cla, ins, p1, p2, data, le }) =>
    Uint8Array.of(
      cla,
      ins,
      p1,
      p2,
      ...(data.length === 0 ? [] : [data.length, ...data]),
      ...(le === undefined ? [] : [le]),
    ),
  );

/** Logged in, with a complete DKEK, and an RSA, an EC and an AES key (01, 02, 04) that commands can hit. */
async function withKeys(profile: ProfileName): Promise<SimulatedToken> {
  const token = await loggedIn(profile, { tags: "910103920100" });
  for (const command of [generateRsa, generate("02", ecKey("secp256r1")), aesKey("04", "B2")]) {
    const answer = toHex(await token.transceive(fromHex(command)));
    if (!answer.endsWith("9000")) throw new Error(answer);
  }
  return token;
}

function counters(token: SimulatedToken): unknown {
  const { userPin, soPin, options, initialised } = token.state;
  return {
    user: userPin === null ? null : [userPin.triesLeft, toHex(userPin.value)],
    so: soPin === null ? null : [soPin.triesLeft, toHex(soPin.value)],
    options,
    initialised,
  };
}

test("a failure inside is answered 6F00, told to nobody on the wire, and changes nothing", async () => {
  const world = { ...repeatableWorld("test"), rsaKey: () => Promise.reject(new Error("no keys today")) };
  const token = SimulatedToken.create(world, { profile: "genuine" });
  for (const command of [selectApplet, initialize(), verifyPin]) await token.transceive(fromHex(command));
  const before = token.serialize();
  expect(toHex(await token.transceive(fromHex(generateRsa)))).toBe("6F00");
  expect(token.lastFault).toMatchObject({ message: "no keys today" });
  expect(token.serialize()).toEqual(before);
});

describe.each(bothProfiles)("whatever bytes come, a %s", (profile) => {
  test.each([
    ["any bytes", anyBytes],
    ["bytes like a command", likeACommand],
  ] as const)("answers %s with a status word, and never fails inside", async (_, arbitrary) => {
    const token = await withKeys(profile);
    await fc.assert(
      fc.asyncProperty(arbitrary, async (command) => {
        const before = counters(token);
        const answer = await token.transceive(command);
        expect(answer.length).toBeGreaterThanOrEqual(2);
        expect(token.lastFault).toBeUndefined();
        if (!pinInstructions.includes(command[1] ?? 0)) expect(counters(token)).toEqual(before);
      }),
      { numRuns: 2000 },
    );
  });

  test("survives a restart after them with the same state", async () => {
    const token = await withKeys(profile);
    await fc.assert(
      fc.asyncProperty(likeACommand, async (command) => {
        await token.transceive(command);
        const state = JSON.parse(JSON.stringify(token.serialize())) as unknown;
        expect(SimulatedToken.restore(state, token.world).serialize()).toEqual(token.serialize());
        await token.transceive(fromHex(selectApplet));
      }),
      { numRuns: 200 },
    );
  });
});
