import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { HsmError } from "../../../src/errors.ts";
import { loadBackup, saveBackup } from "../../../src/services/pico-fido/backup.ts";
import { refuseWithoutKey } from "../../../src/services/pico-fido/keyless.ts";
import { disableLock, enableLock, unlockToken } from "../../../src/services/pico-fido/lock.ts";
import { probeLock } from "../../../src/services/pico-fido/lock-state.ts";
import { Bench, credentialOn, type PicoVersion, pin, works } from "./support/bench.ts";

/** Enables the lock of a token that holds a credential already. */
async function enabled(bench: Bench, acceptKeyChange = false) {
  const token = await bench.plugged();
  const before = await credentialOn(token);
  let hostKey = new Uint8Array(0);
  const handOver = async (key: Uint8Array) => {
    hostKey = key.slice();
  };
  await enableLock(token, bench.store, { pin: pin.slice(), facts: bench.facts, acceptKeyChange, handOver });
  return { token, before, hostKey };
}

const quiet = { pin: pin.slice(), acceptKeyChange: false };
const refused = (code: string) => expect.objectContaining({ code });

describe("section 7: ways to lose everything", () => {
  test.each(["7.6", "8.0"] as const)(
    "AUT_ENABLE on %s: refused, nothing was sent, the credential works",
    async (version) => {
      const bench = await Bench.of(version);
      const token = await bench.plugged();
      const kept = await credentialOn(token);
      bench.commands();
      const request = { pin: pin.slice(), facts: bench.facts, acceptKeyChange: true, handOver: async () => undefined };
      await expect(enableLock(token, bench.store, request)).rejects.toEqual(refused("PICO_FIDO_LOCK_BROKEN"));
      await expect(saveBackup(token, bench.store, bench.path("b"), { overwrite: false })).rejects.toEqual(
        refused("PICO_FIDO_LOCK_BROKEN"),
      );
      await expect(unlockToken(token, bench.store, { facts: bench.facts })).rejects.toEqual(
        refused("PICO_FIDO_LOCK_BROKEN"),
      );
      await expect(disableLock(token, bench.store, quiet)).rejects.toEqual(refused("PICO_FIDO_LOCK_BROKEN"));
      expect(bench.commands()).toEqual([]);
      expect(await bench.store.all()).toEqual([]);
      expect(await works(await bench.replugged(), kept)).toBe(true);
    },
  );

  test.each(["7.6", "8.0"] as const)(
    "… and on %s it is one: the simulated token loses its key as the recorded ones did",
    async (version) => {
      const bench = await Bench.of(version);
      const token = await bench.plugged();
      const kept = await credentialOn(token);
      expect(await token.enable(new Uint8Array(32).fill(9), pin.slice())).toBe(true);
      expect(await token.unlock(new Uint8Array(32).fill(9))).toBe("other-key");
      expect(await works(await bench.replugged(), kept)).toBe(false);
    },
  );

  test("a wrong UNLOCK while unlocked, then AUT_DISABLE: the right key is put back first", async () => {
    const bench = await Bench.of("5.12");
    const { token, before } = await enabled(bench);
    // Another program, or the older tool on another computer.
    expect(await token.unlock(new Uint8Array(32).fill(3))).toBe("other-key");
    expect(await works(token, before)).toBe(false);
    await disableLock(token, bench.store, quiet);
    expect(await works(await bench.replugged(), before)).toBe(true);
  });

  test("… also while the PIN is typed", async () => {
    const bench = await Bench.of("5.12");
    const { before } = await enabled(bench);
    const other = await bench.plugged();
    let typed = 0;
    const asked = async () => {
      typed++;
      await other.unlock(new Uint8Array(32).fill(3));
      return pin.slice();
    };
    // A run of its own, which knows no PIN yet.
    await disableLock(await bench.plugged(), bench.store, { pin: asked, acceptKeyChange: false });
    expect(typed).toBe(1);
    expect(await works(await bench.replugged(), before)).toBe(true);
  });

  test("… and without that it is a loss: zeros are stored, and BACKUP of a new lock shows them", async () => {
    const bench = await Bench.of("5.12");
    const { token, before } = await enabled(bench);
    await token.unlock(new Uint8Array(32).fill(3));
    expect(await token.disable(pin.slice())).toBe("disabled");
    expect(await works(await bench.replugged(), before)).toBe(false);
  });

  test("BACKUP load with bytes that are no backup: every one is refused on the host", async () => {
    const bench = await Bench.of("5.12");
    const { token, before, hostKey } = await enabled(bench);
    await saveBackup(token, bench.store, bench.path("b"), { overwrite: false });
    const file = new Uint8Array(await readFile(bench.path("b")));
    bench.commands();
    for (let at = 0; at < file.length; at += 7) {
      const changed = file.with(at, (file[at] ?? 0) ^ 0x40);
      const request = {
        file: changed,
        hostKey,
        facts: bench.facts,
        acceptKeyChange: true,
        confirm: async () => undefined,
      };
      await expect(loadBackup(token, bench.store, request)).rejects.toMatchObject({ kind: "check-failed" });
    }
    expect(bench.commands()).toEqual([]);
    expect(await works(token, before)).toBe(true);
  });

  test("… and the operator is asked first: a no sends nothing", async () => {
    const bench = await Bench.of("5.12");
    const { token, before, hostKey } = await enabled(bench);
    await saveBackup(token, bench.store, bench.path("b"), { overwrite: false });
    const file = new Uint8Array(await readFile(bench.path("b")));
    bench.commands();
    const no = new HsmError("CANCELLED", "cancelled", "no");
    const confirm = () => Promise.reject(no);
    await expect(
      loadBackup(token, bench.store, { file, hostKey, facts: bench.facts, acceptKeyChange: false, confirm }),
    ).rejects.toBe(no);
    expect(bench.commands().every((text) => text === "c1 01a10101")).toBe(true);
    expect(await works(token, before)).toBe(true);
  });

  test("AUT_ENABLE and losing the host key: it is kept and handed over before anything is sent", async () => {
    const bench = await Bench.of("5.12");
    const token = await bench.plugged();
    const kept = await credentialOn(token);
    bench.commands();
    const no = new HsmError("WORDS_NOT_WRITTEN_DOWN", "cancelled", "no");
    let keptThen = 0;
    const handOver = async () => {
      keptThen = (await bench.store.all()).length;
      throw no;
    };
    const request = { pin: pin.slice(), facts: bench.facts, acceptKeyChange: false, handOver };
    await expect(enableLock(token, bench.store, request)).rejects.toBe(no);
    expect(keptThen).toBe(1);
    expect(await bench.store.all()).toEqual([]);
    expect(bench.commands().some((text) => text.includes("03e43f56b34285e2"))).toBe(false);
    expect(await works(await bench.replugged(), kept)).toBe(true);
  });

  test("… and with the words the token comes back on another computer", async () => {
    const bench = await Bench.of("5.12");
    const { before, hostKey } = await enabled(bench);
    await rm(bench.path("pico-fido"), { recursive: true });
    const token = await bench.replugged();
    await expect(unlockToken(token, bench.store, { facts: bench.facts })).rejects.toEqual(
      refused("PICO_FIDO_OTHER_KEY"),
    );
    expect(await works(token, before)).toBe(false);
    expect(await unlockToken(token, bench.store, { given: hostKey, facts: bench.facts })).toMatchObject({
      outcome: "unlocked",
    });
    expect(await works(token, before)).toBe(true);
    // It is kept now.
    expect(await unlockToken(await bench.replugged(), bench.store, { facts: bench.facts })).toMatchObject({
      outcome: "unlocked",
    });
  });

  test("`backup save` after disable without a power cycle: no file, and the token is to be unplugged", async () => {
    const bench = await Bench.of("5.12");
    const { token, before } = await enabled(bench);
    await disableLock(token, bench.store, quiet);
    expect(await token.backup()).toEqual({ kind: "empty" });
    await expect(saveBackup(token, bench.store, bench.path("b"), { overwrite: false })).rejects.toEqual(
      refused("PICO_FIDO_UNPLUG_FIRST"),
    );
    expect(existsSync(bench.path("b"))).toBe(false);
    expect(await works(await bench.replugged(), before)).toBe(true);
  });

  test("use after disable without a power cycle: nothing is enabled, loaded or enrolled", async () => {
    const bench = await Bench.of("5.12");
    const { token, before, hostKey } = await enabled(bench);
    await saveBackup(token, bench.store, bench.path("b"), { overwrite: false });
    const file = new Uint8Array(await readFile(bench.path("b")));
    await disableLock(token, bench.store, quiet);
    const unplug = refused("PICO_FIDO_UNPLUG_FIRST");
    const request = { pin: pin.slice(), facts: bench.facts, acceptKeyChange: false, handOver: async () => undefined };
    await expect(enableLock(token, bench.store, request)).rejects.toEqual(unplug);
    await expect(unlockToken(token, bench.store, { facts: bench.facts })).rejects.toEqual(unplug);
    await expect(disableLock(token, bench.store, quiet)).rejects.toEqual(unplug);
    await expect(
      loadBackup(token, bench.store, {
        file,
        hostKey,
        facts: bench.facts,
        acceptKeyChange: false,
        confirm: async () => undefined,
      }),
    ).rejects.toEqual(unplug);
    await expect(refuseWithoutKey(token.authenticator)).rejects.toEqual(unplug);
    const after = await bench.replugged();
    await refuseWithoutKey(after.authenticator);
    expect(await works(after, before)).toBe(true);
  });

  test("reset while unlocked, then use without a power cycle: the same words, nothing is enrolled", async () => {
    const bench = await Bench.of("5.12");
    const { token } = await enabled(bench);
    await token.authenticator.reset();
    expect(await probeLock(token, await bench.store.all(), { tryKeys: true })).toEqual({ kind: "unplug-first" });
    await expect(refuseWithoutKey(token.authenticator)).rejects.toEqual(refused("PICO_FIDO_UNPLUG_FIRST"));
    const after = await bench.replugged();
    await after.authenticator.setPin(pin.slice());
    const kept = await credentialOn(after);
    expect(await works(await bench.replugged(), kept)).toBe(true);
  });

  test("6.6: neither enabled nor disabled without the explicit word; what was made under the lock works on", async () => {
    const bench = await Bench.of("6.6");
    const token = await bench.plugged();
    const old = await credentialOn(token);
    const request = { pin: pin.slice(), facts: bench.facts, acceptKeyChange: false, handOver: async () => undefined };
    bench.commands();
    await expect(enableLock(token, bench.store, request)).rejects.toEqual(refused("PICO_FIDO_KEY_CHANGES"));
    expect(bench.commands()).toEqual([]);
    expect(await works(token, old)).toBe(true);
    await enableLock(token, bench.store, { ...request, acceptKeyChange: true });
    expect(await works(token, old)).toBe(false);
    const made = await credentialOn(token);
    bench.commands();
    await expect(disableLock(token, bench.store, quiet)).rejects.toEqual(refused("PICO_FIDO_KEY_CHANGES"));
    expect(bench.commands()).toEqual([]);
    expect(await works(token, made)).toBe(true);
    await disableLock(token, bench.store, { ...quiet, acceptKeyChange: true });
    const after = await bench.replugged();
    expect(await works(after, old)).toBe(true);
    expect(await works(after, made)).toBe(false);
  });
});

describe("what is never sent", () => {
  const numbers: Record<PicoVersion, string> = { "5.12": "187f", "6.6": "187f", "7.6": "18ff", "8.0": "18ff" };

  test.each(Object.keys(numbers) as PicoVersion[])("%s: the other vendorPrototype number", async (version) => {
    const bench = await Bench.of(version);
    const token = await bench.plugged();
    // By the driver itself, which asks nobody.
    await token.disable(pin.slice());
    const config = bench.commands().filter((text) => text.startsWith("90 0d"));
    expect(config.length).toBeGreaterThan(0);
    for (const text of config) expect(text).toMatch(new RegExp(`^90 0da401${numbers[version]}`));
  });

  test("UNLOCK with a key that was not proved, to an unlocked token", async () => {
    const bench = await Bench.of("5.12");
    const { token, before } = await enabled(bench);
    const given = new Uint8Array(32).fill(5);
    bench.commands();
    expect(await unlockToken(token, bench.store, { given, facts: bench.facts })).toEqual({
      id: null,
      outcome: "was-unlocked",
    });
    await probeLock(token, await bench.store.all(), { tryKeys: true });
    await probeLock(token, [], { tryKeys: true });
    expect(new Set(bench.commands())).toEqual(new Set(["c1 01a10101"]));
    expect(await works(token, before)).toBe(true);
  });
});
