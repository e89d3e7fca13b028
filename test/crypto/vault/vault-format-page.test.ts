import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import { hkdf32 } from "../../../src/crypto/vault/kdf.ts";
import { domains, limits, stanzaTypes } from "../../../src/crypto/vault/names.ts";
import { parseDocument } from "../../../src/services/vault/document/document-json.ts";
import { fileOf, type GoldenVault, golden, type Opener } from "./support/golden.ts";
import { type Key, openVault } from "./support/independent-reader.ts";
import { rsaPrivateKey } from "./support/software-keys.ts";

const path = new URL("../../../docs/vault-format.md", import.meta.url);

function vaultNamed(name: string): GoldenVault {
  const found = golden().vaults.find((vault) => vault.name === name);
  if (found === undefined) throw new Error(name);
  return found;
}

function ownKey(opener: Opener): Key {
  const raw = (hex: string) => Buffer.from(hex, "hex");
  switch (opener.kind) {
    case "card-ec":
      return { ...opener, scalar: raw(opener.scalar) };
    case "card-rsa":
      return { kind: opener.kind, key: rsaPrivateKey(opener.testKey) };
    case "card-aes":
      return { kind: opener.kind, aesKey: raw(opener.aesKey) };
    case "fido2":
      return { kind: opener.kind, hmacSecret: raw(opener.hmacSecret) };
    case "passphrase":
      return { kind: opener.kind, passphrase: Buffer.from(opener.passphrase) };
    case "recovery":
      return { kind: opener.kind, secret: raw(opener.secret) };
  }
}

describe("a reader written from the page alone", () => {
  test.each(golden().vaults.map((vault) => [vault.name, vault] as const))("opens the golden vault %s", (_, vault) => {
    const { fileKey, document } = openVault(Buffer.from(fileOf(vault)), vault.openers.map(ownKey));
    expect(fileKey.toString("hex")).toBe(vault.fileKey);
    expect(document).toMatchObject({ hsmadm_vault: 1, gen: 1, prev: null, retired: [] });
    const secrets = document["secrets"] as Record<string, { value: string }>;
    expect(atob(secrets["borg/laptop"]?.value ?? "")).toBe("correct horse");
  });

  test("opens the threshold with any three of seven, not with two", () => {
    const vault = vaultNamed("threshold");
    const file = Buffer.from(fileOf(vault));
    for (const there of [
      [0, 1, 2],
      [1, 3, 6],
      [4, 5, 6],
    ]) {
      const keys = vault.openers.map((opener, leg) => (there.includes(leg) ? ownKey(opener) : null));
      expect(openVault(file, keys).fileKey.toString("hex")).toBe(vault.fileKey);
      expect(() => openVault(file, keys.with(there[0] ?? 0, null))).toThrow();
    }
  });
});

test("its payload is what the vault itself writes and reads", () => {
  const vault = vaultNamed("recovery");
  const { document } = openVault(Buffer.from(fileOf(vault)), vault.openers.map(ownKey));
  const text = JSON.stringify(document);
  const padded = text.padEnd(Math.ceil(text.length / 1024) * 1024);
  expect(parseDocument(new TextEncoder().encode(padded)).id).toBe(golden().seed["id"]);
});

test("the page names every stanza, every domain string and every limit", () => {
  const page = readFileSync(path, "utf8");
  for (const type of Object.values(stanzaTypes)) expect(page).toContain(`-> ${type} 1`);
  for (const domain of Object.values(domains)) expect(page).toMatch(new RegExp(`["\`]${domain}["\`]`));
  expect(page).toContain(`${limits.slots} slots, numbers 1 to ${limits.slotId}`);
  expect(page).toContain(`${limits.legsMin} to ${limits.legsMax} legs`);
  expect(page).toContain(`at most ${limits.textLength} code\npoints`);
  expect(page).toContain(`at most ${limits.headerBytes} bytes`);
  expect(page).toContain(`${limits.rsaBitsMin} to ${limits.rsaBitsMax} bits`);
  expect(page).toContain(`id (1-${limits.credentialIdBytes} bytes)`);
});

/** What stands between the marks of the page, made of the vectors. `HSMADM_WRITE_GOLDEN=1` writes it there. */
const examples: Record<string, () => string[]> = {
  header: () => vaultNamed("passphrase").header,
  steps: () => {
    const vault = vaultNamed("passphrase");
    const source = golden().derived.find(({ kind }) => kind === "passphrase") ?? {};
    const line = vault.header.find((text) => text.startsWith("-> hsmadm/x25519")) ?? "";
    const share = Buffer.from(line.split(" ").at(-1) ?? "", "base64");
    return [
      `passphrase "${source["passphrase"]}", scrypt with N = 2^10, r = 8, p = 1`,
      `salt       ${source["salt"]}`,
      `given      ${source["given"]}`,
      `secret     ${source["secret"]}`,
      `pk         ${source["publicKey"]}`,
      `SHARE      ${share.toString("hex")}`,
      `file key   ${vault.fileKey}`,
    ];
  },
  threshold: () =>
    vaultNamed("threshold")
      .header.filter((line) => line.startsWith("-> "))
      .map((line) => (line.length > 72 ? `${line.slice(0, 72)}…` : line)),
  seed: () => {
    const { id, fileSecret, state, "zfs tank/home": zfs } = golden().seed;
    return [
      `vault id                    ${id}`,
      `file                        ${fileSecret}`,
      `state                       ${state}`,
      `zfs, context tank/home      ${zfs}`,
    ];
  },
};

test.each(Object.keys(examples))("the page's example: %s", (name) => {
  const page = readFileSync(path, "utf8");
  const block = `<!-- example ${name} -->\n\n${examples[name]?.()
    .map((line) => `    ${line}\n`)
    .join("")}\n<!-- /example -->`;
  if (process.env["HSMADM_WRITE_GOLDEN"] === "1") {
    const marks = new RegExp(`<!-- example ${name} -->[^]*?<!-- /example -->`);
    writeFileSync(
      path,
      page.replace(marks, () => block),
    );
  } else {
    expect(page).toContain(block);
  }
});

test("HKDF in the page's notation: 32 bytes, salt before info", () => {
  const { seed = "", state = "" } = golden().seed;
  expect(toHex(hkdf32(Buffer.from(seed, "hex"), "hsmadm-vault/v1", "state\0")).toLowerCase()).toBe(state);
});
