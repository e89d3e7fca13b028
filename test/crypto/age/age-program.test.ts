import { spawn, spawnSync } from "node:child_process";
import { constants, generateKeyPairSync, privateDecrypt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { concat, equal, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { openAgeFile, sealAgeFile } from "../../../src/crypto/age/age-file.ts";
import { decodeArmor, encodeArmor } from "../../../src/crypto/age/armor.ts";
import { unwrapScrypt, wrapScrypt } from "../../../src/crypto/age/scrypt.ts";
import { sshRsaMatches, unwrapSshRsa, wrapSshRsa } from "../../../src/crypto/age/ssh-rsa.ts";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";
import {
  newX25519Identity,
  parseX25519Identity,
  parseX25519Recipient,
  unwrapX25519,
  wrapX25519,
} from "../../../src/crypto/age/x25519.ts";
import { publicKeySsh } from "../../../src/crypto/keys/public-key-formats.ts";
import { describeWith } from "../../support/needs.ts";

const fileKey = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
/** More than two chunks, and no whole number of them. */
const plain = Uint8Array.from({ length: 150_001 }, (_, i) => (i * 7 + (i >> 9)) & 0xff);

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hsmadm-age-"));
  writeFileSync(join(folder, "plain"), plain);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function path(name: string, content?: string | Uint8Array): string {
  const whole = join(folder, name);
  if (content !== undefined) writeFileSync(whole, content, { mode: 0o600 });
  return whole;
}

function age(...args: string[]): Uint8Array {
  const done = spawnSync("age", args, { maxBuffer: 1e8 });
  expect(done.stderr.toString()).toBe("");
  expect(done.status).toBe(0);
  return new Uint8Array(done.stdout);
}

async function collected(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return concat(...parts);
}

async function sealed(...stanzas: Stanza[]): Promise<Uint8Array> {
  return await collected(sealAgeFile(stanzas, fileKey, [plain]));
}

async function opens(file: Uint8Array, unwrap: (stanza: Stanza) => Promise<Uint8Array | null> | Uint8Array | null) {
  const { payload } = await openAgeFile([file], async (stanzas) => {
    for (const stanza of stanzas) {
      const found = await unwrap(stanza);
      if (found !== null) return found;
    }
    return null;
  });
  return equal(await collected(payload), plain);
}

describeWith(["age"], "the age program and X25519", () => {
  const { identity, recipient } = newX25519Identity();
  const secret = parseX25519Identity(identity).secret;
  const stranger: Stanza = { type: "example.org/unknown", args: ["a".repeat(1024)], body: new Uint8Array(700) };

  test("it opens what we sealed, among stanzas that it does not know, and armored", async () => {
    const file = await sealed(stranger, wrapX25519(fileKey, parseX25519Recipient(recipient)), stranger);
    const key = path("key.txt", `# ours\n${identity}\n`);
    expect(equal(age("-d", "-i", key, path("ours.age", file)), plain)).toBe(true);
    expect(equal(age("-d", "-i", key, path("ours.txt", encodeArmor(file))), plain)).toBe(true);
  });

  test("we open what it sealed, and read its armor", async () => {
    const unwrap = (stanza: Stanza): Uint8Array | null => unwrapX25519(stanza, secret);
    const other = newX25519Identity().recipient;
    expect(await opens(age("-r", other, "-r", recipient, path("plain")), unwrap)).toBe(true);
    const armored = age("-a", "-r", recipient, path("plain"));
    expect(await opens(decodeArmor(armored), unwrap)).toBe(true);
    expect(equal(encodeArmor(decodeArmor(armored)), armored)).toBe(true);
  });

  test("it refuses what we sealed when a byte of the header is another", async () => {
    const file = await sealed(stranger, wrapX25519(fileKey, parseX25519Recipient(recipient)));
    file[30] = 0x62;
    const done = spawnSync("age", ["-d", "-i", path("key2.txt", identity), path("bad.age", file)]);
    expect([done.status, done.stderr.toString()]).toEqual([1, expect.stringContaining("bad header MAC")]);
  });
});

describeWith(["age"], "the age program and RSA keys of SSH", () => {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { n = "", e = "" } = pair.publicKey.export({ format: "jwk" });
  const key = { modulus: fromBase64Url(n), exponent: fromBase64Url(e) };

  test("we open what it sealed for an ssh-rsa line, with the raw operation of the key alone", async () => {
    const line = path("id_rsa.pub", publicKeySsh({ kind: "rsa", ...key }));
    const file = age("-R", line, path("plain"));
    const raw = async (ciphertext: Uint8Array): Promise<Uint8Array> =>
      new Uint8Array(privateDecrypt({ key: pair.privateKey, padding: constants.RSA_NO_PADDING }, ciphertext));
    const unwrap = async (stanza: Stanza): Promise<Uint8Array | null> =>
      sshRsaMatches(stanza, key) ? await unwrapSshRsa(stanza, key, raw) : null;
    expect(await opens(file, unwrap)).toBe(true);
  });

  test("it opens what we sealed with the private key", async () => {
    const pem = path("id_rsa", pair.privateKey.export({ format: "pem", type: "pkcs1" }).toString());
    expect(equal(age("-d", "-i", pem, path("rsa.age", await sealed(wrapSshRsa(fileKey, key)))), plain)).toBe(true);
  });
});

describeWith(["age", "script"], "the age program and passphrases", () => {
  const passphrase = "correct horse battery";

  test("it opens what we sealed", async () => {
    const stanza = await wrapScrypt(fileKey, utf8Bytes(passphrase), { workFactor: 12 });
    const file = path("pass.age", await sealed(stanza));
    const out = path("pass.out");
    await atTerminal(`age -d -o ${out} ${file}`, [passphrase]);
    expect(equal(new Uint8Array(readFileSync(out)), plain)).toBe(true);
  });

  test("we open what it sealed", async () => {
    const file = path("theirs-pass.age");
    await atTerminal(`age -p -o ${file} ${path("plain")}`, [passphrase, passphrase]);
    const unwrap = async (stanza: Stanza): Promise<Uint8Array | null> =>
      await unwrapScrypt(stanza, utf8Bytes(passphrase));
    expect(await opens(new Uint8Array(readFileSync(file)), unwrap)).toBe(true);
  });
});

/** Runs a command at a terminal of its own; each answer is typed when the terminal asks, that is, prints a colon. */
async function atTerminal(command: string, answers: readonly string[]): Promise<void> {
  const child = spawn("script", ["-qfec", command, "/dev/null"], { stdio: "pipe" });
  let shown = "";
  let asked = 0;
  child.stdout.on("data", (data: Uint8Array) => {
    shown += new TextDecoder().decode(data);
    const colons = shown.split(": ").length - 1;
    for (; asked < Math.min(colons, answers.length); asked++) child.stdin.write(`${answers[asked]}\n`);
  });
  const status = await new Promise((resolve) => child.on("close", resolve));
  expect([status, asked], shown).toEqual([0, answers.length]);
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
