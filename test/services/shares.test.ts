import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { combineShares, keyCheckValue, xorShares } from "../../src/crypto/shares/dkek.ts";
import { HsmError } from "../../src/errors.ts";
import { initialiseToken } from "../../src/services/provisioning.ts";
import { fileShareMemory } from "../../src/services/shares/share-memory.ts";
import { importShares, type NamedShare } from "../../src/services/shares/shares.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { openOn, PulledCard, type PulledWhen } from "./pulled-card.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-import-"));
afterAll(() => rmSync(folder, { recursive: true }));
const pin = new TextEncoder().encode("648219");
const soPin = fromHex("3537363231383830");
let count = 0;

function newMemory() {
  return fileShareMemory(join(folder, `${count++}.json`));
}

function named(name: string, share: Uint8Array): NamedShare {
  return { name, share };
}

const a = named("a", new Uint8Array(32).fill(0xa5));
const b = named("b", new Uint8Array(32).fill(0x3c));
const c = named("c", new Uint8Array(32).fill(0x77));

async function tokenFor(shares: number, profile: "genuine" | "pico" = "genuine"): Promise<SimulatedToken> {
  const token = SimulatedToken.create(repeatableWorld(profile), { profile });
  const settings = { soPin, userPin: pin, dkek: { kind: "shares", shares } } as const;
  await initialiseToken(await openOn(new PulledCard(token)), { label: "demo", settings });
  return token;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: unknown) => (error instanceof HsmError ? error.code : String(error)),
  );
}

describe.each(["genuine", "pico"] as const)("%s", (profile) => {
  describe.each<PulledWhen>(["before", "after"])("unplugged %s the card has worked on an exchange", (when) => {
    test("at every exchange: every share is given again, and the DKEK is the right one", async () => {
      const whole = new PulledCard(await tokenFor(3, profile));
      await importShares(await openOn(whole), { shares: [a, b, c], domain: 0, memory: newMemory() });
      const shares = [a, b, c];
      const wanted = toHex(keyCheckValue(combineShares(shares.map(({ share }) => share))));
      expect(whole.sent.length).toBeGreaterThan(4);
      for (let at = 0; at < whole.sent.length; at++) {
        const token = await tokenFor(3, profile);
        const memory = newMemory();
        const pulled = openOn(new PulledCard(token, { at, when }));
        await codeOf(pulled.then((card) => importShares(card, { shares, domain: 0, memory })));
        const again: string[] = [];
        for (const share of shares) {
          const card = await openOn(new PulledCard(token));
          again.push(await codeOf(importShares(card, { shares: [share], domain: 0, memory })));
        }
        expect(again.every((code) => ["done", "DKEK_SHARE_TWICE", "SHARE_NOT_EXPECTED"].includes(code))).toBe(true);
        const card = await openOn(new PulledCard(token));
        await card.verifyUserPin(pin);
        expect(await card.keyDomain(0), `pulled at ${at}`).toMatchObject({ state: "complete", kcv: wanted });
      }
    });
  });
});

describe("importShares", () => {
  test("says how many went in before it failed", async () => {
    const token = await tokenFor(3);
    const whole = new PulledCard(token, { at: 4, when: "before" });
    const failure = importShares(await openOn(whole), { shares: [a, b], domain: 0 });
    await expect(failure).rejects.toMatchObject({ message: expect.stringContaining("1 of 2 shares went in, then") });
  });

  test("nothing is sent when the memory cannot be kept", async () => {
    const token = await tokenFor(2);
    const memory = {
      knows: async () => false,
      forget: async () => undefined,
      note: () => Promise.reject(new Error("full")),
    };
    await expect(
      importShares(await openOn(new PulledCard(token)), { shares: [a], domain: 0, memory }),
    ).rejects.toThrow();
    expect(await (await openOn(new PulledCard(token))).keyDomain(0)).toMatchObject({ outstanding: 2 });
  });

  test("shares that cancel each other are refused before anything is sent", async () => {
    const token = await tokenFor(3);
    const sum = named("sum", xorShares([a.share, b.share]));
    expect(await codeOf(importShares(await openOn(new PulledCard(token)), { shares: [a, b, sum], domain: 0 }))).toBe(
      "DKEK_ZERO",
    );
    const zero = named("zero", new Uint8Array(32));
    expect(await codeOf(importShares(await openOn(new PulledCard(token)), { shares: [zero], domain: 0 }))).toBe(
      "DKEK_SHARE_ZERO",
    );
    expect(await (await openOn(new PulledCard(token))).keyDomain(0)).toMatchObject({ outstanding: 3 });
  });

  test("property: any shares in any order give the DKEK that is their XOR", async () => {
    const shares = fc.uniqueArray(
      fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((bytes) => bytes.some(Boolean)),
      {
        minLength: 1,
        maxLength: 4,
        selector: toHex,
      },
    );
    await fc.assert(
      fc.asyncProperty(shares, fc.nat(), async (all, turn) => {
        fc.pre(xorShares(all).some(Boolean));
        const turned = all.map((_, i) => all[(i + turn) % all.length] as Uint8Array);
        const card = await openOn(new PulledCard(await tokenFor(all.length)));
        const { state } = await importShares(card, { shares: turned.map((one, i) => named(`${i}`, one)), domain: 0 });
        expect(state.kcv).toBe(toHex(keyCheckValue(combineShares(all))));
      }),
      { numRuns: 20 },
    );
  });
});
