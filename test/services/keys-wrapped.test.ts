import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import type { DkekState } from "../../src/cards/smartcard-hsm/token-status.ts";
import { HsmError } from "../../src/errors.ts";
import { checkDkekOf, readWrappedKey, unwrapFromFile, wrapToFile } from "../../src/services/keys/keys-wrapped.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { openOn, PulledCard, type PulledWhen } from "./pulled-card.ts";

const userPin = utf8Bytes("648219");
const vector = JSON.parse(readFileSync(new URL("../vectors/wrap_container.json", import.meta.url), "utf8")) as Record<
  "blob" | "prkd" | "ef_cexx" | "file" | "file_blob_only",
  string
>;

/** Whatever the bytes are: read, or refused with a clear error. */
function clear(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    return error instanceof HsmError && ["check-failed", "usage", "not-supported"].includes(error.kind);
  }
}

async function token(name: string): Promise<SimulatedToken> {
  const made = SimulatedToken.create(repeatableWorld(name), { profile: "genuine" });
  const card = await openOn(new PulledCard(made));
  await card.initialize({ soPin: fromHex("3537363231383830"), userPin, dkek: { kind: "shares", shares: 1 } });
  await card.verifyUserPin(userPin);
  await card.importDkekShare(new Uint8Array(32).map((_, i) => i));
  return made;
}

async function loggedIn(channel: PulledCard) {
  const card = await openOn(channel);
  await card.verifyUserPin(userPin);
  return card;
}

async function wrappedFile(): Promise<Uint8Array> {
  const card = await loggedIn(new PulledCard(await token("from")));
  await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "moved", id: fromHex("C0") });
  const key = await card.findKey("moved");
  const { content, kcv } = await wrapToFile(card, key, "token");
  expect(kcv).toBe("630DCD2966C43366");
  return content;
}

describe("files", () => {
  test("the vectors of sc-hsm-tool's file, and the bare wrapped key", () => {
    const whole = readWrappedKey(fromHex(vector.file));
    expect(whole.told).toMatchObject({ label: "mykey", kind: "ec", problems: [] });
    expect(whole).toMatchObject({ description: fromHex(vector.prkd), blob: fromHex(vector.blob) });
    for (const hex of [vector.file_blob_only, vector.blob]) {
      const alone = readWrappedKey(fromHex(hex));
      expect(alone).toMatchObject({ blob: fromHex(vector.blob), description: undefined, certificate: undefined });
      expect(alone.kcv).toBe(whole.kcv);
    }
  });

  test("any bytes are read or refused with a clear error", async () => {
    const good = await wrappedFile();
    expect(readWrappedKey(good)).toMatchObject({ kcv: "630DCD2966C43366", told: { label: "moved", kind: "ec" } });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => clear(() => readWrappedKey(bytes))));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = good.slice();
        bytes[at] = (bytes[at] ?? 0) ^ change;
        return clear(() => readWrappedKey(bytes));
      }),
      { numRuns: 2000 },
    );
    for (let length = 0; length < good.length; length++) {
      expect(clear(() => readWrappedKey(good.subarray(0, length)))).toBe(true);
    }
  });
});

describe("checkDkekOf", () => {
  const domain = (state: DkekState["state"], kcv: string | null, shares: number | null = 1): DkekState => ({
    index: 0,
    state,
    shares,
    outstanding: 0,
    kcv,
    kcvNote: null,
  });
  const kcv = "630DCD2966C43366";
  const before = { loggedIn: false };

  test("fits one of the domains, is not told yet, or is another", () => {
    expect(checkDkekOf([domain("complete", "0011223344556677"), domain("complete", kcv)], kcv, "t", before)).toBe(true);
    expect(checkDkekOf([domain("complete", null)], kcv, "t", before)).toBeNull();
    // A Pico HSM with a DKEK of its own looks like one without until somebody logs in.
    expect(checkDkekOf([domain("none", null, 0)], kcv, "t", before)).toBeNull();
    const code = (domains: DkekState[], loggedIn = true) => {
      try {
        return checkDkekOf(domains, kcv, "t", { loggedIn });
      } catch (error) {
        return (error as HsmError).code;
      }
    };
    expect(code([domain("none", null, 0)])).toBe("NO_DKEK");
    expect(code([domain("none", null, null)], false)).toBe("NO_DKEK");
    expect(code([domain("pending", null)])).toBe("NO_DKEK");
    expect(code([])).toBe("NO_DKEK");
    expect(code([domain("complete", "0011223344556677")])).toBe("KEY_BLOB_OTHER_DKEK");
  });
});

test.each<PulledWhen>(["before", "after"])(
  "unwrapping, unplugged %s an exchange: told; run again it is whole",
  async (when) => {
    const wrapped = readWrappedKey(await wrappedFile());
    const whole = new PulledCard(await token("to"));
    const first = await loggedIn(whole);
    const begin = whole.sent.length;
    await unwrapFromFile(first, wrapped, {}, "token");
    for (let at = begin; at < whole.sent.length; at++) {
      const made = await token("to");
      const card = await loggedIn(new PulledCard(made, { at, when }));
      await expect(unwrapFromFile(card, wrapped, {}, "token"), `pulled at ${at}`).rejects.toBeInstanceOf(HsmError);
      const again = await loggedIn(new PulledCard(made));
      const left = await again.listKeys();
      expect(left.length).toBeLessThanOrEqual(1);
      for (const { ref } of left) await again.deleteKey(ref);
      const { ref } = await unwrapFromFile(again, wrapped, {}, "token");
      expect(await again.readKey(ref)).toMatchObject({ label: "moved", problems: [] });
    }
  },
);
