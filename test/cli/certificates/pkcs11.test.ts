import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeWith, missing, stackNeeds, withPcscd } from "../../support/needs.ts";
import { bin, describeBuilt, Running } from "../support/built.ts";
import { secretEnv } from "../support/officer.ts";
import { TestWorld } from "../support/test-io.ts";

const world = new TestWorld();
const story = fileURLToPath(new URL("pkcs11-story.sh", import.meta.url));
const needs = [...stackNeeds, "pkcs11-tool", "openssl"];

interface Step {
  readonly code: number;
  readonly out: string;
}

async function tell(): Promise<(name: string) => Step> {
  const env = { ...process.env, ...secretEnv, HSMADM_HOME: world.home, NODE: process.execPath, BIN: bin };
  const ended = await new Running(withPcscd, ["bash", story], { env }).ended;
  const steps = new Map<string, Step>();
  for (const match of ended.stdout.matchAll(/^=== (.+)\n([\s\S]*?)^--- (\d+)$/gm)) {
    steps.set(match[1] ?? "", { out: match[2] ?? "", code: Number(match[3]) });
  }
  if (steps.size === 0) throw new Error(`the story told nothing: ${ended.stdout}${ended.stderr}`);
  return (name) => steps.get(name) ?? { code: -1, out: `no step ${name}` };
}

const suite =
  missing(...needs) === null ? describeBuilt : (name: string, body: () => void) => describeWith(needs, name, body);

suite("certificates through pcscd, with OpenSC", () => {
  test("pkcs11-tool sees what we put, we see what it puts", { timeout: 120_000 }, async () => {
    const step = await tell();
    for (const name of ["self-sign tls", "self-sign root", "put authority", "objects"]) {
      expect(step(name), name).toMatchObject({ code: 0 });
    }
    const objects = step("objects").out;
    expect(objects).toMatch(/Certificate Object; type = X.509 cert\s+label: +tls[\s\S]*?ID: +a2b3/);
    expect(objects).toMatch(/Certificate Object; type = X.509 cert\s+label: +Outer Root[\s\S]*?ID: +e6/);
    expect(objects).toMatch(/Data object[\s\S]*?label: +'?attestation'?\s+application: +'?hsmadm'?/);
    expect(objects.match(/Private Key Object/g)).toHaveLength(3);
    for (const name of ["certificate", "same certificate", "authority", "same authority", "attestation", "sign"]) {
      expect(step(name), name).toMatchObject({ code: 0 });
    }
    expect(step("openssl").out).toContain("Verified OK");
    expect(step("opensc writes"), "opensc writes").toMatchObject({ code: 0 });
    expect(step("opensc writes beside"), "opensc writes beside").toMatchObject({ code: 0 });
    const { certificates } = JSON.parse(step("list").out) as { certificates: Record<string, unknown>[] };
    expect(certificates.map(({ holder, label, id, subject }) => [holder, label, id, subject])).toEqual([
      ["key", "tls", "A2B3", "CN=tls,O=Example"],
      ["key", "mail", "C4", "CN=Example Root"],
      // OpenSC counts from CA00, we from CA01.
      ["authority", "opensc-root", "F7", "CN=Outer Root"],
      ["authority", "Outer Root", "E6", "CN=Outer Root"],
    ]);
  });
});
