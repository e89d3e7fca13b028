import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import { permission, world } from "./support/client.ts";
import { openBlob } from "./support/host-cipher.ts";
import { LockClient, lockPin, protocol2 } from "./support/lock-client.ts";

const hostKey = new Uint8Array(32).fill(0x71);
const otherKey = new Uint8Array(32).fill(0x72);
const all = ["pico-fido-5.12", "pico-fido-6.6", "pico-fido-7.6", "pico-fido-8.0"] as const;
const working = ["pico-fido-5.12", "pico-fido-6.6"] as const;
const destroying = ["pico-fido-7.6", "pico-fido-8.0"] as const;
type Profile = (typeof all)[number];

async function token(profile: Profile, seed = "lock"): Promise<LockClient> {
  const client = new LockClient(SimulatedAuthenticator.create(world(seed), { profile }));
  expect(await client.setPin(lockPin)).toBe(0);
  return client;
}

type State = "plain" | "locked" | "unlocked" | "disabled";

async function tokenIn(state: State, profile: Profile): Promise<LockClient> {
  const client = await token(profile);
  if (state === "plain") return client;
  expect(await client.enable(hostKey)).toBe(0);
  if (state === "locked") return client;
  expect(await client.unlock(hostKey)).toBe(0);
  if (state === "disabled") expect(await client.disable()).toBe(0);
  return client;
}

/** Whether a credential made before still does its work: a real assertion, whose id is the one asked for. */
async function works(client: LockClient, id: Uint8Array): Promise<boolean> {
  const { token: pinToken } = await client.token(lockPin, permission.use);
  const { status, map } = await client.assert([id], [], pinToken);
  return status === 0 && toHex((map.get(1) as Map<string, Uint8Array>).get("id") as Uint8Array) === toHex(id);
}

async function status(client: LockClient, id: Uint8Array): Promise<number> {
  const { token: pinToken } = await client.token(lockPin, permission.use);
  return (await client.assert([id], [], pinToken)).status;
}

async function canMake(client: LockClient): Promise<number> {
  const { token: pinToken } = await client.token(lockPin, permission.make);
  return (await client.make([], pinToken)).status;
}

describe("states and what they answer (reference section 6)", () => {
  const rows: [State, backup: number, length: number, disable: number, wrongKey: number, make: number][] = [
    ["plain", 0x33, 0, 0x30, 0x3d, 0],
    ["locked", 0x33, 0, 0x33, 0x02, 0x7f],
    ["unlocked", 0, 60, 0, 0x02, 0],
    ["disabled", 0, 0, 0x30, 0x3d, 0],
  ];
  describe.each(working)("%s", (profile) => {
    test.each(rows)("%s: BACKUP %i with %i bytes, AUT_DISABLE %i, UNLOCK with a wrong key %i", async (...row) => {
      const [state, backup, length, disable, wrongKey, make] = row;
      const saved = await (await tokenIn(state, profile)).save();
      expect([saved.status, saved.blob.length]).toEqual([backup, length]);
      expect(await (await tokenIn(state, profile)).disable()).toBe(disable);
      expect(await (await tokenIn(state, profile)).unlock(otherKey)).toBe(wrongKey);
      expect(await canMake(await tokenIn(state, profile))).toBe(make);
    });

    test("AUT_ENABLE a second time is refused, until the lock is off", async () => {
      expect(await (await tokenIn("locked", profile)).enable(hostKey)).toBe(0x30);
      expect(await (await tokenIn("unlocked", profile)).enable(hostKey)).toBe(0x30);
      const again = await tokenIn("disabled", profile);
      expect(await again.enable(hostKey)).toBe(0);
      expect((await again.save()).blob).toHaveLength(60);
    });

    test("nothing in getInfo tells the lock", async () => {
      const plain = await (await tokenIn("plain", profile)).getInfo();
      for (const state of ["locked", "unlocked", "disabled"] as const) {
        expect(await (await tokenIn(state, profile)).getInfo()).toEqual(plain);
      }
    });

    test("unlocked ends with the power, and comes back with the host's key", async () => {
      const client = await tokenIn("unlocked", profile);
      client.authenticator.powerOn();
      expect((await client.save()).status).toBe(0x33);
      expect(await client.unlock(otherKey)).toBe(0x02);
      expect((await client.save()).status).toBe(0x33);
      expect(await client.unlock(hostKey)).toBe(0);
      expect((await client.save()).status).toBe(0);
    });
  });

  test("the backup holds the device key, under the host's key and no other", async () => {
    const client = await token("pico-fido-5.12");
    const before = client.authenticator.state.masterKey.slice();
    await client.enable(hostKey);
    expect(client.authenticator.state.masterKey).toHaveLength(0);
    await client.unlock(hostKey);
    const { blob } = await client.save();
    expect(openBlob(hostKey, blob)).toEqual(before);
    expect(openBlob(otherKey, blob)).toBeNull();
  });
});

describe("credentials under the lock", () => {
  test("v5.12: they wait while it is locked and work when it is unlocked, disabled and plugged in anew", async () => {
    const client = await token("pico-fido-5.12");
    const id = await client.credential();
    await client.enable(hostKey);
    expect(await status(client, id)).toBe(0x2e);
    await client.unlock(hostKey);
    expect(await works(client, id)).toBe(true);
    const made = await client.credential();
    await client.disable();
    expect(await status(client, id)).toBe(0x2e);
    client.authenticator.powerOn();
    expect([await works(client, id), await works(client, made)]).toEqual([true, true]);
  });

  test("v6.6: the lock changes the key, both ways; who asks without options hears 00 all the same", async () => {
    const client = await token("pico-fido-6.6");
    const before = await client.credential();
    await client.enable(hostKey);
    await client.unlock(hostKey);
    const under = await client.credential();
    expect([await works(client, before), await works(client, under)]).toEqual([false, true]);
    expect(await status(client, before)).toBe(0);
    await client.disable();
    client.authenticator.powerOn();
    expect([await works(client, before), await works(client, under)]).toEqual([true, false]);
  });

  test("v6.6: with `up` asked for there is no empty assertion, and none for what is not of its kind", async () => {
    const client = await tokenIn("plain", "pico-fido-6.6");
    const id = await client.credential();
    await client.enable(hostKey);
    const { token: pinToken } = await client.token(lockPin, permission.use);
    const up = (value: boolean): [number, unknown][] => [[5, new Map([["up", value]])]];
    expect((await client.assert([id], up(false), pinToken)).status).toBe(0);
    expect((await client.assert([id], up(true), pinToken)).status).toBe(0x2e);
    const { token: another } = await client.token(lockPin, permission.use);
    expect((await client.assert([id.map((byte) => byte ^ 1)], [], another)).status).toBe(0x2e);
    const elsewhere = await client.token(lockPin, permission.use, "another.example");
    const asked = await client.assert([id], [[1, "another.example"]], elsewhere.token);
    expect(asked.status).toBe(0x2e);
  });

  test.each([
    ["pico-fido-5.12", true, true],
    ["pico-fido-6.6", false, true],
  ] as const)("%s: a backup on another token serves: made before %s, made under the lock %s", async (...row) => {
    const [profile, servesBefore, servesUnder] = row;
    const [from, to] = [await token(profile, "from"), await token(profile, "to")];
    const before = await from.credential();
    await from.enable(hostKey);
    await from.unlock(hostKey);
    const under = await from.credential();
    const lost = await to.credential();
    const { blob } = await from.save();
    expect(await to.load(blob)).toBe(0);
    expect((await to.save()).status).toBe(0x33);
    expect(await to.unlock(hostKey)).toBe(0);
    expect((await to.save()).blob).toEqual(blob);
    expect([await works(to, before), await works(to, under)]).toEqual([servesBefore, servesUnder]);
    expect(await works(to, lost)).toBe(false);
  });
});

describe("ways to lose everything (reference section 7)", () => {
  test.each(destroying)("%s: AUT_ENABLE says 00 and the key is gone for good", async (profile) => {
    const client = await token(profile);
    const id = await client.credential();
    expect(await client.enable(hostKey)).toBe(0);
    // 61 bytes of key file were encrypted: no more than this is kept of it.
    expect(client.authenticator.state.sealedKey).toHaveLength(60);
    for (let power = 0; power < 2; power++) {
      expect(await client.unlock(hostKey)).toBe(0x02);
      expect((await client.save()).status).toBe(0x33);
      expect(await works(client, id)).toBe(false);
      expect(await canMake(client)).toBe(0x7f);
      expect(await client.disable()).toBe(0x33);
      client.authenticator.powerOn();
    }
  });

  test.each(destroying)("%s: also before there was a PIN to enable it with", async (profile) => {
    const client = await token(profile);
    const { pin } = client.authenticator.state;
    const { token: pinToken } = await client.token(lockPin, permission.config, null);
    const { cipher } = await client.mse();
    client.authenticator.state.pin = null;
    const parameters = new Map<number, unknown>([
      [1, client.numbers.enable],
      [2, cipher?.seal(hostKey)],
    ]);
    expect(await client.prototypeWith(protocol2, pinToken, parameters)).toBe(0);
    client.authenticator.state.pin = pin;
    expect(await client.unlock(hostKey)).toBe(0x02);
  });

  test("v5.12: UNLOCK with a wrong key while unlocked, then AUT_DISABLE: zeros are the device key", async () => {
    const client = await token("pico-fido-5.12");
    const id = await client.credential();
    await client.enable(hostKey);
    await client.unlock(hostKey);
    expect(await client.unlock(otherKey)).toBe(0x02);
    expect((await client.save()).blob).toHaveLength(60);
    expect(await works(client, id)).toBe(false);
    expect(await client.disable()).toBe(0);
    client.authenticator.powerOn();
    expect(await status(client, id)).toBe(0x2e);
    expect(client.authenticator.state.masterKey).toEqual(new Uint8Array(32));
    expect((await client.vendor(4, new Map([[1, 1]]))).status).toBe(0x21);
  });

  test("v5.12: the same, but unlocked once more before AUT_DISABLE, or unplugged: nothing is lost", async () => {
    for (const unplug of [false, true]) {
      const client = await token("pico-fido-5.12");
      const id = await client.credential();
      await client.enable(hostKey);
      await client.unlock(hostKey);
      await client.unlock(otherKey);
      if (unplug) client.authenticator.powerOn();
      expect(await client.unlock(hostKey)).toBe(0);
      expect(await client.disable()).toBe(0);
      client.authenticator.powerOn();
      expect(await works(client, id)).toBe(true);
    }
  });

  test("BACKUP 02 takes any bytes, without PIN and touch, and the old key is gone", async () => {
    for (const bytes of [new Uint8Array(60), Uint8Array.of(1), new Uint8Array(0), new Uint8Array(300)]) {
      const client = await token("pico-fido-5.12");
      const id = await client.credential();
      expect(await client.load(bytes)).toBe(0);
      expect(await status(client, id)).toBe(0x2e);
      expect(await client.unlock(hostKey)).toBe(bytes.length === 0 ? 0x3d : 0x02);
      client.authenticator.powerOn();
      expect(await status(client, id)).toBe(0x2e);
    }
  });

  test("v8.0 asks for a touch before that, and 27 leaves the key", async () => {
    const client = new LockClient(
      SimulatedAuthenticator.create(world(), {
        profile: "pico-fido-8.0",
        touch: async ({ why }) => (why === "load" ? "denied" : "touched"),
      }),
    );
    await client.setPin(lockPin);
    const id = await client.credential();
    expect(await client.load(new Uint8Array(60))).toBe(0x27);
    expect(await works(client, id)).toBe(true);
  });

  test("the host key lost: useless until a reset, which makes a new one", async () => {
    const client = await tokenIn("locked", "pico-fido-5.12");
    expect(await client.unlock(otherKey)).toBe(0x02);
    expect((await client.send(0x07)).status).toBe(0);
    await client.setPin(lockPin);
    expect((await client.save()).status).toBe(0x33);
    expect(await client.unlock(hostKey)).toBe(0x3d);
    const id = await client.credential();
    client.authenticator.powerOn();
    expect(await works(client, id)).toBe(true);
  });

  test("used after AUT_DISABLE without a power cycle: credentials under zeros, which die with the power", async () => {
    const client = await tokenIn("disabled", "pico-fido-5.12");
    expect(await client.save()).toEqual({ status: 0, blob: new Uint8Array(0) });
    const id = await client.credential();
    expect(await works(client, id)).toBe(true);
    client.authenticator.powerOn();
    expect(await status(client, id)).toBe(0x2e);
  });

  test("reset while unlocked: new credentials are made with the old key and die with the power", async () => {
    const client = await token("pico-fido-5.12");
    await client.enable(hostKey);
    await client.unlock(hostKey);
    expect((await client.send(0x07)).status).toBe(0);
    await client.setPin(lockPin);
    const id = await client.credential();
    expect(await works(client, id)).toBe(true);
    expect(await client.save()).toEqual({ status: 0, blob: new Uint8Array(0) });
    client.authenticator.powerOn();
    expect(await status(client, id)).toBe(0x2e);
  });

  test("a wrong host key never opens anything, whichever bit is wrong", async () => {
    const client = await tokenIn("locked", "pico-fido-5.12");
    await fc.assert(
      fc.asyncProperty(fc.nat(255), async (bit) => {
        const wrong = hostKey.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
        expect(await client.unlock(wrong)).toBe(0x02);
      }),
      { numRuns: 40 },
    );
    expect(await client.unlock(hostKey)).toBe(0);
  });
});

/** The lock in three lines: which key is stored, which one is in memory. */
test("property: v5.12, whatever a host does: a credential works where stored and memory key say so", async () => {
  type Step = "enable" | "unlock" | "wrong" | "disable" | "power";
  const step = fc.constantFrom<Step>("enable", "unlock", "wrong", "disable", "power");
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      const client = await token("pico-fido-5.12");
      const id = await client.credential();
      let stored: "plain" | "zeros" | "sealed" | "sealed zeros" = "plain";
      let memory: "key" | "zeros" | null = null;
      for (const one of steps) {
        const sealed: boolean = stored.startsWith("sealed");
        if (one === "power") {
          client.authenticator.powerOn();
          memory = null;
        } else if (one === "enable") {
          expect(await client.enable(hostKey)).toBe(sealed ? 0x30 : 0);
          if (!sealed) stored = stored === "zeros" ? "sealed zeros" : "sealed";
        } else if (one === "unlock") {
          expect(await client.unlock(hostKey)).toBe(sealed ? 0 : 0x3d);
          if (sealed) memory = stored === "sealed" ? "key" : "zeros";
        } else if (one === "wrong") {
          expect(await client.unlock(otherKey)).toBe(sealed ? 0x02 : 0x3d);
          if (sealed && memory !== null) memory = "zeros";
        } else {
          expect(await client.disable()).toBe(sealed ? (memory === null ? 0x33 : 0) : 0x30);
          if (sealed && memory !== null) {
            stored = memory === "key" ? "plain" : "zeros";
            memory = "zeros";
          }
        }
        expect(await works(client, id)).toBe(memory === "key" || (memory === null && stored === "plain"));
        expect((await client.save()).status).toBe(memory === null ? 0x33 : 0);
      }
    }),
    { numRuns: 60 },
  );
});
