import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { toHex } from "../../../src/bytes/hex.ts";
import { credRandom, openCredential } from "../../../src/simulator/fido2/credential.ts";
import {
  Client,
  clientDataHash,
  extensionsIn,
  flagsIn,
  listed,
  permission,
  rpId,
  salt1,
  salt2,
} from "./support/client.ts";

const noTouch: [number, unknown] = [5, new Map([["up", false]])];

async function withPin(options: Parameters<typeof Client.create>[0] = {}) {
  const client = Client.create(options);
  await client.setPin("1234");
  const pinned = async (what: number) => (await client.token("1234", what)).token;
  return { client, pinned };
}

describe("hmac-secret", () => {
  test.each([1, 2] as const)("protocol %d: HMAC of the salts under one of two secrets", async (protocol) => {
    const { client, pinned } = await withPin({ protocol });
    const { id } = await client.make();
    const credential = openCredential(client.authenticator, rpId, id);
    if (credential === null) throw new Error("not its own");
    for (const uv of [false, true]) {
      const token = uv ? await pinned(permission.use) : undefined;
      const { output, ...answer } = await client.secret(id, { salts: [salt1, salt2], ...(token && { token }) });
      const expected = [salt1, salt2].map((salt) =>
        createHmac("sha256", credRandom(client.authenticator, credential, uv))
          .update(salt)
          .digest("hex")
          .toUpperCase(),
      );
      expect(toHex(output)).toBe(expected.join(""));
      expect(flagsIn(answer)).toBe(uv ? 0x85 : 0x81);
    }
  });

  test("is the same by both protocols, for one salt or two, after power and a PIN change; other with a PIN", async () => {
    const { client, pinned } = await withPin();
    const { id } = await client.make();
    const one = toHex((await client.secret(id)).output);
    expect(toHex((await new Client(client.authenticator, 1).secret(id)).output)).toBe(one);
    const two = toHex((await client.secret(id, { salts: [salt2, salt1] })).output);
    expect(two.slice(64)).toBe(one);
    client.authenticator.powerOn();
    await client.changePin("1234", "5678");
    expect(toHex((await client.secret(id)).output)).toBe(one);
    await client.changePin("5678", "1234");
    expect(toHex((await client.secret(id, { token: await pinned(permission.use) })).output)).not.toBe(one);
  });

  test("with up: false is refused", async () => {
    const client = Client.create();
    const { id } = await client.make();
    expect((await client.secret(id, { more: [noTouch] })).status).toBe(0x2b);
  });

  test("a wrong saltAuth, salts of another length, another protocol, a bad key", async () => {
    const client = Client.create();
    const { id } = await client.make();
    const { key, secret } = await client.agree();
    const good = client.hmacSecretInput(key, secret, [salt1]);
    const send = async (changes: readonly [number, unknown][]) =>
      (await client.assert([id], [[4, new Map([["hmac-secret", new Map([...good, ...changes])]])]])).status;
    expect(await send([])).toBe(0x00);
    expect(await send([[3, new Uint8Array(32)]])).toBe(0x33);
    expect(await send([...client.hmacSecretInput(key, secret, [salt1, salt2.slice(16)])])).toBe(0x03);
    expect(await send([...client.hmacSecretInput(key, secret, [salt1, salt2, salt1])])).toBe(0x03);
    expect(await send([[4, 3]])).toBe(0x02);
    expect(await send([[4, 1]])).toBe(0x03);
    const off = new Map(key).set(-2, new Uint8Array(32).fill(9));
    expect(await send([[1, off]])).toBe(0x02);
    expect(await send([[1, new Map(key).set(1, 1)]])).toBe(0x02);
    expect(await send([[1, new Map(key).set(-2, new Uint8Array(31))]])).toBe(0x02);
    expect(await send([[2, "text"]])).toBe(0x11);
    const missing = new Map(good);
    missing.delete(2);
    expect((await client.assert([id], [[4, new Map([["hmac-secret", missing]])]])).status).toBe(0x14);
  });

  test("is left out for a credential that was made without it", async () => {
    const client = Client.create();
    const { id } = await client.make([[6, new Map()]]);
    const answer = await client.secret(id);
    expect([answer.status, flagsIn(answer), answer.output.length]).toEqual([0x00, 0x01, 0]);
  });

  test("at once with the credential (hmac-secret-mc) is what an assertion gives later", async () => {
    const { client, pinned } = await withPin();
    for (const uv of [false, true]) {
      const { key, secret } = await client.agree();
      const input = client.hmacSecretInput(key, secret, [salt1]);
      const extensions = new Map<string, unknown>([
        ["hmac-secret", true],
        ["hmac-secret-mc", input],
      ]);
      const made = await client.make([[6, extensions]], uv ? await pinned(permission.make) : undefined);
      const output = client.outputIn(made, "hmac-secret-mc", secret);
      expect(output).toHaveLength(32);
      const token = uv ? await pinned(permission.use) : undefined;
      expect(toHex((await client.secret(made.id, { ...(token && { token }) })).output)).toBe(toHex(output));
      expect((await client.make([[6, new Map([["hmac-secret-mc", input]])]])).status).toBe(0x14);
    }
  });

  test("property: two credentials, RPs or salts never share an output", async () => {
    const client = Client.create();
    const ids = [(await client.make()).id, (await client.make()).id];
    const seen = new Map<string, string>();
    const salts = fc.uint8Array({ minLength: 32, maxLength: 32 });
    await fc.assert(
      fc.asyncProperty(salts, fc.nat({ max: 1 }), async (salt, which) => {
        const { output } = await client.secret(ids[which] ?? new Uint8Array(0), { salts: [salt] });
        const from = `${which} ${toHex(salt)}`;
        expect(seen.get(toHex(output)) ?? from).toBe(from);
        seen.set(toHex(output), from);
      }),
      { numRuns: 50 },
    );
  });
});

describe("which credential", () => {
  test("silently: own, foreign, another RP, garbage, several", async () => {
    const client = Client.create();
    const [a, b] = [(await client.make()).id, (await client.make()).id];
    const foreign = (await Client.create({ touch: async () => "touched" }).make()).id.map((byte, i) =>
      i === 40 ? byte ^ 1 : byte,
    );
    const asked = async (...ids: Uint8Array[]) => {
      const { status, map } = await client.assert(ids, [noTouch]);
      return status === 0 ? (map.get(1) as Map<string, unknown>).get("id") : status;
    };
    expect(await asked(a)).toEqual(a);
    expect(await asked(foreign, b, a)).toEqual(b);
    expect(await asked(foreign)).toBe(0x2e);
    expect(await asked(new Uint8Array(16))).toBe(0x2e);
    expect((await client.assert([a], [noTouch, [1, "other.example"]])).status).toBe(0x2e);
    expect(await asked(...Array<Uint8Array>(8).fill(foreign))).toBe(0x2e);
    expect(await asked(...Array<Uint8Array>(9).fill(foreign))).toBe(0x15);
  });

  test("property: any flipped bit makes an id nobody's", async () => {
    const client = Client.create();
    const { id } = await client.make();
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: id.length * 8 - 1 }), async (bit) => {
        const flipped = id.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
        expect((await client.assert([flipped], [noTouch])).status).toBe(0x2e);
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    // level, listed without UV, discovered without UV
    [1, 0x00, 0x00],
    [2, 0x00, 0x2e],
    [3, 0x2e, 0x2e],
  ])("credProtect %d", async (level, listedStatus, discoveredStatus) => {
    const { client, pinned } = await withPin();
    const extensions: [number, unknown] = [
      6,
      new Map<string, unknown>([
        ["credProtect", level],
        ["hmac-secret", true],
      ]),
    ];
    const made = await client.make([extensions, [7, new Map([["rk", true]])]], await pinned(permission.make));
    expect(extensionsIn(made.map.get(2)).get("credProtect")).toBe(level);
    expect((await client.assert([made.id], [noTouch])).status).toBe(listedStatus);
    expect((await client.assert([], [noTouch])).status).toBe(discoveredStatus);
    expect((await client.assert([made.id], [], await pinned(permission.use))).status).toBe(0x00);
    expect((await client.assert([], [], await pinned(permission.use))).status).toBe(0x00);
    // Whoever has not given the PIN is not told that a protected credential is there.
    const excluded = await client.make([[5, [listed(made.id)]]]);
    expect(excluded.status).toBe(level === 3 ? 0x00 : 0x19);
    expect((await client.make([[5, [listed(made.id)]]], await pinned(permission.make))).status).toBe(0x19);
  });

  test("credProtect 0 and 4 are refused", async () => {
    const client = Client.create();
    for (const level of [0, 4]) expect((await client.make([[6, new Map([["credProtect", level]])]])).status).toBe(0x02);
  });

  test("discoverable ones: one for each user, the newest first, no more than fit", async () => {
    const client = Client.create();
    const rk: [number, unknown] = [7, new Map([["rk", true]])];
    const user = (n: number): [number, unknown] => [3, new Map<string, unknown>([["id", Uint8Array.of(n)]])];
    const old = await client.make([rk, user(1)]);
    const first = await client.make([rk, user(1)]);
    const second = await client.make([rk, user(2)]);
    const answer = await client.assert([]);
    expect((answer.map.get(1) as Map<string, unknown>).get("id")).toEqual(second.id);
    expect(answer.map.get(5)).toBe(2);
    const next = await client.send(0x08);
    expect((next.map.get(1) as Map<string, unknown>).get("id")).toEqual(first.id);
    expect((await client.send(0x08)).status).toBe(0x30);
    await client.assert([]);
    await client.getInfo();
    expect((await client.send(0x08)).status).toBe(0x30);
    expect(old.status).toBe(0x00);
    for (let n = 3; n <= 25; n++) expect((await client.make([rk, user(n)])).status).toBe(0x00);
    expect((await client.make([rk, user(26)])).status).toBe(0x28);
    expect((await client.make([rk, user(2)])).status).toBe(0x00);
    expect((await client.getInfo()).get(0x14)).toBe(0);
  });

  test("a discoverable one wants the PIN once there is one", async () => {
    const { client, pinned } = await withPin();
    const rk: [number, unknown] = [7, new Map([["rk", true]])];
    expect((await client.make([rk])).status).toBe(0x36);
    expect((await client.make([rk], await pinned(permission.make))).status).toBe(0x00);
    // Who gave the PIN hears the name, nobody else.
    const named = async (token?: Uint8Array) => (await client.assert([], [], token)).map.get(4) as Map<string, unknown>;
    expect([...(await named()).keys()]).toEqual(["id"]);
    expect([...(await named(await pinned(permission.use))).keys()]).toEqual(["id", "name"]);
  });
});

describe("what is refused", () => {
  test.each<[string, [number, unknown], number]>([
    ["up: false", [7, new Map([["up", false]])], 0x2c],
    ["uv: true without a sensor", [7, new Map([["uv", true]])], 0x2c],
    [
      "only EdDSA",
      [
        4,
        [
          new Map<string, unknown>([
            ["alg", -8],
            ["type", "public-key"],
          ]),
        ],
      ],
      0x26,
    ],
    ["a hash of 31 bytes", [1, new Uint8Array(31)], 0x02],
    ["a hash of text", [1, "hash"], 0x11],
    ["no RP id", [2, new Map()], 0x14],
    ["a user id of 65 bytes", [3, new Map([["id", new Uint8Array(65)]])], 0x03],
    ["enterprise attestation", [0x0a, 1], 0x02],
    ["an unknown protocol", [9, 3], 0x02],
  ])("makeCredential with %s", async (_, member, status) => {
    const client = Client.create();
    const auth: [number, unknown][] = member[0] === 9 ? [[8, new Uint8Array(32)]] : [];
    expect((await client.make([...auth, member])).status).toBe(status);
  });

  test("getAssertion with rk, with uv; commands that are not there; a message that is too long", async () => {
    const client = Client.create();
    const { id } = await client.make();
    expect((await client.assert([id], [[5, new Map([["rk", false]])]])).status).toBe(0x2b);
    expect((await client.assert([id], [[5, new Map([["uv", true]])]])).status).toBe(0x2c);
    expect((await client.send(0x09)).status).toBe(0x01);
    expect((await client.send(0x41)).status).toBe(0x01);
    expect((await client.assert([id], [[4, new Map([["x", new Uint8Array(1200)]])]])).status).toBe(0x39);
    expect(toHex(await client.authenticator.ctap(new Uint8Array(0)))).toBe("03");
  });

  test("a pinUvAuthParam of no length asks for a touch and tells whether there is a PIN", async () => {
    const asked: string[] = [];
    const { client } = await withPin({
      touch: async ({ why }) => {
        asked.push(why);
        return "touched";
      },
    });
    expect(
      (
        await client.make([
          [8, new Uint8Array(0)],
          [9, 2],
        ])
      ).status,
    ).toBe(0x31);
    expect(
      (
        await client.assert(
          [],
          [
            [6, new Uint8Array(0)],
            [7, 2],
          ],
        )
      ).status,
    ).toBe(0x31);
    expect(
      (
        await Client.create().assert(
          [],
          [
            [6, new Uint8Array(0)],
            [7, 2],
          ],
        )
      ).status,
    ).toBe(0x35);
    expect(asked).toEqual(["select", "select"]);
  });

  test("property: whatever comes, an answer goes, and nothing breaks inside", async () => {
    const client = Client.create();
    const { id } = await client.make();
    const keys = fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    const value = fc.oneof(
      fc.integer({ min: -30, max: 40 }),
      fc.boolean(),
      fc.string({ maxLength: 4 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.constant(clientDataHash),
      fc.constant([listed(id)]),
      fc.constant(new Map([["id", rpId]])),
      fc.constant(new Map([["hmac-secret", new Map()]])),
      fc.constant(
        new Map<number, unknown>([
          [1, 2],
          [-1, 1],
          [-2, new Uint8Array(32)],
          [-3, new Uint8Array(32)],
        ]),
      ),
    );
    const command = fc.constantFrom(0x01, 0x02, 0x04, 0x06, 0x08, 0x0b, 0x0d, 0x41);
    await fc.assert(
      fc.asyncProperty(command, fc.array(fc.tuple(keys, value), { maxLength: 8 }), async (number, members) => {
        expect((await client.send(number, new Map(members))).status).toBeGreaterThanOrEqual(0);
        expect(client.authenticator.lastFault).toBeUndefined();
      }),
      { numRuns: 400 },
    );
    await fc.assert(
      fc.asyncProperty(command, fc.uint8Array({ maxLength: 60 }), async (number, bytes) => {
        await client.authenticator.ctap(concat(Uint8Array.of(number), bytes));
        expect(client.authenticator.lastFault).toBeUndefined();
      }),
      { numRuns: 400 },
    );
  });
});
