import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { readTlv } from "../../src/bytes/tlv.ts";
import { curveByName } from "../../src/crypto/curves/curves.ts";
import { publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { ecdsaSign } from "../../src/crypto/curves/ecdsa.ts";
import { ecdsaSha256Oid } from "../../src/crypto/cvc/cvc.ts";
import { buildCvc } from "../../src/crypto/cvc/cvc-build.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { answerOf, type Custodian, challengeOf, custodian, mse, register, registration } from "./support/pka.ts";
import {
  bothProfiles,
  initialised,
  initialize,
  length,
  selectApplet,
  selected,
  send,
  sendAll,
  verifyPin,
} from "./support/token.ts";

const status = "8054000000";
const pinStatus = "00200081";
/** A command that only a logged in token obeys. */
const write = "00D7CF0106540200005300";

async function custodians(profile: "genuine" | "pico", count = 3): Promise<Custodian[]> {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  return Promise.all(numbers.map((number) => custodian(profile, number)));
}

/** A token that two of three custodians open; all three are registered. */
async function twoOfThree(profile: "genuine" | "pico", options = "0001") {
  const target = await initialised(profile, { options, tags: "93020302" });
  const them = await custodians(profile);
  if (profile === "pico") await send(target, verifyPin);
  for (const one of them) {
    const answers = await sendAll(target, ...(profile === "genuine" ? registration(one) : [register(one)]));
    expect(answers.at(-1)).toMatch(/9000$/);
  }
  await send(target, selectApplet);
  return { target, custodians: them as [Custodian, Custodian, Custodian] };
}

/** One custodian answers a challenge of its own. */
async function authenticate(target: SimulatedToken, one: Custodian): Promise<string[]> {
  const selectedKey = await send(target, mse("A4", one.chr));
  const challenge = await challengeOf(target);
  return [selectedKey, await send(target, await answerOf(one, target, challenge))];
}

describe("public key login of a genuine token", () => {
  test("takes the place of the PIN", async () => {
    const target = await initialised("genuine", { tags: "93020302" });
    expect(await sendAll(target, pinStatus, verifyPin, pinStatus, write)).toEqual(["6300", "6985", "6300", "6982"]);
  });

  test("counts what is registered", async () => {
    const target = await initialised("genuine", { tags: "93020302" });
    const [one] = await custodians("genuine", 1);
    expect(await send(target, status)).toBe("030302009000");
    expect(await sendAll(target, ...registration(one as Custodian))).toEqual([
      "9000",
      "9000",
      "9000",
      "9000",
      "9000",
      "030202009000",
    ]);
    expect(await sendAll(target, "8054020000", "8054020100", "8054020300")).toEqual([
      `${"5554435553544F4449414E3030303031"}9000`,
      "6A88",
      "6A86",
    ]);
  });

  test("is done when the second of three has answered, and SELECT ends it", async () => {
    const { target, custodians } = await twoOfThree("genuine");
    const [one, , three] = custodians;
    expect(await authenticate(target, three)).toEqual(["9000", "9000"]);
    expect(await sendAll(target, status, pinStatus, write)).toEqual(["030002019000", "6300", "6982"]);
    expect(await authenticate(target, one)).toEqual(["9000", "9000"]);
    expect(await sendAll(target, status, pinStatus, write)).toEqual(["030002029000", "9000", "9000"]);
    expect((await sendAll(target, selectApplet, status, pinStatus, write)).slice(1)).toEqual([
      "030002009000",
      "6300",
      "6982",
    ]);
  });

  test("is not fooled by one custodian who answers twice", async () => {
    const { target, custodians } = await twoOfThree("genuine");
    expect(await authenticate(target, custodians[0])).toEqual(["9000", "9000"]);
    expect(await authenticate(target, custodians[0])).toEqual(["6985", "9000"]);
    expect(await sendAll(target, status, write)).toEqual(["030002019000", "6982"]);
  });

  test("refuses an answer to another challenge, to another token, of another custodian, and one used before", async () => {
    const { target, custodians } = await twoOfThree("genuine");
    const [one, two] = custodians;
    const other = await selected("genuine", "another token");
    const stale = await answerOf(one, target, await challengeOf(target));
    await send(target, mse("A4", one.chr));
    await challengeOf(target);
    expect(await send(target, stale)).toBe("6982");
    expect(await send(target, await answerOf(one, other, await challengeOf(target)))).toBe("6982");
    expect(await send(target, await answerOf(two, target, await challengeOf(target)))).toBe("6982");
    const right = await answerOf(one, target, await challengeOf(target));
    expect(await sendAll(target, right, right)).toEqual(["9000", "6985"]);
    expect(await send(target, status)).toBe("030002019000");
  });

  test("wants a key and a challenge before an answer", async () => {
    const { target, custodians } = await twoOfThree("genuine");
    const signature = `0082000040${"11".repeat(64)}`;
    expect(await sendAll(target, signature, mse("A4", "NOBODY00001"), mse("A4", custodians[0].chr), signature)).toEqual(
      ["6A88", "6A88", "9000", "6985"],
    );
  });

  test("takes no custodian whose device nobody it knows vouches for", async () => {
    const target = await initialised("genuine", { tags: "93020302" });
    const [one, two] = (await custodians("genuine", 2)) as [Custodian, Custodian];
    const steps = registration(one);
    expect(await send(target, register(one))).toBe("6A88");
    expect(await send(target, mse("B6", "DESRCACC100001"))).toBe("6A88");
    expect(await send(target, steps[1] as string)).toBe("6A88");
    await send(target, steps[0] as string);
    // The device certificate is not the root's work, and a damaged one is nobody's.
    expect(await send(target, steps[3] as string)).toBe("6985");
    expect(
      await send(
        target,
        (steps[1] as string).replace(/.$/, (last) => (last === "0" ? "1" : "0")),
      ),
    ).toBe("6985");
    expect(await send(target, "002A00BE023000")).toBe("6A80");
    await sendAll(target, ...steps.slice(1, 5));
    expect(
      await send(target, register({ request: one.request.replace(/.$/, (last) => (last === "0" ? "1" : "0")) })),
    ).toBe("6985");
    expect(await send(target, register(two))).toBe("6A88");
    // A device does not issue certificates, not even for itself.
    expect(await send(target, steps[3] as string)).toBe("6985");
    expect(await send(target, status)).toBe("030302009000");
  });

  test("takes no certificate that a device issued, even with its own key", async () => {
    const target = await initialised("genuine", { tags: "93020302" });
    const [one] = (await custodians("genuine", 1)) as [Custodian];
    const { device } = one.token.state;
    const curve = curveByName("brainpoolP256r1");
    if (device === null || curve === undefined) throw new Error("no device key");
    const point = publicPointOf(curve, new Uint8Array(32).fill(7));
    const publicKey = { kind: "ec", oid: ecdsaSha256Oid, point, curve: undefined } as const;
    const forged = buildCvc({ car: device.chr, chr: "UTFORGED00000", publicKey, role: 0x00 }, (body) =>
      ecdsaSign(curve, device.scalar, body, "sha256"),
    );
    await sendAll(target, ...registration(one).slice(0, 5));
    const contents = toHex(readTlv(forged, "certificate").value);
    expect(await send(target, `002A00BE${length(contents)}${contents}`)).toBe("6985");
    expect(await send(target, mse("B6", "UTFORGED00000"))).toBe("6A88");
  });

  test("takes each custodian once, and no more than it was set up for", async () => {
    const target = await initialised("genuine", { tags: "93020101" });
    const [one, two] = (await custodians("genuine", 2)) as [Custodian, Custodian];
    await sendAll(target, ...registration(one));
    expect((await sendAll(target, ...registration(two))).at(-1)).toBe("6A84");
    const roomy = await initialised("genuine", { tags: "93020301" });
    await sendAll(roomy, ...registration(one));
    expect(await send(roomy, register(one))).toBe("6A89");
  });

  test("replaces a custodian where that was allowed, for those who are logged in", async () => {
    const [, , , four] = (await custodians("genuine", 4)) as [Custodian, Custodian, Custodian, Custodian];
    const replacement = (index: string) => register(four).replace("80540000", `805401${index}`);
    const fixed = await twoOfThree("genuine");
    for (const one of fixed.custodians.slice(0, 2)) await authenticate(fixed.target, one);
    await sendAll(fixed.target, ...registration(four).slice(0, 5));
    expect(await send(fixed.target, replacement("01"))).toBe("6985");
    const { target, custodians: old } = await twoOfThree("genuine", "0009");
    await sendAll(target, ...registration(four).slice(0, 5));
    expect(await send(target, replacement("01"))).toBe("6982");
    for (const one of [old[0], old[2]]) await authenticate(target, one);
    expect(await send(target, replacement("03"))).toBe("6A86");
    expect(await send(target, replacement("01"))).toBe("030002029000");
    await send(target, selectApplet);
    expect(await authenticate(target, old[1])).toEqual(["6A88", "6A88"]);
    await authenticate(target, four);
    await authenticate(target, old[0]);
    expect(await send(target, write)).toBe("9000");
  });

  test("combined with the PIN wants both, and no try is spent before the keys have answered", async () => {
    const { target, custodians } = await twoOfThree("genuine", "0011");
    expect(await sendAll(target, pinStatus, verifyPin, pinStatus)).toEqual(["63C3", "6985", "63C3"]);
    for (const one of custodians.slice(0, 2)) await authenticate(target, one);
    expect(await sendAll(target, pinStatus, write, verifyPin, pinStatus, write)).toEqual([
      "63C3",
      "6982",
      "9000",
      "9000",
      "9000",
    ]);
  });

  test("forgets the custodians when the token is initialised again", async () => {
    const { target, custodians } = await twoOfThree("genuine");
    for (const one of custodians.slice(0, 2)) await authenticate(target, one);
    expect(await sendAll(target, initialize({ tags: "93020302" }), status, write)).toEqual([
      "9000",
      "030302009000",
      "6982",
    ]);
  });
});

describe("public key login of a pico", () => {
  test("is set up with the PIN, which alone opens nothing", async () => {
    const target = await initialised("pico", { tags: "93020302" });
    const [one] = (await custodians("pico", 1)) as [Custodian];
    expect(await sendAll(target, register(one), verifyPin, write, register(one))).toEqual([
      "6982",
      "9000",
      "6982",
      "030202009000",
    ]);
    expect(await sendAll(target, mse("B6", "ESPICOHSMTR00001"), mse("B6", "UTSIMULAT00001"))).toEqual(["9000", "6A88"]);
  });

  test("wants one challenge for all: a second makes the first answer worthless", async () => {
    const { target, custodians } = await twoOfThree("pico");
    const [one, two, three] = custodians;
    expect(await authenticate(target, one)).toEqual(["9000", "9000"]);
    expect(await send(target, status)).toBe("030002019000");
    expect(await authenticate(target, two)).toEqual(["9000", "9000"]);
    expect(await sendAll(target, status, write)).toEqual(["030002019000", "6982"]);

    const challenge = await challengeOf(target);
    expect(await sendAll(target, mse("A4", one.chr), await answerOf(one, target, challenge), write)).toEqual([
      "9000",
      "9000",
      "6982",
    ]);
    expect(await sendAll(target, mse("A4", one.chr), mse("A4", three.chr))).toEqual(["6985", "9000"]);
    expect(await sendAll(target, await answerOf(three, target, challenge), status, write)).toEqual([
      "9000",
      "030002029000",
      "9000",
    ]);
    expect(await sendAll(target, "8054020000", "8054020100")).toEqual([
      expect.stringMatching(/9001$/),
      expect.stringMatching(/9000$/),
    ]);
  });

  test("refuses a wrong answer and keeps the challenge", async () => {
    const { target, custodians } = await twoOfThree("pico");
    const [one, two] = custodians;
    const challenge = await challengeOf(target);
    await send(target, mse("A4", one.chr));
    expect(await send(target, await answerOf(two, target, challenge))).toBe("6985");
    expect(await send(target, await answerOf(one, target, challenge))).toBe("9000");
  });

  test("has room for eight keys, and says which way it has none", async () => {
    const token = await selected("pico");
    expect(await send(token, initialize({ tags: "93020902" }))).toBe("6700");
    const plain = await initialised("pico");
    const [one] = (await custodians("pico", 1)) as [Custodian];
    expect(await sendAll(plain, status, register(one))).toEqual(["6A86", "6A82"]);
    const full = await initialised("pico", { tags: "93020101" });
    await sendAll(full, verifyPin, register(one));
    expect(await send(full, register(one))).toBe("6A84");
  });
});

describe.each(bothProfiles)("a %s with registered keys", (profile) => {
  test("has them still after it was put away", async () => {
    const { target, custodians } = await twoOfThree(profile);
    const copy = SimulatedToken.restore(JSON.parse(JSON.stringify(target.serialize())), repeatableWorld("again"));
    copy.powerOn();
    await send(copy, selectApplet);
    expect(await send(copy, status)).toBe("030002009000");
    expect(await authenticate(copy, custodians[1])).toEqual(["9000", "9000"]);
  });

  test("takes a state file of before keys could be registered", async () => {
    const { target } = await twoOfThree(profile);
    const old = { ...target.serialize(), publicKeys: { total: 3, required: 2 } };
    const copy = SimulatedToken.restore(old, repeatableWorld("again"));
    copy.powerOn();
    expect((await sendAll(copy, selectApplet, status)).at(-1)).toBe("030302009000");
  });
});

test("the answer of the vector is the one that opens", async () => {
  const { pka } = JSON.parse(readFileSync(new URL("../vectors/pka_xkek.json", import.meta.url), "utf8")) as {
    pka: Record<"device_chr" | "challenge" | "custodian_public" | "external_authenticate", string>;
  };
  const base = (await initialised("genuine", { tags: "93020101" })).serialize();
  const token = SimulatedToken.restore(
    {
      ...base,
      device: { ...base.device, chr: pka.device_chr },
      publicKeys: {
        total: 1,
        required: 1,
        registered: [{ chr: "UTCUSTODIAN00001", curve: "brainpoolP256r1", point: pka.custodian_public }],
      },
    },
    { ...repeatableWorld("vector"), random: () => fromHex(pka.challenge) },
  );
  token.powerOn();
  const steps = [selectApplet, mse("A4", "UTCUSTODIAN00001"), "0084000008"];
  expect((await sendAll(token, ...steps, pka.external_authenticate, pinStatus)).slice(2)).toEqual([
    `${pka.challenge}9000`,
    "9000",
    "9000",
  ]);
});
