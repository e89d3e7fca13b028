import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { listTokens, openTokenFile, removeToken, resetToken } from "../../src/simulator/token-store.ts";
import { initialize, selectApplet, soPin, verifyPin } from "./support/token.ts";

const world = () => repeatableWorld("store");
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hsmadm-store-"));
  path = join(folder, "demo.json");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function session(...commands: readonly string[]): Promise<string[]> {
  const channel = await openTokenFile(path, { world: world(), create: true });
  const answers: string[] = [];
  for (const command of [selectApplet, ...commands]) answers.push(toHex(await channel.transceive(fromHex(command))));
  await channel.close();
  return answers.slice(1);
}

describe("a token file", () => {
  test("keeps everything from process to process, and nobody logged in", async () => {
    expect(await session("00200081", initialize(), verifyPin)).toEqual(["6A88", "9000", "9000"]);
    expect(await session("00200081", "0020008106303030303030")).toEqual(["63C3", "63C2"]);
    expect(await session("00200081")).toEqual(["63C2"]);
  });

  test("is for its owner only, and so is its folder; nothing else is left beside it", async () => {
    path = join(folder, "simulator", "demo.json");
    await session(initialize());
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "simulator")).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(folder, "simulator"))).toEqual(["demo.json"]);
  });

  test("is not taken in by what a crash left", async () => {
    await session(initialize());
    writeFileSync(`${path}.new`, '{"format":', { mode: 0o644 });
    expect(await session("0020008106303030303030")).toEqual(["63C2"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["demo.json"]);
  });

  test("that cannot be made says so", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(openTokenFile(join(folder, "file", "a.json"), { world: world(), create: true })).rejects.toMatchObject(
      {
        code: "TOKEN_FILE_UNUSABLE",
        kind: "service",
      },
    );
  });

  test("says what it is", async () => {
    await session();
    const state = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    expect(state["warning"]).toMatch(/^SIMULATED/);
    const { where, atr } = await openTokenFile(path, { world: world() });
    expect([where, toHex(atr)]).toEqual(["sim:demo", "3BDE18FF8191FE1FC38031815448534D317380214081071C"]);
  });

  test("holds a wrong try before the answer comes", async () => {
    await session(initialize());
    const channel = await openTokenFile(path, { world: world() });
    await channel.transceive(fromHex(selectApplet));
    const attempt = channel.transceive(fromHex("0020008106303030303030"));
    await attempt;
    expect((JSON.parse(readFileSync(path, "utf8")) as { userPin: { triesLeft: number } }).userPin.triesLeft).toBe(2);
    await channel.close();
  });

  test("is made only when asked for", async () => {
    await expect(openTokenFile(path, { world: world() })).rejects.toMatchObject({
      code: "TOKEN_UNKNOWN",
      kind: "device",
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("each has a serial of its own", async () => {
    const serials = ["a", "b"].map((seed) => SimulatedToken.create(repeatableWorld(seed), { profile: "genuine" }));
    const [a, b] = serials.map((token) => token.state.device?.chr);
    expect(a).toMatch(/^UTSIM[A-Z2-9]{6}00000$/);
    expect(a).not.toBe(b);
  });
});

describe("a file that is no token", () => {
  const state = () => JSON.parse(JSON.stringify(SimulatedToken.create(world(), { profile: "genuine" }).serialize()));
  test.each([
    ["is empty", ""],
    ["is no JSON", "{"],
    ["is another program's", '{"name":"hsmadm"}'],
    ["is of a version to come", JSON.stringify({ format: "hsmadm simulated token", version: 2 })],
    ["is cut off", JSON.stringify(state()).slice(0, 400)],
    ["has a PIN that is no hex", JSON.stringify({ ...state(), userPin: { value: "648219x", tries: 3, triesLeft: 3 } })],
    [
      "has more tries left than tries",
      JSON.stringify({ ...state(), userPin: { value: "31", tries: 3, triesLeft: 4 } }),
    ],
    ["lost its keys", JSON.stringify({ ...state(), keys: undefined })],
    ["has no device key", JSON.stringify({ ...state(), device: null })],
    ["has a file id of three digits", JSON.stringify({ ...state(), files: { "2F0": "" } })],
  ])("because it %s is refused with a reason and left as it was", async (_, content) => {
    writeFileSync(path, content);
    await expect(openTokenFile(path, { world: world(), create: true })).rejects.toMatchObject({
      code: "TOKEN_FILE_INVALID",
      kind: "check-failed",
      message: expect.not.stringContaining("648219"),
    });
    expect(readFileSync(path, "utf8")).toBe(content);
    expect(readdirSync(folder)).toEqual(["demo.json"]);
    expect(listTokens(folder)).toMatchObject([{ name: "demo", serial: null, problem: expect.stringMatching(/./) }]);
  });

  test("because it is no file that can be read says so", async () => {
    // A folder of that name: the one thing that root cannot read as a file either.
    mkdirSync(path);
    await expect(openTokenFile(path, { world: world() })).rejects.toMatchObject({ code: "TOKEN_FILE_UNUSABLE" });
  });
});

describe("two at one token", () => {
  test("in one process: the second is refused until the first gave it back", async () => {
    const first = await openTokenFile(path, { world: world(), create: true });
    await expect(openTokenFile(path, { world: world() })).rejects.toMatchObject({
      code: "SHARING_VIOLATION",
      message: expect.stringContaining(String(process.pid)),
    });
    await expect(removeToken(path)).rejects.toMatchObject({ code: "SHARING_VIOLATION" });
    await first.close();
    await first.close();
    await (await openTokenFile(path, { world: world() })).close();
  });

  test("the lock of a living process is respected", async () => {
    await session();
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, began: null }));
    await expect(openTokenFile(path, { world: world() })).rejects.toMatchObject({ code: "SHARING_VIOLATION" });
  });

  test.each([
    ["of a dead process", () => JSON.stringify({ pid: spawnSync("true").pid, began: null })],
    ["of another process that had this id", () => JSON.stringify({ pid: process.ppid, began: "1" })],
    ["that was cut off", () => '{"pid":'],
  ])("a lock %s is taken over", async (_, content) => {
    await session();
    writeFileSync(`${path}.lock`, content());
    const channel = await openTokenFile(path, { world: world() });
    expect(JSON.parse(readFileSync(`${path}.lock`, "utf8"))).toMatchObject({ pid: process.pid });
    await channel.close();
    expect(readdirSync(folder)).toEqual(["demo.json"]);
  });
});

describe("the list of tokens", () => {
  test("tells name, serial, profile and state", async () => {
    await session(initialize());
    await (await openTokenFile(join(folder, "other.json"), { world: world(), profile: "pico", create: true })).close();
    expect(listTokens(folder)).toMatchObject([
      {
        name: "demo",
        serial: expect.stringMatching(/^UTSIM.{6}$/),
        profile: "genuine",
        initialised: true,
        problem: null,
      },
      { name: "other", serial: null, profile: "pico", initialised: false, problem: null },
    ]);
    expect(listTokens(join(folder, "nowhere"))).toEqual([]);
  });

  test("reset makes a token new, with another serial", async () => {
    await session(initialize());
    const [before] = listTokens(folder);
    await resetToken(path, { world: repeatableWorld("again") });
    const [after] = listTokens(folder);
    expect(after).toMatchObject({ initialised: false, profile: "genuine" });
    expect(after?.serial).not.toBe(before?.serial);
    await expect(resetToken(join(folder, "no.json"), { world: world() })).rejects.toMatchObject({
      code: "TOKEN_UNKNOWN",
    });
  });

  test("remove deletes it, broken or not", async () => {
    await session();
    await removeToken(path);
    writeFileSync(path, "broken");
    await removeToken(path);
    expect(readdirSync(folder)).toEqual([]);
    await expect(removeToken(path)).rejects.toMatchObject({ code: "TOKEN_UNKNOWN" });
  });
});

describe("the channel", () => {
  test("takes one command at a time, and none after close", async () => {
    const channel = await openTokenFile(path, { world: world(), create: true });
    const first = channel.transceive(fromHex(selectApplet));
    await expect(channel.transceive(fromHex(selectApplet))).rejects.toMatchObject({ code: "CHANNEL_BUSY" });
    await first;
    await channel.close();
    await expect(channel.transceive(fromHex(selectApplet))).rejects.toMatchObject({ code: "CHANNEL_CLOSED" });
  });

  test("keeps the token until a command at work is done and saved", async () => {
    await session(initialize());
    const channel = await openTokenFile(path, { world: world() });
    await channel.transceive(fromHex(selectApplet));
    const attempt = channel.transceive(fromHex(`0020008808${soPin.slice(0, 14)}31`));
    await channel.close();
    expect(readdirSync(folder)).toContain("demo.json.lock");
    expect(toHex(await attempt)).toBe("63CE");
    expect(readdirSync(folder)).toEqual(["demo.json"]);
  });

  test("reset ends the login", async () => {
    await session(initialize());
    const channel = await openTokenFile(path, { world: world() });
    for (const command of [selectApplet, verifyPin]) await channel.transceive(fromHex(command));
    await channel.reset();
    await channel.transceive(fromHex(selectApplet));
    expect(toHex(await channel.transceive(fromHex("00200081")))).toBe("63C3");
    await channel.close();
  });
});
