import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import type { ApplicationInfo } from "../../../src/cards/smartcard-hsm/application.ts";
import { certificatesIn, identityOf } from "../../../src/cards/smartcard-hsm/identity.ts";
import type { DeviceEvidence } from "../../../src/cards/smartcard-hsm/token-status.ts";
import { curveByName } from "../../../src/crypto/curves/curves.ts";
import { publicPointOf } from "../../../src/crypto/curves/ec-keys.ts";
import { ecdsaSign } from "../../../src/crypto/curves/ecdsa.ts";
import { ecdsaSha256Oid } from "../../../src/crypto/cvc/cvc.ts";
import { buildCvc } from "../../../src/crypto/cvc/cvc-build.ts";
import { HsmError } from "../../../src/errors.ts";
import { type JudgingOptions, judgeDevice, rememberDevice } from "../../../src/services/identity/device-judgement.ts";
import { deviceRefusal } from "../../../src/services/identity/device-refusals.ts";
import { pinnedRoots, readRoot } from "../../../src/services/identity/device-roots.ts";
import { genuineOnly } from "../../../src/services/identity/genuine-only.ts";
import { fileKnownDevices } from "../../../src/services/identity/known-devices.ts";

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8")) as Record<
    string,
    string & { full: string }
  >;
const cvc = read("cvc");
const pki = read("sim_pki");
const folder = mkdtempSync(join(tmpdir(), "hsmadm-identity-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, String(files++));
const now = new Date("2026-11-20T12:00:00Z");
const proved = async () => ({ status: "proved" }) as const;
const silent = async () => ({ status: "not-proved", reason: "it does not offer it" }) as const;
const copied = async () => ({ status: "failed", reason: "it does not have the key" }) as const;

const application: ApplicationInfo = {
  version: { major: 4, minor: 1 },
  platform: "production",
  options: 1,
  optionNames: [],
  profile: "genuine",
};

function evidenceOf(ef2F02: Uint8Array, version = application.version): DeviceEvidence {
  const identity = identityOf(ef2F02);
  let certificates: DeviceEvidence["certificates"] = null;
  try {
    certificates = certificatesIn(ef2F02);
  } catch {
    certificates = null;
  }
  return { identity, certificates, application: { ...application, version }, where: "reader" };
}

const real = evidenceOf(fromHex(cvc["ef_2f02"] ?? ""));
const other = evidenceOf(fromHex(pki["ef_2f02"] ?? ""));

function optionsAt(path = newPath(), more: Partial<JudgingOptions> = {}): JudgingOptions {
  return { roots: [], known: fileKnownDevices(path), now, ...more };
}

const all = { dates: true };

async function refusalOf(
  evidence: DeviceEvidence,
  options: JudgingOptions,
  prove: () => ReturnType<typeof silent | typeof proved | typeof copied> = proved,
) {
  return deviceRefusal(evidence, await judgeDevice(evidence, prove, options), all)?.code;
}

describe("a real token's chain", () => {
  test("is genuine; its key is remembered and known the next time", async () => {
    const options = optionsAt();
    const first = await judgeDevice(real, proved, options);
    expect(first).toMatchObject({ trust: "genuine", dates: null, memory: { status: "first-seen" } });
    expect(deviceRefusal(real, first, all)).toBeUndefined();
    await rememberDevice(real, first, options);
    expect((await judgeDevice(real, proved, options)).memory).toEqual({ status: "known" });
  });

  test("expired and not yet valid are told apart, and can be left out", async () => {
    expect(await refusalOf(real, optionsAt(newPath(), { now: new Date("2031-06-01") }))).toBe(
      "DEVICE_CERTIFICATE_EXPIRED",
    );
    expect(await refusalOf(real, optionsAt(newPath(), { now: new Date("2020-01-01") }))).toBe(
      "DEVICE_CERTIFICATE_NOT_YET_VALID",
    );
    const judged = await judgeDevice(real, proved, optionsAt(newPath(), { now: new Date("2031-06-01") }));
    expect(deviceRefusal(real, judged, { dates: false })).toBeUndefined();
  });

  test("each thing wrong with its certificates has its own error", async () => {
    const file = fromHex(cvc["ef_2f02"] ?? "");
    const [device, issuer] = [fromHex(cvc["device"]?.full ?? ""), fromHex(cvc["device_issuer"]?.full ?? "")];
    const flipped = device.slice();
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    const cases: [string, Uint8Array][] = [
      ["DEVICE_CERTIFICATE_FORGED", concat(flipped, issuer)],
      ["DEVICE_CERTIFICATES_SWAPPED", concat(issuer, device)],
      ["DEVICE_CERTIFICATE_UNREADABLE", file.slice(0, 40)],
    ];
    for (const [code, bytes] of cases) expect(await refusalOf(evidenceOf(bytes), optionsAt())).toBe(code);
  });

  test("a copy of the certificate on another card", async () => {
    expect(await refusalOf(real, optionsAt(), copied)).toBe("DEVICE_KEY_NOT_THERE");
    expect(await refusalOf(real, optionsAt(), silent)).toBeUndefined();
  });

  test("a chain to another root than the one that was named", async () => {
    const path = newPath();
    writeFileSync(path, cvc["root_DESCHSMCVCA00001"]?.full ?? "");
    const options = optionsAt(newPath(), { roots: [await readRoot(path)], onlyThese: true });
    const judged = await judgeDevice(real, proved, options);
    expect(judged.trust).toBe("not-verifiable");
    expect(deviceRefusal(real, judged, { dates: true, mustChainTo: "DESCHSMCVCA00001" })).toMatchObject({
      code: "DEVICE_ROOT_WRONG",
      kind: "check-failed",
      message: expect.stringContaining("it chains to DESRCACC100001"),
    });
  });
});

describe("a serial that comes back with another key", () => {
  async function afterKnowing(trust: "genuine" | "not-verifiable", version: string) {
    const options = optionsAt();
    const seen = "2026-01-02T03:04:05.000Z";
    const record = { key: "ab".repeat(32), chr: real.identity.chr, trust, version, firstSeen: seen, lastSeen: seen };
    await options.known.remember(real.identity.serial, record);
    return options;
  }

  test("a firmware update, another token, or a clone: all three are said", async () => {
    const options = await afterKnowing("genuine", "3.5");
    const judged = await judgeDevice(real, proved, options);
    const refused = deviceRefusal(real, judged, all);
    expect(refused).toMatchObject({ code: "DEVICE_KEY_CHANGED", kind: "check-failed" });
    expect(refused?.message).toMatch(/firmware update .*version 3\.5 before, 4\.1 now.*another token.*clone/);
    await rememberDevice(real, { ...judged, memory: { status: "first-seen" } }, options);
    expect(await refusalOf(real, options)).toBeUndefined();
  });

  test("nobody vouches any more: a clone comes first", async () => {
    const options = await afterKnowing("genuine", "4.1");
    const { memory } = await judgeDevice(evidenceOf(fromHex(pki["ef_2f02"] ?? "")), proved, options);
    expect(memory.status).toBe("first-seen");
    const impostor = { ...other, identity: { ...other.identity, serial: real.identity.serial } };
    const judged = await judgeDevice(impostor, silent, options);
    expect(judged.memory).toMatchObject({
      status: "changed",
      mayBe: [expect.stringMatching(/^a clone/), expect.anything()],
    });
  });

  test("an emulator: another token with the same name comes first", async () => {
    const options = await afterKnowing("not-verifiable", "6.6");
    const impostor = { ...other, identity: { ...other.identity, serial: real.identity.serial } };
    const { memory } = await judgeDevice(impostor, silent, options);
    expect(memory).toMatchObject({
      mayBe: [expect.stringMatching(/^another token/), expect.anything(), expect.anything()],
    });
  });
});

describe("nobody known vouches", () => {
  test("that is told and is no refusal", async () => {
    const judged = await judgeDevice(other, silent, optionsAt());
    expect(judged.trust).toBe("not-verifiable");
    expect(deviceRefusal(other, judged, all)).toBeUndefined();
  });

  test("a token without certificate", async () => {
    const judged = await judgeDevice(evidenceOf(new Uint8Array(0)), silent, optionsAt());
    expect(judged).toMatchObject({ trust: "not-verifiable", memory: { status: "unnamed" } });
  });
});

describe("roots of the officer", () => {
  const selfSigned = cvc["root_DESRCACC100001"]?.full ?? "";

  test("bytes or hex digits; every *.cvc of the folder", async () => {
    const roots = mkdtempSync(join(folder, "roots-"));
    writeFileSync(join(roots, "a.cvc"), fromHex(selfSigned));
    writeFileSync(join(roots, "b.cvc"), selfSigned.replace(/(..)/g, "$1 "));
    writeFileSync(join(roots, "note.txt"), "nothing");
    expect((await pinnedRoots(roots)).map(({ name }) => name)).toEqual(["DESRCACC100001", "DESRCACC100001"]);
    expect(await pinnedRoots(join(roots, "not there"))).toEqual([]);
    const options = optionsAt(newPath(), { roots: await pinnedRoots(roots) });
    expect((await judgeDevice(real, proved, options)).trust).toBe("pinned");
  });

  test.each([
    ["issued by another", cvc["device_issuer"]?.full ?? ""],
    ["inherited parameters", pki["root"] ?? ""],
    ["forged", `${selfSigned.slice(0, -2)}00`],
    ["truncated", selfSigned.slice(0, -8)],
    ["not a certificate", "hello"],
  ])("%s is refused", async (_what, content) => {
    const path = newPath();
    writeFileSync(path, content);
    await expect(readRoot(path)).rejects.toMatchObject({ code: "ROOT_CERTIFICATE_INVALID", kind: "check-failed" });
  });

  test("a root that another one issued is none, whatever its role", async () => {
    const curve = curveByName("brainpoolP256r1");
    if (curve === undefined) throw new Error("no curve");
    const scalar = fromHex(pki["root_private"] ?? "");
    const publicKey = {
      kind: "ec",
      oid: ecdsaSha256Oid,
      point: publicPointOf(curve, scalar),
      curve: curve.name,
    } as const;
    for (const [car, role, accepted] of [
      ["UTROOT00001", 0xc0, true],
      ["UTROOT00002", 0xc0, false],
      ["UTROOT00001", 0x80, false],
    ] as const) {
      const path = newPath();
      const content = { car, chr: "UTROOT00001", publicKey, role };
      writeFileSync(
        path,
        buildCvc(content, (body) => ecdsaSign(curve, scalar, body, "sha256")),
      );
      const outcome = await readRoot(path).catch((error: unknown) => error);
      if (accepted) expect(outcome).toMatchObject({ name: "UTROOT00001" });
      else expect(outcome).toMatchObject({ code: "ROOT_CERTIFICATE_INVALID" });
    }
  });

  test("a file that is not there", async () => {
    await expect(readRoot(newPath())).rejects.toMatchObject({ code: "ROOT_FILE_UNREADABLE", kind: "usage" });
  });
});

describe("--require-genuine", () => {
  async function admission(
    evidence: DeviceEvidence,
    prove: Parameters<ReturnType<typeof genuineOnly>>[1],
    path = newPath(),
  ) {
    const admit = genuineOnly(async () => optionsAt(path));
    return admit(evidence, prove).then(
      () => "admitted",
      (error: unknown) => (error instanceof HsmError ? `${error.kind} ${error.code}` : String(error)),
    );
  }

  test("the real token that proves its key is admitted, whatever its dates", async () => {
    expect(await admission(real, proved)).toBe("admitted");
    const late = genuineOnly(async () => optionsAt(newPath(), { now: new Date("2040-01-01") }));
    await expect(late(real, proved)).resolves.toBeUndefined();
  });

  test("all others are refused", async () => {
    expect(await admission(real, silent)).toBe("refused DEVICE_NOT_GENUINE");
    expect(await admission(real, copied)).toBe("refused DEVICE_KEY_NOT_THERE");
    expect(await admission(other, proved)).toBe("refused DEVICE_NOT_GENUINE");
    const path = newPath();
    const seen = "2026-01-02T03:04:05.000Z";
    const record = {
      key: "ab".repeat(32),
      chr: "x",
      trust: "genuine",
      version: "4.1",
      firstSeen: seen,
      lastSeen: seen,
    } as const;
    await fileKnownDevices(path).remember(real.identity.serial, record);
    expect(await admission(real, proved, path)).toBe("refused DEVICE_KEY_CHANGED");
  });
});

describe("the record of known devices", () => {
  test.each(["", "[]", "{}", '{"schemaVersion":1,"devices":{"A":{"key":"x"}}}', '{"schemaVersion":2,"devices":{}}'])(
    "%j is not taken for an empty one",
    async (content) => {
      const path = newPath();
      writeFileSync(path, content);
      await expect(fileKnownDevices(path).recall("A")).rejects.toMatchObject({
        code: "KNOWN_DEVICES_UNREADABLE",
        kind: "refused",
      });
    },
  );
});
