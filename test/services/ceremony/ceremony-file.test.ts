import { readdirSync, readFileSync, realpathSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parsePublicKeyInfo } from "../../../src/cards/smartcard-hsm/keys/public-key.ts";
import { readRecord } from "../../../src/services/ceremony/ceremony-chain.ts";
import { addEntry, openCeremony, readCeremony } from "../../../src/services/ceremony/ceremony-file.ts";
import { fileCeremonyMemory } from "../../../src/services/ceremony/ceremony-memory.ts";
import { checkClosing, requireSigner } from "../../../src/services/ceremony/ceremony-signature.ts";
import { close, closedRecord, command, folder, newMemory, noMemory, signer, writer } from "./support.ts";

const here = folder();
let files = 0;
const fresh = () => join(here, `record-${files++}`);
const cut = (path: string, count: number) =>
  writeFileSync(
    path,
    readFileSync(path, "utf8")
      .split("\n")
      .slice(0, -1 - count)
      .map((line) => `${line}\n`)
      .join(""),
  );

describe("a ceremony record on disk", () => {
  test("is begun by its first entry, for its owner only, and leaves nothing else beside it", async () => {
    const path = fresh();
    await addEntry(path, command(["device", "init"]), writer());
    const record = await readCeremony(path, noMemory);
    expect(record.entries.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      ["opening", 0],
      ["command", 1],
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(here).filter((name) => name.includes("lock") || name.includes("tmp"))).toEqual([]);
  });

  test("takes entries from many writers at once, each in its place", async () => {
    const path = fresh();
    const verbs = Array.from({ length: 12 }, (_, i) => `verb-${i}`);
    await Promise.all(verbs.map((verb) => addEntry(path, command(["device", verb]), writer())));
    const record = await readCeremony(path, noMemory);
    const found = record.entries.flatMap((entry) => (entry.kind === "command" ? entry.words[1] : []));
    expect(found.sort()).toEqual(verbs.sort());
  });

  test("keeps a link a link", async () => {
    const path = fresh();
    await addEntry(path, command(["device", "init"]), writer());
    const link = fresh();
    symlinkSync(path, link);
    await addEntry(link, command(["device", "label"]), writer());
    expect(realpathSync(link)).toBe(realpathSync(path));
    expect((await readCeremony(path, noMemory)).entries).toHaveLength(3);
  });

  test("takes nothing once it is closed", async () => {
    const path = fresh();
    await closedRecord(path);
    const before = readFileSync(path);
    await expect(addEntry(path, command(["device", "init"]), writer())).rejects.toMatchObject({
      code: "CEREMONY_CLOSED",
      exitCode: 8,
    });
    await expect(close(path, 1)).rejects.toMatchObject({ code: "CEREMONY_CLOSED" });
    await expect(openCeremony(path, noMemory)).rejects.toMatchObject({ code: "CEREMONY_CLOSED" });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("takes nothing when it does not hold, and is left as it is", async () => {
    const path = fresh();
    await addEntry(path, command(["device", "init"]), writer());
    writeFileSync(path, readFileSync(path, "utf8").replace("Ada", "Eve"));
    const before = readFileSync(path);
    await expect(addEntry(path, command(["device", "label"]), writer())).rejects.toMatchObject({
      code: "CEREMONY_LINE_CHANGED",
      exitCode: 9,
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("stays as it was when the key does not sign", async () => {
    const path = fresh();
    await addEntry(path, command(["device", "init"]), writer());
    const before = readFileSync(path);
    const { publicKey } = signer(1);
    const key = { ref: 1, label: "", publicKey, attestation: null };
    const token = { where: "", serial: null, chr: null, label: null, deviceKey: null, simulated: false };
    const entry = { kind: "closing", officer: null, token, key, scheme: "ecdsa-sha256" } as const;
    await expect(addEntry(path, entry, writer(), async () => Promise.reject(new Error("pulled")))).rejects.toThrow(
      "pulled",
    );
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(here).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  test("needs a folder, and a file that is there to be read", async () => {
    await expect(openCeremony(join(here, "no", "folder"), noMemory)).rejects.toMatchObject({
      code: "FILE_NOT_WRITABLE",
    });
    await expect(readCeremony(fresh(), noMemory)).rejects.toMatchObject({
      code: "CEREMONY_NOT_READABLE",
      exitCode: 11,
    });
  });
});

describe("the memory of this computer", () => {
  test("notices that an open record was cut off or written anew", async () => {
    const memory = newMemory();
    const path = fresh();
    for (const verb of ["init", "label", "info"]) await addEntry(path, command(["device", verb]), writer(memory));
    const whole = readFileSync(path, "utf8");
    cut(path, 1);
    expect(readRecord(new Uint8Array(readFileSync(path))).entries).toHaveLength(3);
    await expect(readCeremony(path, memory)).rejects.toMatchObject({ code: "CEREMONY_TRUNCATED", exitCode: 9 });
    await expect(addEntry(path, command(["device", "x"]), writer(memory))).rejects.toMatchObject({
      code: "CEREMONY_TRUNCATED",
    });
    // Another computer has nothing to compare with; it adds another third entry.
    await addEntry(path, command(["device", "other"]), writer());
    await expect(readCeremony(path, memory)).rejects.toMatchObject({ code: "CEREMONY_REWRITTEN", exitCode: 9 });
    writeFileSync(path, whole);
    expect((await readCeremony(path, memory)).entries).toHaveLength(4);
  });

  test("notices that the closing signature was cut off", async () => {
    const memory = newMemory();
    const path = fresh();
    await closedRecord(path, memory);
    cut(path, 1);
    await expect(readCeremony(path, memory)).rejects.toMatchObject({ code: "CEREMONY_TRUNCATED" });
  });

  test("is kept in a file, and a file that makes no sense refuses nothing", async () => {
    const state = fresh();
    const memory = fileCeremonyMemory(state);
    const path = fresh();
    await addEntry(path, command(["device", "init"]), writer(memory));
    await addEntry(path, command(["device", "label"]), writer(memory));
    cut(path, 1);
    await expect(readCeremony(path, fileCeremonyMemory(state))).rejects.toMatchObject({ code: "CEREMONY_TRUNCATED" });
    for (const nonsense of ["", "[]", "null", '{"x":null}', '{"x":{"sequence":-1.5,"hash":3}}']) {
      writeFileSync(state, nonsense);
      expect((await readCeremony(path, fileCeremonyMemory(state))).entries).toHaveLength(2);
    }
  });
});

describe("the signature that closes a record", () => {
  test("is of the key beside it, which is not yet the key that somebody wants", async () => {
    const path = fresh();
    await closedRecord(path);
    const { closing } = await readCeremony(path, noMemory);
    if (closing === null) throw new Error("open");
    const signature = checkClosing(closing);
    expect(signature.origin).toEqual({ status: "unknown" });
    expect(() => requireSigner(signature, parsePublicKeyInfo(signer(1).der))).not.toThrow();
    expect(() => requireSigner(signature, parsePublicKeyInfo(signer(2).der))).toThrow(
      expect.objectContaining({ code: "CEREMONY_SIGNER_OTHER", exitCode: 9 }),
    );
  });

  test("does not hold with another key, another scheme, or an attestation of something else", async () => {
    const path = fresh();
    await closedRecord(path);
    const { closing } = await readCeremony(path, noMemory);
    if (closing === null) throw new Error("open");
    const wrong = expect.objectContaining({ code: "CEREMONY_SIGNATURE_WRONG", exitCode: 9 });
    const otherKey = { ...closing.key, publicKey: signer(2).publicKey };
    expect(() => checkClosing({ ...closing, key: otherKey })).toThrow(wrong);
    expect(() => checkClosing({ ...closing, scheme: "rsa-pkcs1-sha256" })).toThrow(wrong);
    expect(() => checkClosing({ ...closing, hash: "00".repeat(32) })).toThrow(wrong);
    expect(() => checkClosing({ ...closing, key: { ...closing.key, publicKey: "3000" } })).toThrow(wrong);
    const attestation = { request: "3000", certificates: ["3000"] };
    expect(() => checkClosing({ ...closing, key: { ...closing.key, attestation } })).toThrow(
      expect.objectContaining({ code: "CEREMONY_ATTESTATION_WRONG", exitCode: 9 }),
    );
  });
});
