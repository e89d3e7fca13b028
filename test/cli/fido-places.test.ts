import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { SimulatorChannel } from "../../src/simulator/channel.ts";
import { SimulatedAuthenticator } from "../../src/simulator/fido2/authenticator.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { violations } from "./support/json-schema.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const machine = await vi.hoisted(async () => new (await import("./support/fido-machine.ts")).FidoMachine());
vi.mock("node-hid", () => machine.nodeHid());
vi.mock("../../src/transport/pcsc/pcsc.ts", () => ({ openPcsc: machine.openPcsc }));

const world = new TestWorld();
const officer = new Officer(world);
const env = { FPIN: "kX7-open-1", FNEW: "kX7-open-2" };
const aaguid = "68736d61-646d-2073-696d-756c61746564";

function authenticator(name: string, options: Parameters<typeof SimulatedAuthenticator.create>[1] = {}) {
  return SimulatedAuthenticator.create(repeatableWorld(name), options);
}

function withHid(path = "/dev/hidraw3", options: Parameters<typeof authenticator>[1] = {}): SimulatedAuthenticator {
  const made = authenticator(path, options);
  machine.hid.set(path, { authenticator: made, product: "Key" });
  return made;
}

function withReader(name: string): SimulatedAuthenticator {
  const made = authenticator(name);
  machine.readers.set(name, () => new SimulatorChannel(made, name));
  return made;
}

function withHsm(name: string): void {
  const token = SimulatedToken.create(repeatableWorld(name), { profile: "genuine" });
  machine.readers.set(name, () => new SimulatorChannel(token, name));
}

async function gets(code: number, argv: string) {
  return officer.gets(code, `fido ${argv}`, { env });
}

async function list(code: number, argv = "list --device auto"): Promise<Record<string, unknown>> {
  const found = await officer.document(code, `fido ${argv}`, { env });
  const schema = code === 0 || code === 13 ? "fido-list" : "error";
  const url = new URL(`../../docs/schema/${schema}.json`, import.meta.url);
  expect(violations(JSON.parse(readFileSync(url, "utf8")), found), argv).toEqual([]);
  return found;
}

beforeEach(() => machine.clear());

describe("fido list --device auto", () => {
  test("HID devices, cards in readers, and the simulated ones by name", async () => {
    await gets(0, "info --device sim-fido:mine");
    withHid();
    withReader("Acme NFC 00");
    withHsm("Acme Slot 01");
    machine.readers.set("Acme Empty 02", null);
    const { stdout } = await gets(0, "list --device auto");
    expect(stdout).toContain("fido:/dev/hidraw3");
    expect(stdout).toContain("pcsc:Acme NFC 00");
    expect(stdout).toContain('no FIDO2 is reachable through reader "Acme Slot 01"');
    expect(stdout).toContain("sim-fido:mine");
    expect(stdout).not.toContain("Acme Empty 02");
    expect(await list(0)).toMatchObject({
      authenticators: [
        { device: "fido:/dev/hidraw3", product: "Acme Key", aaguid, problem: null, pin: { state: "unset" } },
        { device: "pcsc:Acme NFC 00", product: null, aaguid, problem: null },
        { device: "pcsc:Acme Slot 01", aaguid: null, problem: { code: "NOT_A_FIDO2_TOKEN" } },
      ],
      simulated: [{ device: "sim-fido:mine", pinSet: false, problem: null }],
      problems: [],
    });
    expect(machine.asked.filter((asked) => asked === "pcsc open")).toHaveLength(2);
    expect(machine.asked.filter((asked) => asked === "pcsc close")).toHaveLength(2);
  });

  test("one way that cannot be looked at is told, and the exit code says so", async () => {
    withHid();
    machine.pcscRuns = false;
    expect(await list(13)).toMatchObject({ problems: [{ code: "SERVICE_NOT_RUNNING" }], authenticators: [{ aaguid }] });
    machine.clear();
    machine.hidLoads = false;
    withReader("Acme NFC 00");
    const { stderr } = await gets(13, "list --device auto");
    expect(stderr).toContain("warning: not looked at: HID devices cannot be reached");
  });

  test("nothing at all", async () => {
    expect((await gets(0, "list --device auto")).stdout).toContain("no FIDO2 authenticator is there");
  });
});

describe("which one is meant", () => {
  test("auto: the only one; cards without FIDO2 do not count", async () => {
    withHsm("Acme Slot 01");
    withHid();
    expect((await gets(0, "info --device auto")).stdout).toContain("hid /dev/hidraw3");
    expect(machine.asked.at(-1)).toBe("pcsc close");
  });

  test("several are an error that lists them, none is one that says what was not looked at", async () => {
    withHid();
    withReader("Acme NFC 00");
    const { stderr } = await gets(3, "pin set --device auto --new-pin env:FPIN");
    expect(stderr).toContain("2 FIDO2 authenticators are there, say which");
    expect(stderr).toContain('--device "fido:/dev/hidraw3"  Acme Key');
    expect(stderr).toContain('--device "pcsc:Acme NFC 00"');
    machine.clear();
    machine.pcscRuns = false;
    expect((await gets(3, "info --device auto")).stderr).toContain("not looked at: pcscd is not running");
  });

  test("fido:AAGUID, in either spelling", async () => {
    withHid();
    for (const model of [aaguid, aaguid.replaceAll("-", "").toUpperCase()]) {
      expect((await gets(0, `info --device fido:${model}`)).stdout).toContain("hid /dev/hidraw3");
    }
    const other = aaguid.replace("68", "69");
    expect((await gets(3, `info --device fido:${other}`)).stderr).toContain("no FIDO2 authenticator of this AAGUID");
    withHid("/dev/hidraw4");
    expect((await gets(3, `info --device fido:${aaguid}`)).stderr).toContain("2 FIDO2 authenticators of this AAGUID");
  });

  test("fido:PATH asks nobody else", async () => {
    withHid();
    withHid("/dev/hidraw4");
    withReader("Acme NFC 00");
    await gets(0, "info --device fido:/dev/hidraw4");
    expect(machine.asked).toEqual(["hid open /dev/hidraw4"]);
  });

  test("pcsc:READER asks no HID device", async () => {
    withHid();
    withReader("Reader");
    withHsm("Slot");
    await gets(0, "info --device pcsc:Reader");
    expect(machine.asked).toEqual(["pcsc open", "pcsc connect Reader", "pcsc close"]);
    expect((await gets(7, "info --device pcsc:Slot")).stderr).toContain("no FIDO2 is reachable");
    expect((await gets(3, "info --device pcsc:Nowhere")).stderr).toContain('no reader is "Nowhere"');
    expect(machine.asked.filter((asked) => asked === "pcsc open")).toHaveLength(3);
    expect(machine.asked.filter((asked) => asked === "pcsc close")).toHaveLength(3);
  });
});

test("nothing of either binding is asked without --device, or for a simulated one", async () => {
  withHid();
  await gets(3, "list");
  await gets(3, "pin retries");
  await gets(0, "pin retries --device sim-fido:mine");
  expect(machine.asked).toEqual([]);
});

describe("over HID", () => {
  test("PINs are set, changed and counted", async () => {
    withHid();
    const device = "--device fido:/dev/hidraw3";
    await gets(0, `pin set ${device} --new-pin env:FPIN`);
    const { stderr } = await gets(4, `pin change ${device} --fido-pin env:FNEW --new-pin env:FPIN`);
    expect(stderr).toContain("7 tries left");
    await gets(0, `pin change ${device} --fido-pin env:FPIN --new-pin env:FNEW`);
    expect((await gets(0, `pin retries ${device}`)).stdout).toContain("8 tries left");
  });

  test("three wrong in a row: it wants to be taken out", async () => {
    withHid();
    const change = "pin change --device fido:/dev/hidraw3 --fido-pin env:FNEW --new-pin env:FPIN";
    await gets(0, "pin set --device fido:/dev/hidraw3 --new-pin env:FPIN");
    await gets(4, change);
    await gets(4, change);
    await gets(6, change);
    const { stderr } = await gets(6, change);
    expect(stderr).toMatch(/take .* out/);
    expect((await gets(0, "pin retries --device fido:/dev/hidraw3")).stdout).toContain(
      "5 tries left, but it takes none before it was taken out and put back",
    );
  });

  test("a recording shows what it would have been in a reader, holds no secret and replays without the device", async () => {
    withHid();
    const trace = world.path("hid.apdu");
    await gets(0, "pin set --device fido:/dev/hidraw3 --new-pin env:FPIN");
    const change = "pin change --fido-pin env:FPIN --new-pin env:FNEW";
    await gets(0, `${change} --device fido:/dev/hidraw3 --trace ${trace}`);
    const text = readFileSync(trace, "utf8");
    expect(text).toContain("! connect hid /dev/hidraw3");
    expect(text).toContain("clientPIN changePIN");
    machine.clear();
    await gets(0, `${change} --device trace:${trace}`);
    expect(machine.asked).toEqual([]);
  });

  test("a device that dies is a timeout, and its recording replays as one", async () => {
    const dead = withHid();
    machine.hid.set("/dev/hidraw3", { authenticator: dead, product: "Key", faults: { silent: true } });
    const trace = world.path("dead.apdu");
    const { stderr } = await gets(12, `info --device fido:/dev/hidraw3 --trace ${trace}`);
    expect(stderr).toContain("hid /dev/hidraw3 has been silent for 3 s");
    expect((await gets(12, `info --device trace:${trace}`)).stderr).toContain("has been silent for 3 s");
  });
});
