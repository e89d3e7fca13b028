import { afterEach, describe, expect, test } from "vitest";
import { Fido2Authenticator } from "../../../src/cards/fido2/authenticator.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import { serveCtapHid } from "../../../src/simulator/fido2/ctaphid-device.ts";
import type { HidFaults } from "../../../src/simulator/fido2/ctaphid-faults.ts";
import { repeatableWorld } from "../../../src/simulator/repeatable-world.ts";
import { CtapHidChannel } from "../../../src/transport/hid/ctaphid-channel.ts";
import { type SocketPort, socketPair } from "./socket-port.ts";

const ends: SocketPort[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end.close();
});

/** Our transport and the simulated device, written apart, over a byte stream. */
async function peers(faults: HidFaults = {}, timing = {}) {
  const { host, device } = await socketPair();
  ends.push(host, device);
  const port = { read: () => device.read().catch(() => null), write: (packet: Uint8Array) => device.write(packet) };
  const served = serveCtapHid(SimulatedAuthenticator.create(repeatableWorld("hid")), port, {
    // As long as a slow machine may take between two packets.
    gapMs: 60_000,
    ...faults,
  });
  const hid = await CtapHidChannel.open(host, { where: "hid test", timing: { busyPauseMs: 1, ...timing } });
  return { hid, served };
}

describe("against the simulated CTAPHID device", () => {
  const stood: [what: string, faults: HidFaults][] = [
    ["nothing wrong", {}],
    ["another program's INIT", { foreignNonce: true }],
    ["another program's packets", { foreignChannel: true }],
    ["busy three times", { busy: 3 }],
    ["keep-alives before each answer", { keepAlives: 3, keepAliveMs: 1 }],
    ["errors as ERROR packets", { errorFrames: true }],
    [
      "all at once",
      { foreignNonce: true, foreignChannel: true, busy: 2, keepAlives: 2, keepAliveMs: 1, errorFrames: true },
    ],
  ];
  test.each(stood)("%s: a PIN is set, a credential made, its secret given twice the same", async (_, faults) => {
    const { hid, served } = await peers(faults);
    const authenticator = await Fido2Authenticator.open(hid);
    const pin = new TextEncoder().encode("1234");
    await authenticator.setPin(pin.slice());
    const user = { id: Uint8Array.of(1), name: "u" };
    const rpId = "hsmadm.example";
    const { id } = await authenticator.makeHmacCredential({ rpId, user, excludeIds: [], uv: true, pin: pin.slice() });
    const salts = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    const ask = () => authenticator.hmacSecret({ rpId, credentialId: id, salts, uv: true, pin: pin.slice() });
    const first = await ask();
    expect(first.map(({ length }) => length)).toEqual([32, 32]);
    expect(await ask()).toEqual(first);
    expect(await authenticator.holds(rpId, [new Uint8Array(64)])).toMatchObject({ status: "not-here" });
    await authenticator.close();
    await served;
  });

  test("a wrong PIN is the token's refusal, with the tries left, in either shape", async () => {
    for (const errorFrames of [false, true]) {
      const { hid } = await peers({ errorFrames });
      const authenticator = await Fido2Authenticator.open(hid);
      await authenticator.setPin(new TextEncoder().encode("1234"));
      const change = authenticator.changePin(new TextEncoder().encode("9999"), new TextEncoder().encode("5678"));
      await expect(change).rejects.toMatchObject({ code: "FIDO_PIN_WRONG", kind: "authentication", triesLeft: 7 });
    }
  });

  test("a wrong sequence number fails the message, the next one goes through INIT", async () => {
    const { hid } = await peers({ wrongSequence: true });
    for (let i = 0; i < 2; i++) {
      await expect(hid.send(Uint8Array.of(4))).rejects.toMatchObject({
        code: "EXCHANGE_FAILED",
        message: expect.stringContaining("bears number"),
      });
    }
  });

  test("a device that has died is a timeout", async () => {
    const { hid } = await peers({ silent: true }, { silenceMs: 1000 });
    await expect(hid.send(Uint8Array.of(4))).rejects.toMatchObject({ code: "TIMEOUT" });
  });

  test("ping", async () => {
    const { hid } = await peers();
    const data = new Uint8Array(500).fill(9);
    expect(await hid.ping(data)).toEqual(data);
  });
});
