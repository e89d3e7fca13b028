import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { simulatorRoot } from "../../../src/crypto/cvc/simulator-pki.ts";
import { violations } from "../support/json-schema.ts";
import { Officer, secrets } from "../support/officer.ts";
import { TestWorld } from "../support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

function schemaOf(name: string): Record<string, unknown> {
  const path = new URL(`../../../docs/schema/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
}

async function told(code: number, argv: string, now?: Date): Promise<Record<string, unknown>> {
  const document = await officer.document(code, argv, now === undefined ? {} : { now });
  const name = document["error"] === undefined ? argv.split(" ").slice(0, 2).join("-") : "error";
  expect(violations(schemaOf(name), document), argv).toEqual([]);
  return document;
}

async function codeOf(exit: number, argv: string, now?: Date): Promise<unknown> {
  return ((await told(exit, argv, now))["error"] as { code: unknown }).code;
}

const root = join(world.home, "simulator.cvc");
const otherRoot = join(world.home, "other.cvc");
const vectors = JSON.parse(readFileSync(new URL("../../vectors/cvc.json", import.meta.url), "utf8")) as Record<
  string,
  { full: string }
>;

beforeAll(async () => {
  writeFileSync(root, simulatorRoot);
  writeFileSync(otherRoot, vectors["root_DESRCACC100001"]?.full ?? "");
  await officer.initialised("g");
  await officer.gets(0, "simulator create p --profile pico");
  await officer.initialised("p");
  await officer.gets(0, "key generate --type ec:p256 --label k --device sim:g --pin env:PIN");
});

describe("device verify", () => {
  test("a simulated token says what it is, proves its key, and is known the second time", async () => {
    const first = await told(0, "device verify --device sim:g");
    expect(first).toMatchObject({
      trust: "simulated",
      possession: { status: "proved" },
      memory: { status: "first-seen" },
    });
    expect(await told(0, "device verify --device sim:g")).toMatchObject({ memory: { status: "known" } });
    expect((await officer.gets(0, "device verify --device sim:g")).stdout).toContain("SIMULATED: no hardware");
    expect(await codeOf(9, "device verify --device sim:g --require-genuine")).toBe("DEVICE_NOT_GENUINE");
  });

  test("an emulator is not verifiable: no error, not genuine", async () => {
    expect(await told(0, "device verify --device sim:p")).toMatchObject({ trust: "not-verifiable" });
    expect(await codeOf(9, "device verify --device sim:p --require-genuine")).toBe("DEVICE_NOT_GENUINE");
  });

  test("a root of the officer's, the right one and another", async () => {
    expect(await told(0, `device verify --device sim:g --root ${root}`)).toMatchObject({ trust: "pinned" });
    expect(await told(0, `device verify --device sim:g --root ${root} --require-genuine`)).toMatchObject({ ok: true });
    expect(await codeOf(9, `device verify --device sim:g --root ${otherRoot}`)).toBe("DEVICE_ROOT_WRONG");
    expect(await codeOf(9, `device verify --device sim:p --root ${root}`)).toBe("DEVICE_ROOT_WRONG");
    expect(await codeOf(2, "device verify --device sim:g --root /nowhere")).toBe("ROOT_FILE_UNREADABLE");
  });

  test("another device under a known serial: exit 9 until the officer takes the new key", async () => {
    await officer.gets(0, "simulator create p2 --profile pico");
    await officer.initialised("p2");
    const changed = await told(9, "device verify --device sim:p2");
    const { code, details } = changed["error"] as { code: string; details: { verification: { memory: unknown } } };
    expect(code).toBe("DEVICE_KEY_CHANGED");
    expect(details.verification.memory).toMatchObject({ status: "changed", before: { trust: "not-verifiable" } });
    expect((await officer.does("device verify --device sim:p2")).stdout).toContain("It may be:");
    await told(0, "device verify --device sim:p2 --accept-new-key --dry-run");
    expect(await codeOf(9, "device verify --device sim:p2")).toBe("DEVICE_KEY_CHANGED");
    await told(0, "device verify --device sim:p2 --accept-new-key");
    expect(await told(0, "device verify --device sim:p2")).toMatchObject({ memory: { status: "known" } });
    expect(await codeOf(9, "device verify --device sim:p")).toBe("DEVICE_KEY_CHANGED");
  });

  test("a recording is judged again, proves nothing and is not remembered", async () => {
    const trace = join(world.home, "verify.apdu");
    await told(0, `device verify --device sim:g --trace ${trace}`);
    expect(await told(0, `device verify --device trace:${trace}`)).toMatchObject({
      trust: "simulated",
      possession: { status: "not-proved", reason: "a recording proves nothing now" },
      memory: { status: "first-seen" },
    });
  });

  test("dates", async () => {
    const late = new Date("2101-01-01T00:00:00Z");
    expect(await codeOf(9, "device verify --device sim:g", late)).toBe("DEVICE_CERTIFICATE_EXPIRED");
    expect(await codeOf(9, "device verify --device sim:g", new Date("2025-01-01T00:00:00Z"))).toBe(
      "DEVICE_CERTIFICATE_NOT_YET_VALID",
    );
    expect(await told(0, "device verify --device sim:g --ignore-dates", late)).toMatchObject({
      dates: { status: "expired", date: "2099-12-31" },
    });
  });
});

describe("--require-genuine", () => {
  const withPin = [
    "pin verify --pin env:WRONG",
    "pin change --pin env:WRONG --new-pin env:NEW",
    "so-pin change --so-pin env:WRONGSO --new-so-pin env:NEWSO",
    "pin unblock --so-pin env:WRONGSO --new-pin env:NEW",
    "key sign k --in /dev/null --out - --pin env:WRONG",
    "key generate --type ec:p256 --label n --pin env:WRONG",
    "device label other --pin env:WRONG",
    "device init --so-pin env:WRONGSO --pin env:NEW --dkek-shares none --yes",
    "cert csr k --subject CN=a --pin env:WRONG",
  ];
  test.each(withPin)("%s: no PIN is sent to a simulated token", async (argv) => {
    const before = await officer.tries("g");
    const { code, stderr } = await officer.does(`${argv} --device sim:g --require-genuine`);
    expect(code, stderr).toBe(5);
    expect(stderr).toContain("no PIN was sent: UTSIM");
    expect(await officer.tries("g")).toEqual(before);
  });

  test("a FIDO2 authenticator cannot prove what it is", async () => {
    const { code, stderr } = await officer.does("fido pin set --new-pin env:NEW --device sim-fido:f --require-genuine");
    expect(code, stderr).toBe(5);
    expect(stderr).toContain("no new FIDO2 PIN was sent");
    await officer.gets(0, "fido info --device sim-fido:f --require-genuine");
  });

  test("what needs no PIN works as ever", async () => {
    await officer.gets(0, "key list --device sim:g --require-genuine");
  });

  test("a token under a root the officer pinned is given its PIN, an emulator is not", async () => {
    mkdirSync(join(world.home, "roots"));
    writeFileSync(join(world.home, "roots", "mine.cvc"), simulatorRoot);
    await officer.gets(0, "pin verify --pin env:PIN --device sim:g --require-genuine");
    await officer.gets(4, "pin verify --pin env:WRONG --device sim:g --require-genuine");
    await officer.gets(0, "pin verify --pin env:PIN --device sim:g --require-genuine");
    await officer.gets(5, "pin verify --pin env:PIN --device sim:p2 --require-genuine");
  });
});

describe("attest", () => {
  const file = world.path("k.attestation");

  test("key and verify, from a token to a machine without one", async () => {
    await told(0, `attest key k --out ${file} --device sim:g --dry-run`);
    expect(await told(0, `attest key k --out ${file} --device sim:g`)).toMatchObject({ doubt: null });
    const verified = await told(0, `attest verify ${file}`);
    expect(verified).toMatchObject({ proved: true, key: { kind: "ec", curve: "secp256r1" } });
    const pem = world.path("k.pem");
    await officer.gets(0, `key public k --out ${pem} --device sim:g`);
    await told(0, `attest verify ${file} --public-key ${pem}`);
    const { stdout } = await officer.gets(0, `attest verify ${file} --pem`);
    expect(stdout).toBe(readFileSync(pem, "utf8"));
    await told(0, "attest key k --device sim:g");
  });

  test("also when a certificate has taken the request's place", async () => {
    await officer.gets(0, "cert self-sign k --subject CN=k --put --device sim:g --pin env:PIN");
    const again = world.path("again.attestation");
    await told(0, `attest key k --out ${again} --device sim:g`);
    expect(readFileSync(again, "utf8")).toBe(readFileSync(file, "utf8"));
  });

  test("any doubt is exit 9", async () => {
    const document = JSON.parse(readFileSync(file, "utf8")) as { request: string; certificates: string[] };
    const [device = "", issuer = ""] = document.certificates;
    const changed = world.path("changed");
    const cases: [string, object][] = [
      ["ATTESTATION_CERTIFICATES_SWAPPED", { certificates: [issuer, device] }],
      ["ATTESTATION_REQUEST_FORGED", { request: `${document.request.slice(0, -2)}00` }],
      ["ATTESTATION_CERTIFICATE_UNREADABLE", { request: document.request.slice(0, -8) }],
      ["ATTESTATION_ROOT_UNKNOWN", { certificates: [device] }],
      ["ATTESTATION_FILE_INVALID", { certificates: [] }],
    ];
    for (const [code, change] of cases) {
      writeFileSync(changed, JSON.stringify({ ...document, ...change }));
      expect(await codeOf(9, `attest verify ${changed}`)).toBe(code);
    }
    expect(await codeOf(9, `attest verify ${file} --root ${otherRoot}`)).toBe("ATTESTATION_ROOT_WRONG");
    expect(await codeOf(9, `attest verify ${file} --at 2025-01-01`)).toBe("ATTESTATION_NOT_YET_VALID");
    expect(await codeOf(9, `attest verify ${file} --at 2100-01-01`)).toBe("ATTESTATION_EXPIRED");
    expect(await codeOf(2, `attest verify ${file} --at tomorrow`)).toBe("OPTION_VALUE");
  });

  test("a simulated attestation is told to be one, and is not genuine", async () => {
    // Without the root that another test pinned.
    const { stderr } = await officer.gets(0, `attest verify ${file}`, { env: { HSMADM_HOME: world.path("empty") } });
    expect(stderr).toContain("SIMULATED");
    const { code } = await officer.does(`attest verify ${file} --require-genuine`, {
      env: { HSMADM_HOME: world.path("empty") },
    });
    expect(code).toBe(9);
  });

  test("an emulator's attestation is written with a warning and believed by nobody", async () => {
    await officer.gets(0, "key generate --type ec:p256 --label k --device sim:p --pin env:PIN");
    const path = world.path("p.attestation");
    const { stderr } = await officer.gets(0, `attest key k --out ${path} --device sim:p`);
    expect(stderr).toContain("others will not believe it");
    await officer.gets(9, `attest verify ${path}`);
  });
});

test("nothing that was printed holds a PIN", () => {
  for (const secret of Object.values(secrets)) expect(world.printed).not.toContain(secret);
});
