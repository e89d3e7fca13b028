import { readFileSync, statSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { violations } from "./support/json-schema.ts";
import { Officer, secretEnv } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const pins = { FPIN: "kX7-open-1", FNEW: "kX7-open-2", FWRONG: "kX7-nope-1", FWRONG2: "kX7-nope-2", SHORT: "123" };
const env = { ...secretEnv, ...pins };
let number = 0;
let device = "";

beforeEach(() => {
  device = `sim-fido:k${number++}`;
});

async function gets(code: number, argv: string, options: Parameters<Officer["gets"]>[2] = {}) {
  return officer.gets(code, `fido ${argv}`, { env, ...options });
}

async function document(code: number, argv: string, schema: string) {
  const found = await officer.document(code, `fido ${argv}`, { env });
  const url = new URL(`../../docs/schema/${schema}.json`, import.meta.url);
  expect(violations(JSON.parse(readFileSync(url, "utf8")), found), argv).toEqual([]);
  return found;
}

async function triesLeft(): Promise<unknown> {
  const { pin } = (await document(0, `pin retries --device ${device}`, "fido-pin-retries")) as { pin: unknown };
  return pin;
}

async function withPin(): Promise<void> {
  await gets(0, `pin set --device ${device} --new-pin env:FPIN`);
}

describe("nothing is touched unasked", () => {
  test.each([
    "list",
    "info",
    "pin retries",
    "pin set --new-pin env:FPIN",
    "pin change --fido-pin env:FPIN --new-pin env:FNEW",
  ])("fido %s without --device, and with none: exit 3 and what to add", async (argv) => {
    for (const none of ["", " --device none"]) {
      const { stderr, stdout } = await gets(3, argv + none);
      expect(stdout).toBe("");
      expect(stderr).toContain("no authenticator is named, so none was touched");
      expect(stderr).toContain("--device auto");
      const error = await document(3, argv + none, "error");
      expect(error).toMatchObject({ error: { kind: "device", code: "AUTHENTICATOR_NOT_NAMED" } });
    }
  });

  test("$HSMADM_DEVICE names it too", async () => {
    await gets(0, "info", { env: { ...env, HSMADM_DEVICE: device } });
  });

  test("what is no authenticator is refused before anything is opened", async () => {
    await gets(7, "info --device sim:hsm");
    await officer.gets(7, `pin status --device ${device}`, { env });
    await gets(2, "info --device fido:");
    await gets(2, `info --device ${device},sim-fido:other`);
    expect((await gets(0, "list --device sim-fido:seen")).stdout).not.toContain(device);
  });
});

describe("fido info", () => {
  test("says what it is, that it is simulated, and what to do", async () => {
    const { stdout } = await gets(0, `info --device ${device}`);
    expect(stdout).toContain("SIMULATED");
    expect(stdout).toContain("it can open vaults (hmac-secret)");
    expect(stdout).toContain("`hsmadm fido pin set`");
    const told = await document(0, `info --device ${device}`, "fido-info");
    expect(told).toMatchObject({
      authenticator: { device, simulated: true, aaguid: "68736d61-646d-2073-696d-756c61746564" },
      hmacSecret: true,
      pin: { state: "unset", triesLeft: null, minLength: 4 },
      uv: { state: "unsupported" },
    });
  });
});

describe("fido pin", () => {
  test("set, then change, each with tries left told", async () => {
    expect(await triesLeft()).toEqual({ state: "unset", triesLeft: null });
    await document(0, `pin set --device ${device} --new-pin env:FPIN --dry-run`, "fido-pin-set");
    expect(await triesLeft()).toEqual({ state: "unset", triesLeft: null });
    await document(0, `pin set --device ${device} --new-pin env:FPIN`, "fido-pin-set");
    expect(await triesLeft()).toEqual({ state: "ready", triesLeft: 8 });
    await document(
      0,
      `pin change --device ${device} --fido-pin env:FWRONG --new-pin env:FNEW --dry-run`,
      "fido-pin-change",
    );
    expect(await triesLeft()).toEqual({ state: "ready", triesLeft: 8 });
    await document(0, `pin change --device ${device} --fido-pin env:FPIN --new-pin env:FNEW`, "fido-pin-change");
    await gets(4, `pin change --device ${device} --fido-pin env:FPIN --new-pin env:FNEW`);
    await gets(0, `pin change --device ${device} --fido-pin env:FNEW --new-pin env:FPIN`);
  });

  test("a PIN that is there is not set again, one that is not there is not changed", async () => {
    const missing = await document(5, `pin change --device ${device} --fido-pin env:FPIN --new-pin env:FNEW`, "error");
    expect(missing).toMatchObject({ error: { code: "FIDO_PIN_NOT_SET" } });
    await withPin();
    const there = await document(8, `pin set --device ${device} --new-pin env:FNEW`, "error");
    expect(there).toMatchObject({ error: { code: "FIDO_PIN_EXISTS", advice: expect.stringContaining("pin change") } });
  });

  test("a wrong one says the real cause and the tries left", async () => {
    await withPin();
    const { stderr } = await gets(4, `pin change --device ${device} --fido-pin env:FWRONG --new-pin env:FNEW`);
    expect(stderr).toContain("wrong PIN");
    expect(stderr).toContain("7 tries left");
    const error = await document(4, `pin change --device ${device} --fido-pin env:FWRONG2 --new-pin env:FNEW`, "error");
    expect(error).toMatchObject({ error: { code: "FIDO_PIN_WRONG", kind: "authentication", triesLeft: 6 } });
    expect(await triesLeft()).toMatchObject({ triesLeft: 6 });
  });

  test("the last try is guarded, unless --min-tries gives it up; --yes does not", async () => {
    await withPin();
    const change = `pin change --device ${device} --new-pin env:FNEW`;
    for (let left = 7; left >= 1; left--) {
      const { stderr } = await gets(4, `${change} --fido-pin env:FWRONG`);
      expect(stderr).toContain(`${left} ${left === 1 ? "try" : "tries"} left`);
    }
    const before = await triesLeft();
    expect(before).toEqual({ state: "ready", triesLeft: 1 });
    for (const extra of ["", " --yes", " --min-tries 1"]) {
      const { stderr } = await gets(5, `${change} --fido-pin env:FPIN${extra}`);
      expect(stderr).toContain("NOT sent");
      expect(await triesLeft()).toEqual(before);
    }
    await gets(0, `${change} --fido-pin env:FPIN --min-tries 0`);
    expect(await triesLeft()).toEqual({ state: "ready", triesLeft: 8 });
  });

  test("a blocked one says so, in info too", async () => {
    await withPin();
    const change = `pin change --device ${device} --new-pin env:FNEW --min-tries 0`;
    for (let i = 0; i < 7; i++) await gets(4, `${change} --fido-pin env:FWRONG`);
    await gets(6, `${change} --fido-pin env:FWRONG`);
    const { stderr } = await gets(6, `${change} --fido-pin env:FPIN`);
    expect(stderr).toContain("blocked");
    expect(await triesLeft()).toEqual({ state: "blocked", triesLeft: 0 });
    expect((await gets(0, `info --device ${device}`)).stdout).toContain("only a reset helps");
  });

  test("a malformed one is refused on the host, before the authenticator is opened", async () => {
    await gets(2, `pin set --device ${device} --new-pin env:SHORT`);
    await gets(2, `pin change --device ${device} --fido-pin env:SHORT --new-pin env:FNEW`);
    await gets(2, `pin set --device ${device} --new-pin ${pins.FPIN}`);
    expect((await gets(0, "list --device sim-fido:seen")).stdout).not.toContain(device);
  });

  test("on a terminal: a new one is asked for twice, the current one with what is at stake", async () => {
    const setting = new TypingPerson(pins.SHORT, pins.FPIN, pins.FPIN);
    const { stderr } = await gets(0, `pin set --device ${device}`, { person: setting });
    expect(setting.left).toBe(0);
    expect(stderr).toContain("once more");
    expect(setting.prompts[1]).toBe(
      `${device}, SIMULATED: new FIDO2 PIN (4 to 63 characters; forgotten, only a reset helps, which destroys every credential): `,
    );
    const changing = new TypingPerson(pins.FPIN, pins.FNEW, pins.FNEW);
    await gets(0, `pin change --device ${device}`, { person: changing });
    expect(changing.prompts[0]).toBe(`${device}, SIMULATED: FIDO2 PIN (8 tries left, a wrong one costs one): `);
    const slipping = new TypingPerson(pins.FNEW, pins.FPIN, pins.FNEW, "");
    const differ = await gets(10, `pin change --device ${device}`, { person: slipping });
    expect(differ.stderr).toContain("not the same the second time");
    const giving = new TypingPerson("");
    await gets(10, `pin change --device ${device}`, { person: giving });
    expect(await triesLeft()).toEqual({ state: "ready", triesLeft: 8 });
    await gets(2, `pin change --device ${device} --no-input`);
  });
});

describe("recordings", () => {
  test("hold no secret, and replay", async () => {
    await withPin();
    const trace = world.path("change.apdu");
    const change = "pin change --fido-pin env:FPIN --new-pin env:FNEW";
    await gets(0, `${change} --device ${device} --trace ${trace}`);
    const text = readFileSync(trace, "utf8");
    expect(text).toContain("clientPIN changePIN");
    expect(text).toContain("**");
    await gets(0, `${change} --device trace:${trace}`);
    await gets(9, `pin retries --device trace:${trace}`);
    const info = world.path("info.apdu");
    const shown = await gets(0, `info --device ${device} --trace ${info}`);
    const replayed = await gets(0, `info --device trace:${info}`);
    expect(replayed.stdout).toContain("PIN            8 tries left");
    expect(shown.stdout.split("\n").slice(2)).toEqual(expect.arrayContaining(replayed.stdout.split("\n").slice(2, 10)));
  });

  test("are told in words, and nothing is left to redact", async () => {
    const trace = world.path("change.apdu");
    const { stdout } = await officer.gets(0, `trace show ${trace}`);
    expect(stdout).toMatch(/clientPIN changePIN +9000/);
    expect(stdout).toContain("authenticatorGetInfo");
    expect(stdout).not.toContain("unknown command");
    const redacted = await officer.gets(0, `trace redact ${trace}`);
    expect(redacted.stdout).toBe(readFileSync(trace, "utf8"));
  });

  test("none is left behind when no authenticator was reached", async () => {
    const trace = world.path("none.apdu");
    await gets(7, `info --device sim:x --trace ${trace}`);
    expect(() => statSync(trace)).toThrow();
  });
});

test("several at once are listed, each with a row", async () => {
  const { stdout } = await gets(0, `list --device ${device},sim-fido:second`);
  expect(stdout.trimEnd().split("\n")).toHaveLength(3);
  const told = await document(0, `list --device ${device}`, "fido-list");
  expect(told).toMatchObject({
    authenticators: [{ device, pin: { state: "unset" }, hmacSecret: true, problem: null }],
  });
});

test("no PIN in anything that was printed or kept", () => {
  for (const pin of [pins.FPIN, pins.FNEW, pins.FWRONG, pins.FWRONG2]) expect(world.printed).not.toContain(pin);
  for (const name of ["change.apdu", "info.apdu"]) {
    const text = readFileSync(world.path(name), "utf8");
    for (const pin of Object.values(pins)) {
      expect(text).not.toContain(pin);
      expect(text.replaceAll(" ", "")).not.toContain(Buffer.from(pin).toString("hex").toUpperCase());
    }
  }
});
