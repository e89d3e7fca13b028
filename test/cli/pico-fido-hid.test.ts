import { existsSync, writeFileSync } from "node:fs";
import { beforeEach, expect, test, vi } from "vitest";
import { SimulatedAuthenticator } from "../../src/simulator/fido2/authenticator.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const machine = await vi.hoisted(async () => new (await import("./support/fido-machine.ts")).FidoMachine());
vi.mock("node-hid", () => machine.nodeHid());
vi.mock("../../src/transport/pcsc/pcsc.ts", () => ({ openPcsc: machine.openPcsc }));

const world = new TestWorld();
const officer = new Officer(world);
const env = { FPIN: "kX7-open-1" };
const path = "/dev/hidraw7";
const key = `--device fido:${path} fido`;
const words = world.path("words");
const backup = world.path("backup");

function plugged(profile: Parameters<typeof SimulatedAuthenticator.create>[1]): SimulatedAuthenticator {
  const authenticator = SimulatedAuthenticator.create(repeatableWorld("hid"), profile);
  machine.hid.set(path, { authenticator, product: "Pico Key" });
  return authenticator;
}

beforeEach(() => machine.clear());

test("over USB: the whole way, vendor commands in frames of their own", async () => {
  const authenticator = plugged({ profile: "pico-fido-5.12" });
  const does = (code: number, argv: string) => officer.gets(code, `${key} ${argv}`, { env });
  await does(0, "pin set --new-pin env:FPIN");
  expect((await does(5, `backup save ${backup}`)).stderr).toContain("was never enabled");
  await does(0, `secure enable --fido-pin env:FPIN --words-out ${words}`);
  authenticator.powerOff();
  authenticator.powerOn();
  expect((await does(5, `backup save ${backup}`)).stderr).toContain("is locked, as after every plug-in");
  await does(0, "secure unlock");
  await does(0, `backup save ${backup}`);
  await officer.gets(0, `fido backup verify ${backup}`, { env });
  await does(0, "secure disable --fido-pin env:FPIN");
  expect((await does(0, "secure status")).stdout).toContain("not unplugged since");
  // Recorded or not, it is the same way.
  await does(0, `secure status --trace ${world.path("t.apdu")}`);
});

test("the older tool's key by a program, as its keyring gives it", async () => {
  plugged({ profile: "pico-fido-5.12" });
  const pem = world.path("old.pem");
  const { hostSigningKey, newHostKey } = await import("../../src/crypto/pico-fido/host-key.ts");
  writeFileSync(pem, String(hostSigningKey(newHostKey()).export({ format: "pem", type: "pkcs8" })), { mode: 0o600 });
  await officer.gets(0, `${key} pin set --new-pin env:FPIN`, { env });
  const helper = ["--host-key", `cmd:cat ${pem}`];
  const { code, stderr } = await world.run([...`${key} secure unlock`.split(" "), ...helper], { env });
  expect([code, stderr]).toEqual([5, expect.stringContaining("was never enabled")]);
});

test("another maker's key is asked for getInfo alone", async () => {
  const authenticator = plugged({ profile: "standard" });
  const vendor = vi.spyOn(authenticator, "vendor");
  const ctap = vi.spyOn(authenticator, "ctap");
  for (const argv of ["secure status", "secure unlock", `backup save ${world.path("never")}`]) {
    expect((await officer.gets(7, `${key} ${argv}`, { env })).stderr).toContain("is no Pico FIDO");
  }
  expect(vendor).not.toHaveBeenCalled();
  expect(new Set(ctap.mock.calls.map(([message]) => message.join()))).toEqual(new Set(["4"]));
  expect(existsSync(world.path("never"))).toBe(false);
});
