import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  listAuthenticators,
  openAuthenticatorFile,
  resetAuthenticator,
} from "../../../src/simulator/fido2/authenticator-store.ts";
import { world } from "./support/client.ts";
import { LockClient, lockPin } from "./support/lock-client.ts";

const hostKey = new Uint8Array(32).fill(0x71);
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hsmadm-pico-store-"));
  path = join(folder, "demo.fido2");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** One program after the other, with the authenticator plugged in all the time, or not. */
async function program<T>(work: (client: LockClient) => Promise<T>, powerCycled = false): Promise<T> {
  const profile = "pico-fido-5.12";
  const channel = await openAuthenticatorFile(path, { world: world(), create: true, profile, powerCycled });
  try {
    return await work(new LockClient(channel.token));
  } finally {
    await channel.close();
  }
}

const backupStatus = (client: LockClient) => client.save().then(({ status }) => status);
const file = () => JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;

test("an authenticator that is unlocked stays so for the next program, until it is unplugged", async () => {
  await program(async (client) => {
    expect(await client.setPin(lockPin)).toBe(0);
    expect(await client.enable(hostKey)).toBe(0);
  });
  expect(file()["masterKey"]).toBe("");
  expect(file()["lockMemory"]).toBeUndefined();
  expect(await program(backupStatus)).toBe(0x33);
  expect(await program((client) => client.unlock(hostKey))).toBe(0);
  expect(await program(backupStatus)).toBe(0);
  expect(await program(backupStatus)).toBe(0);
  expect(await program(backupStatus, true)).toBe(0x33);
  expect(await program(backupStatus)).toBe(0x33);
  expect(file()["lockMemory"]).toBeUndefined();
});

test("after a disable too, with zeros in memory", async () => {
  await program(async (client) => {
    await client.setPin(lockPin);
    await client.enable(hostKey);
    await client.unlock(hostKey);
    expect(await client.disable()).toBe(0);
  });
  const saved = await program((client) => client.save());
  expect([saved.status, saved.blob.length]).toEqual([0, 0]);
  expect(await program(backupStatus, true)).toBe(0x33);
});

test("a wrong key in between is remembered as well: what it made of the key in memory", async () => {
  await program(async (client) => {
    await client.setPin(lockPin);
    await client.enable(hostKey);
    await client.unlock(hostKey);
  });
  expect(await program((client) => client.unlock(hostKey.map((byte) => byte ^ 1)))).toBe(2);
  expect(file()["lockMemory"]).toBe("00".repeat(32));
});

test("is listed while it is locked, and new after the simulator's reset", async () => {
  await program(async (client) => {
    await client.setPin(lockPin);
    await client.enable(hostKey);
    await client.unlock(hostKey);
  });
  expect(listAuthenticators(folder)).toMatchObject([{ profile: "pico-fido-5.12", pinSet: true, problem: null }]);
  await resetAuthenticator(path, world());
  expect(file()["lockMemory"]).toBeUndefined();
  expect(await program(backupStatus)).toBe(0x33);
});

test.each([
  ["a master key beside a sealed one", { sealedKey: "00".repeat(60) }],
  ["neither", { masterKey: "" }],
  ["a memory of another length", { lockMemory: "5ec2e7" }],
])("%s: not opened, and left as it was", async (_, change) => {
  await program((client) => client.setPin(lockPin));
  const content = JSON.stringify({ ...file(), ...change });
  writeFileSync(path, content);
  await expect(program(backupStatus)).rejects.toMatchObject({
    code: "TOKEN_FILE_INVALID",
    message: expect.not.stringContaining("5ec2e7"),
  });
  expect(readFileSync(path, "utf8")).toBe(content);
});
