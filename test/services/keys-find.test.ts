import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { algorithmIds } from "../../src/cards/smartcard-hsm/keys/algorithms.ts";
import type { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { findKey } from "../../src/services/keys/keys-find.ts";
import { fileKeyMemory, noKeyMemory } from "../../src/services/keys/keys-memory.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { openOn, PulledCard } from "./pulled-card.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-keys-"));
afterAll(() => rmSync(folder, { recursive: true }));
const userPin = utf8Bytes("648219");
let files = 0;

interface Scene {
  readonly token: SimulatedToken;
  readonly memory: ReturnType<typeof fileKeyMemory>;
  readonly path: string;
}

async function scene(profile: "genuine" | "pico" = "genuine"): Promise<Scene> {
  const token = SimulatedToken.create(repeatableWorld(`find ${profile}`), { profile });
  const card = await openOn(new PulledCard(token));
  await card.initialize({ soPin: fromHex("3537363231383830"), userPin, dkek: { kind: "none" } });
  await card.verifyUserPin(userPin);
  await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "one", id: fromHex("A1") });
  await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "two", id: fromHex("A2") });
  await card.generateAesKey({ bits: 256, label: "aes" });
  const path = join(folder, `keys-${files++}.json`);
  return { token, path, memory: fileKeyMemory(path) };
}

/** What finding a key costs on a new connection, the identity apart. */
async function exchanges({ token, memory }: Scene, name: string): Promise<[ref: number, cost: number]> {
  const channel = new PulledCard(token);
  const card = await openOn(channel);
  await card.identity();
  const before = channel.sent.length;
  const { ref } = await findKey(card, name, memory);
  return [ref, channel.sent.length - before];
}

/** Another program at work, that knows nothing of our memory. */
async function elsewhere({ token }: Scene, work: (card: SmartCardHsm) => Promise<unknown>): Promise<void> {
  const card = await openOn(new PulledCard(token));
  await card.verifyUserPin(userPin);
  await work(card);
}

describe("findKey", () => {
  test("lists once; after that reads the two files of the key, one of an AES key", async () => {
    const here = await scene();
    expect(await exchanges(here, "two")).toEqual([2, 1 + 2 + 2 + 1 + 1]);
    expect(await exchanges(here, "two")).toEqual([2, 2]);
    expect(await exchanges(here, "A2")).toEqual([2, 2]);
    // Its limits were not asked for yet.
    expect(await exchanges(here, "ref:1")).toEqual([1, 3]);
    expect(await exchanges(here, "one")).toEqual([1, 2]);
    expect(await exchanges(here, "aes")).toEqual([3, 2]);
    expect(await exchanges(here, "aes")).toEqual([3, 1]);
    expect(statSync(here.path).mode & 0o777).toBe(0o600);
  });

  test("a key that was renamed, deleted or made anew elsewhere is never taken for the remembered one", async () => {
    const here = await scene();
    await exchanges(here, "one");
    await elsewhere(here, (card) => card.renameKey(1, "uno"));
    await expect(exchanges(here, "one")).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    expect((await exchanges(here, "uno"))[0]).toBe(1);

    await elsewhere(here, (card) => card.deleteKey(1));
    await expect(exchanges(here, "uno")).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });

    await exchanges(here, "two");
    const old = (await findKey(await openOn(new PulledCard(here.token)), "two", noKeyMemory)).publicKey;
    await elsewhere(here, async (card) => {
      await card.deleteKey(2);
      const type = { kind: "ec", curve: "secp256r1" } as const;
      await card.generateKeyPair({ type, label: "two", id: fromHex("A2"), ref: 2, algorithms: [algorithmIds.ecdh] });
    });
    const found = await findKey(await openOn(new PulledCard(here.token)), "two", here.memory);
    expect(found.publicKey).not.toEqual(old);
    expect(found.metadata?.algorithms).toEqual([algorithmIds.ecdh]);
  });

  test("a use counter is asked for each time", async () => {
    const here = await scene();
    const type = { kind: "ec", curve: "secp256r1" } as const;
    await elsewhere(here, (card) => card.generateKeyPair({ type, label: "few", useCounter: 2 }));
    const find = async () => findKey(await openOn(new PulledCard(here.token)), "few", here.memory);
    expect((await find()).metadata?.usesLeft).toBe(2);
    const key = await find();
    await elsewhere(here, (card) => card.sign(key, { scheme: "ecdsa", hash: "sha256" }, utf8Bytes("x")));
    expect((await find()).metadata?.usesLeft).toBe(1);
  });

  test("memory that is damaged, foreign or forgotten costs a list, nothing else", async () => {
    const here = await scene();
    await exchanges(here, "two");
    const good = readFileSync(here.path, "utf8");
    const damaged = ["", "{}", "null", good.slice(0, 40), good.replaceAll('"digest": "', '"digest": "0')];
    for (const text of [
      ...damaged,
      good.replaceAll('"ref": 2', '"ref": 777'),
      good.replace('"version": 1', '"version": 2'),
    ]) {
      writeFileSync(here.path, text);
      expect((await exchanges(here, "two"))[0]).toBe(2);
    }
    // Names one key in the memory, another on the token: the token is right.
    writeFileSync(
      here.path,
      good.replace('"label": "one"', '"label": "two"').replace('"label": "two"', '"label": "one"'),
    );
    expect((await exchanges(here, "two"))[0]).toBe(2);
    await here.memory.forget((await (await openOn(new PulledCard(here.token))).identity()).key);
    expect(await exchanges(here, "two")).toEqual([2, 7]);
  });

  test("candidates are those on the token", async () => {
    const here = await scene("pico");
    await exchanges(here, "one");
    const type = { kind: "ec", curve: "secp256r1" } as const;
    await elsewhere(here, (card) => card.renameKey(2, "one"));
    await elsewhere(here, (card) => card.deleteKey(1));
    await elsewhere(here, (card) => card.generateKeyPair({ type, label: "one" }));
    await expect(exchanges(here, "one")).rejects.toMatchObject({ code: "KEY_AMBIGUOUS" });
  });
});
