import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import { Client, flagsIn, permission, world } from "./support/client.ts";

const both = [1, 2] as const;

describe.each(both)("the PIN, protocol %d", (protocol) => {
  test("is set once; changed with the old one", async () => {
    const client = Client.create({ protocol });
    expect(await client.option("clientPin")).toBe(false);
    expect(await client.setPin("1234")).toBe(0x00);
    expect(await client.option("clientPin")).toBe(true);
    expect(await client.setPin("5678")).toBe(0x33);
    expect(await client.changePin("1234", "56789")).toBe(0x00);
    expect((await client.token("1234", permission.use)).status).toBe(0x31);
    expect((await client.token("56789", permission.use)).status).toBe(0x00);
  });

  test.each([
    ["three characters", "123", 0x37],
    ["three characters of many bytes", "äöü", 0x37],
    ["four characters of many bytes", "äöü✓", 0x00],
    ["63 bytes", "x".repeat(63), 0x00],
    ["64 bytes", "x".repeat(64), 0x37],
    ["80 bytes", "x".repeat(80), 0x02],
    ["nothing", "", 0x37],
    ["no UTF-8", Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc, 0xfb), 0x37],
  ])("of %s", async (_, pin, status) => {
    const client = Client.create({ protocol });
    expect(await client.setPin(pin)).toBe(status);
    expect(await client.option("clientPin")).toBe(status === 0);
  });

  test("a new PIN that is too short leaves the old one, and costs no try", async () => {
    const client = Client.create({ protocol });
    await client.setPin("1234");
    expect(await client.changePin("1234", "1")).toBe(0x37);
    expect(await client.retries()).toEqual([8, false]);
    expect((await client.token("1234", permission.use)).status).toBe(0x00);
  });

  test("with a wrong pinUvAuthParam nothing is set or tried", async () => {
    const client = Client.create({ protocol });
    const { key, secret } = await client.agree();
    const encrypted = client.encrypt(secret, new Uint8Array(64).fill(0x31, 0, 4));
    const wrong = client.protocol.authenticate(secret, new Uint8Array(1));
    const set: [number, unknown][] = [
      [3, key],
      [4, wrong],
      [5, encrypted],
    ];
    expect((await client.clientPin(0x03, set)).status).toBe(0x33);
    expect(await client.option("clientPin")).toBe(false);
    await client.setPin("1234");
    expect((await client.clientPin(0x04, [...set, [6, client.encrypt(secret, new Uint8Array(16))]])).status).toBe(0x33);
    expect(await client.retries()).toEqual([8, false]);
  });

  test("blocks after eight wrong ones, three for each time it has power", async () => {
    const client = Client.create({ protocol });
    await client.setPin("1234");
    const seen: unknown[] = [];
    for (const tries of [3, 3, 2]) {
      for (let i = 0; i < tries; i++) {
        const { status } = await client.token("9999", permission.use);
        seen.push([status, ...(await client.retries())]);
      }
      // Neither the right PIN nor a wrong one is looked at.
      const expected = tries === 3 ? 0x34 : 0x32;
      expect((await client.token("1234", permission.use)).status).toBe(expected);
      expect(await client.changePin("1234", "5678")).toBe(expected);
      client.authenticator.powerOn();
    }
    expect(seen).toEqual([
      [0x31, 7, false],
      [0x31, 6, false],
      [0x34, 5, true],
      [0x31, 4, false],
      [0x31, 3, false],
      [0x34, 2, true],
      [0x31, 1, false],
      [0x32, 0, false],
    ]);
    expect((await client.token("1234", permission.use)).status).toBe(0x32);
    expect(await client.option("clientPin")).toBe(true);
  });

  test("the right one gives all tries back", async () => {
    const client = Client.create({ protocol });
    await client.setPin("1234");
    await client.token("9999", permission.use);
    await client.token("9999", permission.use);
    await client.token("1234", permission.use);
    expect(await client.retries()).toEqual([8, false]);
    for (const expected of [0x31, 0x31, 0x34]) expect((await client.token("9999", 2)).status).toBe(expected);
  });

  test("a wrong one ends the key agreement, so does power", async () => {
    const client = Client.create({ protocol });
    await client.setPin("1234");
    const keys = [toHex((await client.agree()).secret), toHex((await client.agree()).secret)];
    expect(keys[0]).toBe(keys[1]);
    await client.token("9999", permission.use);
    const next = toHex((await client.agree()).secret);
    client.authenticator.powerOn();
    expect(new Set([keys[0], next, toHex((await client.agree()).secret)]).size).toBe(3);
  });

  test("is asked for before anything is told", async () => {
    const client = Client.create({ protocol });
    expect((await client.token("1234", permission.use)).status).toBe(0x35);
    expect((await client.clientPin(0x06)).status).toBe(0x3e);
    expect((await client.clientPin(0x07)).status).toBe(0x3e);
    expect((await client.clientPin(0x99)).status).toBe(0x3e);
    expect((await client.clientPin(0x03)).status).toBe(0x14);
  });
});

test("a try is on disk before the PIN is looked at", async () => {
  const client = Client.create();
  await client.setPin("1234");
  const saved: unknown[] = [];
  client.authenticator.onChange = (state) => void saved.push(state.pin?.triesLeft);
  await client.token("9999", permission.use);
  expect(saved).toEqual([7]);
  await client.token("1234", permission.use);
  expect(saved).toEqual([7, 6, 8]);
});

test("a state that cannot be saved is as before, and nothing is told", async () => {
  const client = Client.create();
  await client.setPin("1234");
  client.authenticator.onChange = () => {
    throw new Error("disk full");
  };
  expect((await client.token("1234", permission.use)).status).toBe(0x7f);
  expect(client.authenticator.lastFault).toEqual(new Error("disk full"));
  client.authenticator.onChange = undefined;
  expect(await client.retries()).toEqual([8, false]);
});

describe("a pinUvAuthToken", () => {
  async function ready(protocol: 1 | 2 = 2) {
    const clock = world();
    const client = Client.create({ protocol, world: clock });
    await client.setPin("1234");
    const { token: forMaking } = await client.token("1234", permission.make);
    const { id } = await client.make([], forMaking);
    return { client, clock, id };
  }

  test.each(both)("of protocol %d is good for one use with presence", async (protocol) => {
    const { client, id } = await ready(protocol);
    const { token } = await client.token("1234", permission.make | permission.use);
    expect((await client.assert([id], [[5, new Map([["up", false]])]], token)).status).toBe(0x00);
    const answer = await client.assert([id], [], token);
    expect(flagsIn(answer)).toBe(0x05);
    expect((await client.assert([id], [], token)).status).toBe(0x33);
    expect((await client.make([], token)).status).toBe(0x33);
  });

  test("is for its RP and its permissions only", async () => {
    const { client, id } = await ready();
    for (const [permissions, forRp] of [
      [permission.make, "client.example"],
      [permission.use, "other.example"],
      [permission.config, null],
    ] as const) {
      const { token } = await client.token("1234", permissions, forRp);
      expect((await client.assert([id], [], token)).status).toBe(0x33);
    }
  });

  test("of CTAP 2.0 is bound to the first RP that it is used for", async () => {
    const { client, id } = await ready();
    const { token } = await client.token("1234", null);
    expect((await client.assert([id], [[5, new Map([["up", false]])]], token)).status).toBe(0x00);
    expect(client.authenticator.session.token?.rpId).toBe("client.example");
    expect((await client.assert([id], [[1, "other.example"]], token)).status).toBe(0x33);
  });

  test("must be used within 30 seconds, and is over after ten minutes, or without power", async () => {
    const { client, clock, id } = await ready();
    const preflight: [number, unknown][] = [[5, new Map([["up", false]])]];
    const late = (await client.token("1234", permission.use)).token;
    clock.pass(30_001);
    expect((await client.assert([id], preflight, late)).status).toBe(0x33);
    const long = (await client.token("1234", permission.use)).token;
    clock.pass(29_999);
    expect((await client.assert([id], preflight, long)).status).toBe(0x00);
    clock.pass(569_000);
    expect((await client.assert([id], preflight, long)).status).toBe(0x00);
    clock.pass(2_000);
    expect((await client.assert([id], preflight, long)).status).toBe(0x33);
    const cut = (await client.token("1234", permission.use)).token;
    client.authenticator.powerOn();
    expect((await client.assert([id], preflight, cut)).status).toBe(0x33);
  });

  test("ends when another one is given, and when the PIN is changed", async () => {
    const { client, id } = await ready();
    const { token } = await client.token("1234", permission.use);
    await client.token("1234", permission.use);
    expect((await client.assert([id], [], token)).status).toBe(0x33);
    const again = (await client.token("1234", permission.use)).token;
    await client.changePin("1234", "5678");
    expect((await client.assert([id], [], again)).status).toBe(0x33);
  });

  test("of one protocol is nothing for the other", async () => {
    const { client, id } = await ready(1);
    const { token } = await client.token("1234", permission.use);
    expect((await new Client(client.authenticator, 2).assert([id], [], token)).status).toBe(0x33);
  });

  test.each([
    ["no permission", 0, "client.example", 0x02],
    ["no RP for a use", permission.use, null, 0x14],
    ["managing credentials", 0x04, null, 0x40],
  ])("is not given for %s", async (_, permissions, forRp, status) => {
    const { client } = await ready();
    expect((await client.token("1234", permissions, forRp)).status).toBe(status);
    expect(await client.retries()).toEqual([8, false]);
  });
});

test("alwaysUv wants a token for every use that asks presence, and is switched with one", async () => {
  const client = Client.create();
  const { id } = await client.make();
  expect(await client.config(0x02)).toBe(0x00);
  expect(await client.option("alwaysUv")).toBe(true);
  expect(await client.option("makeCredUvNotRqd")).toBe(false);
  expect((await client.make()).status).toBe(0x36);
  await client.setPin("1234");
  expect((await client.make()).status).toBe(0x36);
  expect((await client.assert([id])).status).toBe(0x36);
  expect((await client.assert([id], [[5, new Map([["up", false]])]])).status).toBe(0x00);
  expect((await client.assert([id], [], (await client.token("1234", permission.use)).token)).status).toBe(0x00);
  expect(await client.config(0x02)).toBe(0x36);
  const { token: wrong } = await client.token("1234", permission.use);
  expect(await client.config(0x02, wrong)).toBe(0x33);
  const { token } = await client.token("1234", permission.config, null);
  expect(await client.config(0xff, token)).toBe(0x3e);
  expect(await client.config(0x02, token)).toBe(0x00);
  expect(await client.option("alwaysUv")).toBe(false);
});

test("a blocked PIN: credentials without it go on, or are gone for good, as the profile says", async () => {
  for (const [profile, status] of [
    ["standard", 0x00],
    ["applet", 0x2e],
  ] as const) {
    const client = Client.create({ profile });
    const { id } = await client.make();
    await client.setPin("1234");
    for (let i = 0; i < 8; i++) {
      await client.token("9999", permission.use);
      client.authenticator.powerOn();
    }
    expect((await client.secret(id)).status).toBe(status);
  }
});

test("its state goes from process to process, the session does not", async () => {
  const client = Client.create();
  await client.setPin("1234");
  const { id } = await client.make();
  const { token } = await client.token("1234", permission.use);
  const before = (await client.secret(id)).output;
  const state: unknown = JSON.parse(JSON.stringify(client.authenticator.serialize()));
  const again = new Client(SimulatedAuthenticator.restore(state, world("another")));
  expect(toHex((await again.secret(id)).output)).toBe(toHex(before));
  expect((await again.assert([id], [], token)).status).toBe(0x33);
  expect(JSON.stringify(state)).not.toContain("1234");
});
