import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { readBackupFile, writeBackupFile } from "../../src/crypto/backup/backup-file.ts";
import { type BackupKey, type BackupManifest, manifestJson } from "../../src/crypto/backup/backup-manifest.ts";
import { type BackupVerdict, verifyBackup } from "../../src/crypto/backup/backup-verify.ts";
import { openKeyBlob, parseKeyBlob, sealKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import type { PlainKey } from "../../src/crypto/keys/plain-key.ts";
import { rsaFromFactors } from "../../src/crypto/keys/plain-key.ts";
import { parseWrapContainer } from "../../src/crypto/keys/wrap-container.ts";
import { deriveDkekKeys } from "../../src/crypto/shares/dkek.ts";
import { describeWith } from "../support/needs.ts";
import { flipped, refusal } from "./refusal.ts";
import { vectors } from "./vectors.ts";

interface Recorded {
  readonly containers: readonly { readonly name: string; readonly dkek: string; readonly file: string }[];
}
const { sessions } = vectors("recorded_wraps") as unknown as { sessions: Recorded[] };
const [ecFile, rsaFile, otherFile] = sessions[0]?.containers ?? [];
if (ecFile === undefined || rsaFile === undefined || otherFile === undefined) throw new Error("no recorded containers");
const dkek = deriveDkekKeys(fromHex(ecFile.dkek));
const other = deriveDkekKeys(fromHex(otherFile.dkek));
const foreign = deriveDkekKeys(new Uint8Array(32).fill(5));

function recorded(file: string, changes: Partial<BackupKey>): BackupKey {
  const { blob, description, certificate } = parseWrapContainer(fromHex(file));
  return {
    reference: 1,
    label: "signing",
    id: "10",
    kind: "ec",
    bits: 256,
    curve: "secp256r1",
    domain: 0,
    kcv: parseKeyBlob(blob).kcv,
    blob,
    description: description ?? null,
    certificate: certificate ?? null,
    useCounter: null,
    ...changes,
  };
}

const ec = recorded(ecFile.file, { reference: 2 });
const rsa = recorded(rsaFile.file, { kind: "rsa", bits: 2048, curve: null, label: "décrypter" });
const aes: BackupKey = {
  ...recorded(ecFile.file, { reference: 3, kind: "aes", bits: 192, curve: null, certificate: null, useCounter: 7 }),
  blob: sealKeyBlob({ kind: "aes", value: new Uint8Array(24).fill(9) }, dkek),
};

function backup(changes: Partial<BackupManifest> = {}): BackupManifest {
  return {
    created: "2026-11-20T12:00:00.000Z",
    createdBy: "hsmadm 0.1.0",
    device: { serial: "UTSIM00001", identity: "AB".repeat(32), label: null, simulated: true },
    keys: [rsa, ec, aes],
    notExported: [],
    files: [{ fid: "CA01", content: Uint8Array.of(0x30, 0) }],
    ...changes,
  };
}

const failures = ({ checks }: BackupVerdict) =>
  checks.filter((check) => check.state === "failed").map((check) => `${check.key} ${check.name}`);
const missing = ({ checks }: BackupVerdict) =>
  checks.filter((check) => check.state === "not-done").map((check) => `${check.key} ${check.name}`);
const verify = (changes: Partial<BackupManifest>, dkeks = [dkek]) =>
  verifyBackup(writeBackupFile(backup(changes)), dkeks);

test("what is written is read", () => {
  expect(readBackupFile(writeBackupFile(backup()))).toEqual(backup());
});

test("keys that an independent card wrapped, and an AES key: every check is done", () => {
  const verdict = verify({});
  expect(verdict.outcome).toBe("verified");
  expect(verdict.checks.map((check) => `${check.key ?? "file"} ${check.name}`)).toEqual([
    ...["file digest", "file manifest", "file complete"],
    ...["1 kcv", "1 mac", "1 type", "1 halves", "1 certificate"],
    ...["2 kcv", "2 mac", "2 type", "2 halves", "2 certificate"],
    ...["3 kcv", "3 mac", "3 type"],
  ]);
  expect(verdict.checks.every((check) => check.state === "done" && check.reason === null)).toBe(true);
});

describe("left unchecked is not verified", () => {
  test("no shares", () => {
    const verdict = verify({}, []);
    expect(verdict.outcome).toBe("incomplete");
    expect(failures(verdict)).toEqual([]);
    expect(missing(verdict).length).toBe(13);
    expect(verdict.checks.at(-1)?.reason).toContain("whose shares were not given");
  });

  test("a key under another DKEK, until its shares are there too", () => {
    const keys = [ec, recorded(otherFile.file, { reference: 9 })];
    const verdict = verify({ keys });
    expect([verdict.outcome, missing(verdict)[0]]).toEqual(["incomplete", "9 kcv"]);
    expect(verify({ keys }, [dkek, other]).outcome).toBe("verified");
  });

  test("a key that stayed on the token", () => {
    const verdict = verify({ notExported: [{ reference: 4, label: "x", reason: "its key domain has no DKEK" }] });
    expect([verdict.outcome, ...missing(verdict)]).toEqual(["incomplete", "null complete"]);
  });
});

describe("failed", () => {
  test("shares of another DKEK", () => {
    const verdict = verify({}, [foreign]);
    expect([verdict.outcome, failures(verdict)]).toEqual(["failed", ["1 kcv", "2 kcv", "3 kcv"]]);
    expect(verdict.checks.find((check) => check.state === "failed")?.reason).toContain("the shares give");
  });

  test.each<[string, BackupKey, string]>([
    ["a changed blob", { ...ec, blob: flipped(ec.blob, 100) }, "2 mac"],
    ["a blob of another DKEK", { ...ec, blob: flipped(ec.blob, 0) }, "2 kcv"],
    ["a blob cut short", { ...ec, blob: ec.blob.subarray(0, 20) }, "2 kcv"],
    ["another kind", { ...ec, kind: "rsa" }, "2 type"],
    ["another size", { ...rsa, bits: 3072 }, "1 type"],
    ["another curve", { ...ec, curve: "secp256k1" }, "2 type"],
    ["the certificate of another key", { ...ec, certificate: rsa.certificate }, "2 certificate"],
    ["a certificate that is none", { ...ec, certificate: Uint8Array.of(0x67, 1, 2) }, "2 certificate"],
    ["an X.509 certificate that is none", { ...ec, certificate: Uint8Array.of(0x30, 1, 2) }, "2 certificate"],
    ["halves that do not belong together", { ...ec, certificate: null, blob: wrongHalf() }, "2 halves"],
  ])("%s", (_, key, check) => {
    const verdict = verify({ keys: [key] });
    expect([verdict.outcome, failures(verdict)]).toEqual(["failed", [check]]);
  });

  test("each of 1,000 corruptions of one byte", () => {
    const good = writeBackupFile(backup());
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (index, mask) => {
        const bad = good.slice();
        bad[index] = (bad[index] as number) ^ mask;
        try {
          const verdict = verifyBackup(bad, [dkek]);
          expect([verdict.outcome, failures(verdict)]).toEqual(["failed", ["null digest"]]);
        } catch (error) {
          expect(error).toMatchObject({ code: "BACKUP_VERSION" }); // The version's own digit.
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("a file cut short anywhere", () => {
    const good = writeBackupFile(backup());
    for (let length = 0; length < good.length; length += 13) {
      expect(verifyBackup(good.subarray(0, length), [dkek]).outcome).toBe("failed");
      expect(refusal(() => readBackupFile(good.subarray(0, length))).kind).toBe("check-failed");
    }
  });
});

describeWith(["openssl"], "an X.509 certificate beside the key", () => {
  test.each(["ec", "rsa"] as const)("%s: of this key, and of another", (kind) => {
    const folder = mkdtempSync(join(tmpdir(), "hsmadm-backup-"));
    try {
      const [own, stranger] = [1, 2].map((i) => {
        const pair =
          kind === "ec"
            ? generateKeyPairSync("ec", { namedCurve: "P-256" })
            : generateKeyPairSync("rsa", { modulusLength: 1024 });
        const file = join(folder, `${i}.pem`);
        writeFileSync(file, pair.privateKey.export({ format: "pem", type: "pkcs8" }));
        const out = join(folder, `${i}.der`);
        execFileSync("openssl", ["req", "-x509", "-key", file, "-subj", "/CN=a", "-outform", "DER", "-out", out]);
        return { jwk: pair.privateKey.export({ format: "jwk" }), der: new Uint8Array(readFileSync(out)) };
      });
      const bytes = (name: "d" | "x" | "y" | "p" | "q" | "e") =>
        new Uint8Array(Buffer.from(own?.jwk[name] ?? "", "base64url"));
      const key: PlainKey =
        kind === "ec"
          ? { kind, curve: "secp256r1", scalar: bytes("d"), point: new Uint8Array([4, ...bytes("x"), ...bytes("y")]) }
          : rsaFromFactors(bytes("p"), bytes("q"), bytes("e"));
      const entry = { ...ec, kind, bits: kind === "ec" ? 256 : 1024, curve: kind === "ec" ? "secp256r1" : null };
      const blob = sealKeyBlob(key, dkek);
      expect(verify({ keys: [{ ...entry, blob, certificate: own?.der ?? null }] }).outcome).toBe("verified");
      expect(failures(verify({ keys: [{ ...entry, blob, certificate: stranger?.der ?? null }] }))).toEqual([
        "2 certificate",
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("refused", () => {
  const json = JSON.parse(manifestJson(backup())) as { keys: Record<string, unknown>[] } & Record<string, unknown>;
  const withDigest = (body: unknown): Uint8Array =>
    writeBackupFile({ ...(body as BackupManifest), keys: [], files: [] });

  test("a newer version, by name", () => {
    const text = new TextDecoder().decode(writeBackupFile(backup())).replace("hsmadm-backup 1", "hsmadm-backup 2");
    expect(refusal(() => readBackupFile(utf8Bytes(text)))).toMatchObject({
      code: "BACKUP_VERSION",
      kind: "not-supported",
    });
  });

  test.each(["created", "createdBy", "device", "notExported"])("a manifest without %s", (name) => {
    const { [name]: _, ...rest } = json;
    const error = refusal(() => readBackupFile(withDigest(rest)));
    expect(error).toMatchObject({ code: "BACKUP_INVALID", kind: "check-failed" });
    expect(error.message).toContain(name);
  });

  test.each<Partial<Record<keyof BackupKey, unknown>>>([
    { reference: 0 },
    { reference: 256 },
    { reference: "1" },
    { kind: "dsa" },
    { label: 7 },
    { id: "xx" },
    { bits: 1.5 },
    { useCounter: -1 },
  ])("a key with %o", (change) => {
    const wrong = { ...backup(), keys: [{ ...ec, ...change }] } as unknown as BackupManifest;
    expect(refusal(() => readBackupFile(writeBackupFile(wrong))).code).toBe("BACKUP_INVALID");
  });

  test("two keys on one reference", () => {
    expect(refusal(() => readBackupFile(writeBackupFile(backup({ keys: [ec, ec] })))).message).toContain(
      "same key reference",
    );
  });

  test("nonsense of any kind", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.json().map(utf8Bytes)), (bytes) => {
        expect(refusal(() => readBackupFile(bytes)).code).toBe("BACKUP_INVALID");
      }),
    );
  });
});

function wrongHalf(): Uint8Array {
  const key = openKeyBlob(parseKeyBlob(ec.blob), dkek);
  if (key.kind !== "ec") throw new Error("no EC key");
  return sealKeyBlob({ ...key, scalar: flipped(key.scalar, 31) }, dkek);
}
