import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeBech32 } from "../../../src/crypto/age/bech32.ts";
import { describeWith } from "../../support/needs.ts";
import { fileOf, golden, type Opener } from "./support/golden.ts";
import { rsaPrivateKey } from "./support/software-keys.ts";

function vaultNamed(name: string) {
  const found = golden().vaults.find((vault) => vault.name === name);
  if (found === undefined) throw new Error(name);
  return found;
}

describeWith(["age"], "the age program itself", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "hsmadm-vault-age-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function recoveryFile(): string {
    const [opener] = vaultNamed("recovery").openers as [Extract<Opener, { kind: "recovery" }>];
    const path = join(folder, "recovery.txt");
    const secret = new Uint8Array(Buffer.from(opener.secret, "hex"));
    writeFileSync(path, `${encodeBech32("age-secret-key-", secret).toUpperCase()}\n`, { mode: 0o600 });
    return path;
  }

  test("opens a vault with the recovery key, and its payload is JSON", () => {
    const input = fileOf(vaultNamed("recovery"));
    const plain = execFileSync("age", ["-d", "-i", recoveryFile()], { input, encoding: "utf8" });
    const { secrets } = JSON.parse(plain) as { secrets: Record<string, { value: string }> };
    expect(atob(secrets["borg/laptop"]?.value ?? "")).toBe("correct horse");
  });

  test("opens a vault with the RSA key as an SSH key", () => {
    const key = join(folder, "id_rsa");
    writeFileSync(key, rsaPrivateKey(0).export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
    const plain = execFileSync("age", ["-d", "-i", key], { input: fileOf(vaultNamed("card-rsa")), encoding: "utf8" });
    expect(plain).toContain('"borg/laptop"');
  });

  test.each(["passphrase", "brainpoolP512r1", "all-of", "threshold"])(
    "passes by the stanzas of a %s slot and says that no key fits",
    (name) => {
      const run = spawnSync("age", ["-d", "-i", recoveryFile()], { input: fileOf(vaultNamed(name)), encoding: "utf8" });
      expect(run.stderr).toMatch(/no identity matched/);
    },
  );
});
