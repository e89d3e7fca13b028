import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { buildPicoFidoBackup, checkPicoFidoBackup } from "../../../src/crypto/pico-fido/backup-file.ts";
import { newHostKey } from "../../../src/crypto/pico-fido/host-key.ts";
import { loadBackup, saveBackup } from "../../../src/services/pico-fido/backup.ts";
import { disableLock, enableLock, recordFor, unlockToken } from "../../../src/services/pico-fido/lock.ts";
import { probeLock } from "../../../src/services/pico-fido/lock-state.ts";
import { Bench, credentialOn, pin, works } from "./support/bench.ts";
import { sealedBlob } from "./support/sealed-blob.ts";

const refused = (code: string) => expect.objectContaining({ code });
const enabling = (bench: Bench, handOver: (key: Uint8Array) => Promise<void> = async () => undefined) => ({
  pin: pin.slice(),
  facts: bench.facts,
  acceptKeyChange: false,
  handOver,
});

describe("5.12, the whole way", () => {
  test("enable, plug-in, unlock, save, load into a second token: its credentials work there", async () => {
    const bench = await Bench.of("5.12");
    const token = await bench.plugged();
    const kept = await credentialOn(token);
    let hostKey = new Uint8Array(0);
    const id = await enableLock(
      token,
      bench.store,
      enabling(bench, async (key) => {
        hostKey = key.slice();
      }),
    );
    expect(await works(token, kept)).toBe(true);
    const later = await bench.replugged();
    expect(await works(later, kept)).toBe(false);
    await expect(saveBackup(later, bench.store, bench.path("b"), { overwrite: false })).rejects.toEqual(
      refused("PICO_FIDO_LOCKED"),
    );
    expect(await unlockToken(later, bench.store, { facts: bench.facts })).toEqual({ id, outcome: "unlocked" });
    expect(await saveBackup(later, bench.store, bench.path("b"), { overwrite: false })).toBe(id);
    expect(statSync(bench.path("b")).mode & 0o777).toBe(0o600);
    const file = new Uint8Array(await readFile(bench.path("b")));
    checkPicoFidoBackup(file, hostKey);

    const second = await Bench.of("5.12");
    const other = await second.plugged();
    const lost = await credentialOn(other);
    const request = { file, hostKey, facts: second.facts, acceptKeyChange: false, confirm: async () => undefined };
    expect(await loadBackup(other, second.store, request)).toBe(id);
    expect(await works(other, kept)).toBe(true);
    expect(await works(other, lost)).toBe(false);
    expect(await probeLock(await second.replugged(), await second.store.all(), { tryKeys: true })).toMatchObject({
      kind: "locked",
      key: { id },
    });
  });

  test("an existing file is left as it is", async () => {
    const bench = await Bench.of("5.12");
    const token = await bench.plugged();
    await enableLock(token, bench.store, enabling(bench));
    writeFileSync(bench.path("b"), "mine");
    await expect(saveBackup(token, bench.store, bench.path("b"), { overwrite: false })).rejects.toEqual(
      refused("FILE_EXISTS"),
    );
    expect(readFileSync(bench.path("b"), "utf8")).toBe("mine");
  });
});

describe("what the probe says", () => {
  test("never enabled; enabled already; locked; another computer's; unlocked", async () => {
    const bench = await Bench.of("5.12");
    const token = await bench.plugged();
    const strange = recordFor(token, newHostKey(), "in-use", bench.facts);
    expect(await probeLock(token, [], { tryKeys: false })).toEqual({ kind: "never-enabled" });
    expect(await probeLock(token, [strange], { tryKeys: true })).toEqual({ kind: "never-enabled" });
    await expect(unlockToken(token, bench.store, { facts: bench.facts })).rejects.toEqual(
      refused("PICO_FIDO_NOT_ENABLED"),
    );
    await expect(disableLock(token, bench.store, { pin, acceptKeyChange: false })).rejects.toEqual(
      refused("PICO_FIDO_NOT_ENABLED"),
    );
    await enableLock(token, bench.store, enabling(bench));
    await expect(enableLock(token, bench.store, enabling(bench))).rejects.toMatchObject({
      code: "PICO_FIDO_ENABLED",
      kind: "conflict",
    });
    const keys = await bench.store.all();
    expect(keys).toHaveLength(1);
    expect(await probeLock(token, [strange], { tryKeys: true })).toMatchObject({ kind: "unlocked", key: null });
    expect(await probeLock(token, [strange, ...keys], { tryKeys: true })).toMatchObject({
      kind: "unlocked",
      key: { id: keys[0]?.id },
    });
    const later = await bench.replugged();
    expect(await probeLock(later, keys, { tryKeys: false })).toEqual({ kind: "locked", key: null });
    expect(await probeLock(later, [strange], { tryKeys: true })).toEqual({ kind: "locked", key: null });
    expect((await later.backup()).kind).toBe("closed");
    expect(await probeLock(later, [strange, ...keys], { tryKeys: true })).toMatchObject({
      kind: "locked",
      key: { id: keys[0]?.id },
    });
    expect((await later.backup()).kind).toBe("blob");
  });

  test.each(["6.6", "7.6", "8.0"] as const)("%s answers it too", async (version) => {
    const bench = await Bench.of(version);
    const token = await bench.plugged();
    const kept = await credentialOn(token);
    expect(await probeLock(token, [], { tryKeys: true })).toEqual({ kind: "never-enabled" });
    expect(await works(await bench.replugged(), kept)).toBe(true);
  });

  test("without a PIN: status only; everything else says what to do", async () => {
    const bench = await Bench.withoutPin("5.12");
    const token = await bench.plugged();
    expect(await probeLock(token, [], { tryKeys: true })).toEqual({ kind: "never-enabled" });
    bench.commands();
    const without = refused("FIDO_PIN_NOT_SET");
    await expect(enableLock(token, bench.store, enabling(bench))).rejects.toEqual(without);
    await expect(unlockToken(token, bench.store, { facts: bench.facts })).rejects.toEqual(without);
    await expect(disableLock(token, bench.store, { pin, acceptKeyChange: false })).rejects.toEqual(without);
    await expect(saveBackup(token, bench.store, bench.path("b"), { overwrite: false })).rejects.toEqual(without);
    expect(bench.commands()).toEqual([]);
  });
});

describe("enable that goes wrong", () => {
  test("a wrong PIN: the cause is the PIN, and no key is made and written down for nothing", async () => {
    const bench = await Bench.of("5.12");
    let shown = 0;
    const request = { ...enabling(bench, async () => void shown++), pin: new TextEncoder().encode("squirel") };
    await expect(enableLock(await bench.plugged(), bench.store, request)).rejects.toMatchObject({
      code: "FIDO_PIN_WRONG",
      kind: "authentication",
    });
    expect(shown).toBe(0);
    expect(await bench.store.all()).toEqual([]);
    expect(await probeLock(await bench.plugged(), [], { tryKeys: false })).toEqual({ kind: "never-enabled" });
  });

  test("pulled at each exchange: the key is kept wherever the token may have it", async () => {
    let complete = false;
    for (let at = 0; !complete; at++) {
      const bench = await Bench.of("5.12");
      const token = await bench.plugged();
      let left = at;
      bench.before = () => {
        if (left-- <= 0) throw new Error("pulled");
      };
      complete = await enableLock(token, bench.store, enabling(bench)).then(
        () => true,
        () => false,
      );
      bench.before = () => undefined;
      const state = await probeLock(await bench.replugged(), await bench.store.all(), { tryKeys: true });
      if (state.kind !== "never-enabled")
        expect(state, `exchange ${at}`).toMatchObject({ kind: "locked", key: expect.anything() });
    }
  });

  test("host keys that cannot be kept: nothing is sent", async () => {
    const bench = await Bench.of("5.12");
    const token = await bench.plugged();
    writeFileSync(bench.path("pico-fido"), "a file where the folder should be");
    await expect(enableLock(token, bench.store, enabling(bench))).rejects.toMatchObject({ code: "HOST_KEY_NOT_KEPT" });
    expect(bench.commands().some((text) => text.includes("03e43f56b34285e2"))).toBe(false);
  });
});

describe("load", () => {
  test("a backup of another firmware family, as far as this computer knows, and one of a lost key", async () => {
    const bench = await Bench.of("5.12");
    const token = await bench.plugged();
    const hostKey = newHostKey();
    const record = recordFor(token, hostKey, "retired", bench.facts);
    await bench.store.keep({ ...record, firmware: "6.6", family: "6.2 to 6.6" });
    const file = buildPicoFidoBackup(sealedBlob(hostKey, new Uint8Array(32).fill(8)), hostKey);
    const request = { file, hostKey, facts: bench.facts, acceptKeyChange: false, confirm: async () => undefined };
    await expect(loadBackup(token, bench.store, request)).rejects.toMatchObject({
      code: "PICO_FIDO_OTHER_FAMILY",
      kind: "conflict",
    });
    const zero = buildPicoFidoBackup(sealedBlob(hostKey, new Uint8Array(32)), hostKey);
    await expect(loadBackup(token, bench.store, { ...request, file: zero })).rejects.toMatchObject({
      code: "BACKUP_FILE_INVALID",
    });
    expect(bench.commands()).toEqual([]);
  });

  test.each([
    ["6.6", "PICO_FIDO_KEY_CHANGES"],
    ["7.6", "PICO_FIDO_LOCK_BROKEN"],
    ["8.0", "PICO_FIDO_LOCK_BROKEN"],
  ] as const)("into %s: %s, nothing was sent", async (version, code) => {
    const bench = await Bench.of(version);
    const hostKey = newHostKey();
    const file = buildPicoFidoBackup(sealedBlob(hostKey, new Uint8Array(32).fill(8)), hostKey);
    const request = { file, hostKey, facts: bench.facts, acceptKeyChange: false, confirm: async () => undefined };
    await expect(loadBackup(await bench.plugged(), bench.store, request)).rejects.toEqual(refused(code));
    expect(bench.commands()).toEqual([]);
  });
});

describe("a token that answers success and did not do it", () => {
  const backup = "c1 01a10101";
  const notProved = { code: "PICO_FIDO_NOT_PROVED", kind: "check-failed" };

  /** Gives another blob in place of the token's, once there is one. */
  function lying(bench: Bench, blob: Uint8Array): void {
    bench.answered = (message, answer) => {
      return message === backup && answer[0] === 0 ? concat(answer.subarray(0, answer.length - 60), blob) : answer;
    };
  }

  test("enable: the blob does not open, or not to a key; the host key stays here", async () => {
    for (const key of [newHostKey(), null]) {
      const bench = await Bench.of("5.12");
      const handOver = async (hostKey: Uint8Array) => lying(bench, sealedBlob(key ?? hostKey, new Uint8Array(32)));
      await expect(enableLock(await bench.plugged(), bench.store, enabling(bench, handOver))).rejects.toMatchObject(
        notProved,
      );
      expect((await bench.store.all()).map(({ state }) => state)).toEqual(["pending"]);
    }
  });

  test("load: it gives back another blob", async () => {
    const bench = await Bench.of("5.12");
    const hostKey = newHostKey();
    const file = buildPicoFidoBackup(sealedBlob(hostKey, new Uint8Array(32).fill(8)), hostKey);
    lying(bench, sealedBlob(hostKey, new Uint8Array(32).fill(8)));
    const request = { file, hostKey, facts: bench.facts, acceptKeyChange: false, confirm: async () => undefined };
    await expect(loadBackup(await bench.plugged(), bench.store, request)).rejects.toMatchObject(notProved);
    expect((await bench.store.all()).map(({ state }) => state)).toEqual(["pending"]);
  });
});

describe("host keys", () => {
  test("a file for each, 0600; what is no record is told, not passed over", async () => {
    const bench = await Bench.of("5.12");
    const token = await bench.plugged();
    const records = [1, 2, 3].map((day) =>
      recordFor(token, newHostKey(), day === 2 ? "in-use" : "retired", {
        ...bench.facts,
        now: new Date(Date.UTC(2026, 0, day)),
      }),
    );
    for (const record of records) await bench.store.keep(record);
    expect((await bench.store.all()).map(({ id }) => id)).toEqual([records[1]?.id, records[2]?.id, records[0]?.id]);
    const file = bench.path(`pico-fido/${records[0]?.id}.json`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(bench.path("pico-fido")).mode & 0o777).toBe(0o700);
    const good = readFileSync(file, "utf8");
    for (const bad of [
      "",
      "{}",
      good.replace(/"hostKey": "../, '"hostKey": "'),
      good.replace('"schemaVersion": 1', '"schemaVersion": 2'),
      good.replace(records[0]?.id ?? "-", records[1]?.id ?? "-"),
    ]) {
      writeFileSync(file, bad);
      const error = await bench.store.all().catch((reason) => reason);
      expect(error, bad).toMatchObject({ code: "HOST_KEY_STORE_UNREADABLE", kind: "check-failed" });
      expect(error.message).not.toContain(Buffer.from(records[0]?.hostKey ?? []).toString("hex"));
    }
  });

  test("a folder that cannot be read is not an empty one", async () => {
    const bench = await Bench.of("5.12");
    mkdirSync(bench.path("pico-fido"));
    writeFileSync(bench.path("pico-fido/0123456789abcdef.json"), "{");
    chmodSync(bench.path("pico-fido"), 0o700);
    await expect(unlockToken(await bench.plugged(), bench.store, { facts: bench.facts })).rejects.toEqual(
      refused("HOST_KEY_STORE_UNREADABLE"),
    );
  });
});
