import { fromBER } from "asn1js";
import { encode } from "cborg";
import fc from "fast-check";
import { CertificationRequest, CryptoEngine } from "pkijs";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { SimulatorChannel } from "../../../src/simulator/channel.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import type { authenticatorProfileNames } from "../../../src/simulator/fido2/profile-names.ts";
import { vendorChannel } from "../../../src/simulator/fido2/vendor-channel.ts";
import { world } from "./support/client.ts";
import { HidHost } from "./support/hid-host.ts";
import { coseOf, LockClient, lockPin, protocol2 } from "./support/lock-client.ts";

const hostKey = new Uint8Array(32).fill(0x71);
const profiles = ["pico-fido-5.12", "pico-fido-6.6", "pico-fido-7.6", "pico-fido-8.0"] as const;
type Profile = (typeof profiles)[number];

function authenticatorOf(profile: (typeof authenticatorProfileNames)[number]): SimulatedAuthenticator {
  return SimulatedAuthenticator.create(world(), { profile });
}

async function clientOf(profile: Profile): Promise<LockClient> {
  const client = new LockClient(authenticatorOf(profile));
  await client.setPin(lockPin);
  return client;
}

/** Statuses of the four versions to one vendor request on a token that was never locked. */
const answers: [request: string, ...statuses: [string, string, string, string]][] = [
  ["", "03", "03", "03", "03"],
  ["00A10101", "12", "12", "12", "12"],
  ["01", "01", "01", "01", "01"],
  ["01A0", "3E", "3E", "3E", "3E"],
  ["01A10101", "33", "33", "33", "33"],
  ["01A10102", "14", "14", "14", "14"],
  ["01A10103", "3E", "3E", "3E", "3E"],
  ["01A2", "12", "12", "12", "12"],
  ["02A10101", "14", "14", "14", "14"],
  ["02A10102", "3E", "3E", "3E", "3E"],
  ["03A10101", "30", "30", "30", "30"],
  ["04A10102", "14", "14", "3E", "3E"],
  ["04A2010202A10141AA", "00", "00", "3E", "3E"],
  ["05A10101", "2B", "2B", "2B", "30"],
  ["05A10109", "2B", "2B", "2B", "3E"],
  ["06A10101", "2B", "00", "2B", "02"],
  ["06A10102", "2B", "2B", "2B", "02"],
  ["09A10101", "2B", "2B", "2B", "02"],
];

describe("vendor commands", () => {
  test.each(answers)("%s", async (request, ...statuses) => {
    for (const [i, profile] of profiles.entries()) {
      const answer = await authenticatorOf(profile).vendor(fromHex(request));
      expect(toHex(answer.subarray(0, 1)), profile).toBe(statuses[i]);
    }
  });

  test("are 01 where there is no lock", async () => {
    for (const profile of ["standard", "applet"] as const) {
      expect(toHex(await authenticatorOf(profile).vendor(fromHex("01A10101")))).toBe("01");
    }
  });

  test("a point that is not on the curve is 02", async () => {
    for (const profile of profiles) {
      const off = coseOf(concat(Uint8Array.of(4), new Uint8Array(64).fill(5)));
      const client = new LockClient(authenticatorOf(profile));
      const request = new Map<number, unknown>([
        [1, 1],
        [2, new Map([[2, off]])],
      ]);
      expect((await client.vendor(2, request)).status, profile).toBe(0x02);
    }
  });

  test("an agreement serves again to v7.6, once in v8.0, where a second one is refused and drops the first", async () => {
    const old = new LockClient(authenticatorOf("pico-fido-7.6"));
    const first = await old.mse();
    expect((await old.mse()).status).toBe(0);
    const { cipher } = await old.mse();
    const sealed = cipher?.seal(hostKey) ?? new Uint8Array(0);
    expect(first.cipher?.seal(hostKey)).not.toEqual(sealed);
    for (let i = 0; i < 2; i++) expect(await old.unlockRaw(sealed)).toBe(0x3d);

    const young = new LockClient(authenticatorOf("pico-fido-8.0"));
    expect((await young.mse()).status).toBe(0);
    expect((await young.mse()).status).toBe(0x30);
    expect(await young.unlockRaw(sealed)).toBe(0x30);
    const next = await young.mse();
    expect(await young.unlockRaw(new Uint8Array(32))).toBe(0x02); // The length alone does not use it up.
    const good = next.cipher?.seal(hostKey) ?? new Uint8Array(0);
    expect(await young.unlockRaw(good)).toBe(0x3d);
    expect(await young.unlockRaw(good)).toBe(0x30);
    expect((await young.mse()).status).toBe(0);
    expect(await young.unlockRaw(new Uint8Array(48))).toBe(0x02);
    expect(await young.unlockRaw(good)).toBe(0x30);
  });

  test("what is not the host key under the agreement is 02: garbage, another session's, another length", async () => {
    const client = await clientOf("pico-fido-5.12");
    await client.enable(hostKey);
    const before = (await client.mse()).cipher?.seal(hostKey) ?? new Uint8Array(0);
    const { cipher } = await client.mse();
    for (const bad of [before, cipher?.seal(hostKey.subarray(1)), cipher?.seal(new Uint8Array(0)), new Uint8Array(3)]) {
      expect(await client.unlockRaw(bad ?? new Uint8Array(0))).toBe(0x02);
    }
    expect(await client.unlockRaw(cipher?.seal(hostKey) ?? before)).toBe(0);
  });

  test("EA 01 is a request for the device key, signed with it", async () => {
    for (const profile of profiles) {
      const client = new LockClient(authenticatorOf(profile));
      const { status, map } = await client.vendor(4, new Map([[1, 1]]));
      expect(status).toBe(0);
      const { result } = fromBER((map.get(1) as Uint8Array).slice().buffer);
      const request = new CertificationRequest({ schema: result });
      expect(await request.verify(new CryptoEngine({ crypto: globalThis.crypto }))).toBe(true);
    }
  });

  test("EA 01 is 21 while the key is locked, and unlocked", async () => {
    const client = await clientOf("pico-fido-5.12");
    await client.enable(hostKey);
    expect((await client.vendor(4, new Map([[1, 1]]))).status).toBe(0x21);
    await client.unlock(hostKey);
    expect((await client.vendor(4, new Map([[1, 1]]))).status).toBe(0x21);
  });

  test("property: whatever comes, an answer goes, and nothing breaks inside", async () => {
    const request = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(fc.integer({ min: 1, max: 6 }), fc.nat(3), fc.option(fc.uint8Array({ maxLength: 70 })))
        .map(([command, sub, bytes]) => {
          const map = new Map<number, unknown>([[1, sub]]);
          if (bytes !== null) map.set(2, new Map([[1, bytes]]));
          return concat(Uint8Array.of(command), encode(map));
        }),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...profiles), fc.array(request, { maxLength: 6 }), async (profile, requests) => {
        const authenticator = authenticatorOf(profile);
        for (const one of requests) expect((await authenticator.vendor(one)).length).toBeGreaterThan(0);
        expect(authenticator.lastFault).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });
});

describe("vendorPrototype", () => {
  const statuses = async (client: LockClient) => {
    const disable = new Map([[1, client.numbers.disable]]);
    const bad = new Uint8Array(32);
    return {
      unauthenticated: await client.prototypeWith(null, bad, disable),
      wrongly: await client.prototypeWith(protocol2, bad, disable),
      notPermitted: await client.prototypeWith(protocol2, (await client.token(lockPin, 0x03, null)).token, disable),
      unknown: await client.prototype(new Map([[1, 0x1234n]])),
      notEnabled: await client.disable(),
      withoutAgreement: await client.prototype(
        new Map<number, unknown>([
          [1, client.numbers.enable],
          [2, new Uint8Array(48)],
        ]),
      ),
      inert: await client.prototype(new Map([[1, client.authenticator.profile.lock?.ids.at(-1)]])),
    };
  };

  test.each(profiles)("%s: what is refused, and as what", async (profile) => {
    expect(await statuses(await clientOf(profile))).toEqual({
      unauthenticated: 0x36,
      wrongly: 0x33,
      notPermitted: 0x33,
      unknown: 0x3e,
      notEnabled: 0x30,
      withoutAgreement: 0x30,
      // In older versions the last id is AUT_DISABLE.
      inert: /-(5|6)\./.test(profile) ? 0x30 : 0,
    });
  });

  test("v8.0 does not know the ids of before", async () => {
    const client = await clientOf("pico-fido-8.0");
    await client.mse();
    expect(await client.prototype(new Map([[1, 0x03e43f56b34285e2n]]))).toBe(0x3e);
    expect(await client.prototype(new Map([[1, 0x1831a40f04a25ed9n]]))).toBe(0x3e);
  });

  test.each(profiles)("%s: the other number hangs the token, which power alone ends", async (profile) => {
    const client = await clientOf(profile);
    const { authenticator } = client;
    const other = client.numbers.prototype === 0xff ? 0x7f : 0xff;
    const abort = new AbortController();
    const kept: number[] = [];
    const message = concat(
      Uint8Array.of(0x0d),
      encode(
        new Map<number, unknown>([
          [1, other],
          [2, new Map([[1, 1]])],
        ]),
      ),
    );
    const hung = authenticator.ctap(message, { signal: abort.signal, onKeepAlive: (now) => kept.push(now) });
    abort.abort();
    expect(toHex(await authenticator.ctap(Uint8Array.of(4)))).toBe("06");
    expect(toHex(await authenticator.vendor(fromHex("01A10101")))).toBe("06");
    expect(kept).toEqual([1]);
    authenticator.reset();
    expect(toHex((await authenticator.ctap(Uint8Array.of(4))).subarray(0, 1))).toBe("00");
    expect(toHex(await hung)).toBe("7F");
    expect(authenticator.lastFault).toBeUndefined();
    // Without parameters there is nothing to loop over.
    expect((await client.send(0x0d, new Map([[1, other]]))).status).toBe(0x3e);
  });

  test("over APDUs it answers 9100 as long as it is polled, and lets go when the channel is closed", async () => {
    const client = await clientOf("pico-fido-5.12");
    let released = false;
    const channel = new SimulatorChannel(client.authenticator, "sim-fido:x", () => {
      released = true;
    });
    const send = async (hex: string) => toHex(await channel.transceive(fromHex(hex)));
    await send("00A4040008A0000006472F000100");
    expect(await send("80108000090DA20118FF02A1010100")).toBe("019100");
    for (let i = 0; i < 5; i++) expect(await send("8011000000")).toBe("019100");
    await channel.close();
    expect(released).toBe(true);
  });

  test("a message that never comes back is given up when the channel is closed", async () => {
    const client = await clientOf("pico-fido-5.12");
    let released: () => void = () => {};
    const given = new Promise<void>((resolve) => (released = resolve));
    const channel = new SimulatorChannel(client.authenticator, "sim-fido:x", () => released());
    await channel.transceive(fromHex("00A4040008A0000006472F000100"));
    const hung = channel.transceive(fromHex("80100000090DA20118FF02A1010100"));
    await expect(channel.transceive(fromHex("00C0000000"))).rejects.toMatchObject({ code: "CHANNEL_BUSY" });
    await channel.close();
    await given;
    await hung;
  });
});

test.each(profiles)("%s: with a PIN no credential is made without it", async (profile) => {
  const client = new LockClient(authenticatorOf(profile));
  expect((await client.make()).status).toBe(0);
  await client.setPin(lockPin);
  expect((await client.make()).status).toBe(0x36);
});

describe("how vendor commands come", () => {
  test("as a channel of their own beside APDUs, as long as the channel lives", async () => {
    const channel = new SimulatorChannel(authenticatorOf("pico-fido-5.12"), "sim-fido:x");
    const vendor = vendorChannel(channel);
    expect(vendor.where).toBe("sim-fido:x");
    expect(toHex(await vendor.send(fromHex("01A10101")))).toBe("33");
    await vendor.close();
    expect(toHex(await channel.transceive(fromHex("00A4040008A0000006472F000100")))).toMatch(/9000$/);
    await channel.close();
    await expect(vendor.send(fromHex("01A10101"))).rejects.toMatchObject({ code: "CHANNEL_CLOSED" });
  });

  test.each([
    ["pico-fido-5.12", "3F01", "3F33", "3F3E", "3F2E", "02050C0005"],
    ["pico-fido-6.6", "4101", "4133", "103E", "102E", "0206060005"],
    ["pico-fido-7.6", "4101", "4133", "103E", "102E", "0207060005"],
    ["pico-fido-8.0", "4101", "4133", "103E", "102E", "0208000005"],
  ] as const)("CTAPHID of %s: answers and ERROR packets", async (profile, noMap, locked, unknown, nobody, facts) => {
    const host = new HidHost(authenticatorOf(profile));
    expect(toHex(await host.open(new Uint8Array(8)))).toBe(facts);
    const ask = async (command: number, hex: string) => {
      const answer = await host.exchange(command, fromHex(hex));
      return toHex(concat(Uint8Array.of(answer.command), answer.data.subarray(0, 1)));
    };
    expect(await ask(0x41, "01")).toBe(noMap);
    expect(await ask(0x41, "01A10101")).toBe(locked);
    expect(await ask(0x10, "06A2010202182A")).toBe(unknown);
    expect(
      await ask(
        0x10,
        toHex(
          concat(
            Uint8Array.of(2),
            encode(
              new Map<number, unknown>([
                [1, "x"],
                [2, new Uint8Array(32)],
              ]),
            ),
          ),
        ),
      ),
    ).toBe(nobody);
    // Below 0B: 02 of a PIN protocol that is not there.
    const low = { "pico-fido-5.12": "3F02", "pico-fido-6.6": "3F02", "pico-fido-7.6": "3F02", "pico-fido-8.0": "1002" };
    expect(await ask(0x10, "06A201090202")).toBe(low[profile]);
    await host.close();
  });

  test("INS 41 and an AID of its own, from v7.4 on; a refusal is 64xx", async () => {
    for (const profile of ["pico-fido-5.12", "pico-fido-6.6", "standard"] as const) {
      const authenticator = authenticatorOf(profile);
      const send = async (hex: string) => toHex(await authenticator.transceive(fromHex(hex)));
      expect(await send("00A4040008B0000006472F000100")).toBe("6A82");
      await send("00A4040008A0000006472F000100");
      expect(await send("804100000401A1010100")).toBe("6D00");
    }
    for (const profile of ["pico-fido-7.6", "pico-fido-8.0"] as const) {
      const authenticator = authenticatorOf(profile);
      const send = async (hex: string) => toHex(await authenticator.transceive(fromHex(hex)));
      expect(await send("00A4040008B0000006472F000100")).toBe("4649444F5F325F309000");
      expect(await send("804100000401A1010100")).toBe("6433");
      expect(await send("904100000201A1")).toBe("9000");
      expect(await send("8041000002010300")).toBe("643E");
      expect(await send("804100000404A1010100")).toMatch(/^A101.*9000$/);
    }
  });
});
