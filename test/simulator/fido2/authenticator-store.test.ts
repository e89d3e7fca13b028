import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import {
  listAuthenticators,
  openAuthenticatorFile,
  removeAuthenticator,
  resetAuthenticator,
} from "../../../src/simulator/fido2/authenticator-store.ts";
import { listTokens } from "../../../src/simulator/token-store.ts";
import { Client, permission, world } from "./support/client.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hsmadm-fido-store-"));
  path = join(folder, "demo.fido2");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function session<T>(work: (client: Client) => Promise<T>, create = true): Promise<T> {
  const channel = await openAuthenticatorFile(path, { world: world(), create });
  try {
    return await work(new Client(channel.token));
  } finally {
    await channel.close();
  }
}

describe("an authenticator file", () => {
  test("keeps PIN, tries and credentials from process to process", async () => {
    const { id } = await session(async (client) => {
      await client.setPin("1234");
      await client.token("9999", permission.use);
      return client.make([[7, new Map([["rk", true]])]], (await client.token("1234", permission.make)).token);
    });
    const before = await session(async (client) => toHex((await client.secret(id)).output));
    await session((client) => client.token("9999", permission.use), false);
    expect(await session((client) => client.retries())).toEqual([7, false]);
    expect(await session(async (client) => toHex((await client.secret(id)).output))).toBe(before);
    expect(await session(async (client) => (await client.assert([])).status)).toBe(0x00);
  });

  test("is for its owner only, says what it is, and nothing is left beside it", async () => {
    await session((client) => client.setPin("1234"));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["demo.fido2"]);
    const state = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    expect([state["format"], state["version"]]).toEqual(["hsmadm simulated authenticator", 1]);
    expect(state["warning"]).toMatch(/^SIMULATED/);
  });

  test("has a wrong try in it before the answer comes", async () => {
    await session(async (client) => {
      await client.setPin("1234");
      await client.token("9999", permission.use);
      expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pin: { triesLeft: 7 } });
    });
  });

  test("is held by one at a time", async () => {
    const channel = await openAuthenticatorFile(path, { world: world(), create: true });
    expect([channel.where, toHex(channel.atr)]).toEqual(["sim-fido:demo", "3BF81800008131FE4553494D4649444F328A"]);
    await expect(openAuthenticatorFile(path, { world: world() })).rejects.toMatchObject({ code: "SHARING_VIOLATION" });
    await expect(resetAuthenticator(path, world())).rejects.toMatchObject({ code: "SHARING_VIOLATION" });
    await channel.close();
    await session(async () => undefined, false);
  });

  test("is made only when asked for, with the profile asked for, which it keeps", async () => {
    await expect(openAuthenticatorFile(path, { world: world() })).rejects.toMatchObject({ code: "TOKEN_UNKNOWN" });
    await expect(removeAuthenticator(path)).rejects.toMatchObject({ code: "TOKEN_UNKNOWN", kind: "device" });
    await (await openAuthenticatorFile(path, { world: world(), create: true, profile: "applet" })).close();
    expect(await session((client) => client.option("up"))).toBe(false);
    await resetAuthenticator(path, world("other"));
    expect(await session((client) => client.option("up"))).toBe(false);
  });

  test("stands beside a simulated HSM of the same name, each in its own list", async () => {
    await session((client) => client.setPin("1234"));
    expect(listTokens(folder)).toEqual([]);
    expect(listAuthenticators(folder)).toEqual([
      { name: "demo", path, profile: "standard", pinSet: true, problem: null },
    ]);
    expect(listAuthenticators(join(folder, "none"))).toEqual([]);
  });

  test("reset: another master key, no PIN; removed: gone", async () => {
    const { id } = await session((client) => client.make());
    const client = await session(async (one) => one.authenticator.serialize());
    await resetAuthenticator(path, world("other"));
    expect(JSON.parse(readFileSync(path, "utf8")).masterKey).not.toBe(client.masterKey);
    expect(await session(async (one) => (await one.assert([id])).status)).toBe(0x2e);
    await removeAuthenticator(path);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a file that is no authenticator", () => {
  const state = () => JSON.parse(JSON.stringify(SimulatedAuthenticator.create(world()).serialize()));
  test.each([
    ["is empty", ""],
    ["is no JSON", "{"],
    ["is a simulated HSM's", JSON.stringify({ format: "hsmadm simulated token", version: 1 })],
    ["is of a version to come", JSON.stringify({ ...state(), version: 2 })],
    ["is of another profile", JSON.stringify({ ...state(), profile: "quick" })],
    ["has a short master key", JSON.stringify({ ...state(), masterKey: "5ec2e7" })],
    ["has nine tries left", JSON.stringify({ ...state(), pin: { hash: "00".repeat(16), triesLeft: 9 } })],
    ["has a PIN without a hash", JSON.stringify({ ...state(), pin: { triesLeft: 8 } })],
    ["has a credential of nobody", JSON.stringify({ ...state(), residents: [{ id: "00", user: { id: "00" } }] })],
    ["lost its credentials", JSON.stringify({ ...state(), residents: undefined })],
    ["is undecided", JSON.stringify({ ...state(), alwaysUv: "perhaps" })],
  ])("because it %s is refused with a reason and left as it was", async (_, content) => {
    writeFileSync(path, content);
    await expect(openAuthenticatorFile(path, { world: world(), create: true })).rejects.toMatchObject({
      code: "TOKEN_FILE_INVALID",
      kind: "check-failed",
      message: expect.not.stringContaining("5ec2e7"),
      advice: expect.stringContaining("left as it is"),
    });
    expect(readFileSync(path, "utf8")).toBe(content);
    expect(readdirSync(folder)).toEqual(["demo.fido2"]);
    const [listed] = listAuthenticators(folder);
    expect(listed).toMatchObject({ name: "demo", pinSet: null, problem: expect.any(String) });
    await removeAuthenticator(path);
  });
});
