import { expect, test } from "vitest";
import { utf8Bytes } from "../../../../src/bytes/bytes.ts";
import type { LeafRef } from "../../../../src/services/vault/key-source.ts";
import { enrolPassphrase, passphraseSource } from "../../../../src/services/vault/openers/passphrase-source.ts";
import { enrolRecovery, recoverySource } from "../../../../src/services/vault/openers/recovery-source.ts";

const cheap = { logN: 10 };

test("a passphrase: possible only, asked once for all slots, and only when it is tried", async () => {
  const right = await enrolPassphrase(utf8Bytes("correct horse"), cheap);
  const other = await enrolPassphrase(utf8Bytes("battery staple"), cheap);
  const refs: LeafRef[] = [right, other].map(({ leaf }, slot) => ({ slot, leg: 0, leaf }));
  let asked = 0;
  const source = passphraseSource(async () => {
    asked++;
    return utf8Bytes("correct horse");
  });
  expect((await source.match(refs)).map(({ how }) => how)).toEqual(["possible", "possible"]);
  expect(asked).toBe(0);
  const keys = await source.keys(refs);
  expect([...keys.keys()]).toEqual([refs[0]]);
  await source.keys(refs);
  expect(asked).toBe(1);
  const key = [...keys.values()][0];
  await source.close();
  expect(key?.primitive === "x25519" && key.secret.every((byte) => byte === 0)).toBe(true);
});

test("a wrong passphrase is told, and not what it was", async () => {
  const { leaf } = await enrolPassphrase(utf8Bytes("correct horse"), cheap);
  const source = passphraseSource(async () => utf8Bytes("wrong-horse-96nZ13sb"));
  const error = await source.keys([{ slot: 1, leg: 0, leaf }]).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "VAULT_PASSPHRASE_WRONG", kind: "authentication" });
  expect(JSON.stringify(error) + String(error)).not.toContain("wrong-horse");
});

test("a short passphrase is refused when it is to be a new one", async () => {
  await expect(enrolPassphrase(utf8Bytes("1234567"), cheap)).rejects.toMatchObject({ code: "PASSPHRASE_TOO_SHORT" });
});

test("what enrolment made proves itself, and the phrase is left to its owner", async () => {
  const phrase = utf8Bytes("correct horse");
  const { leaf, source } = await enrolPassphrase(phrase, cheap);
  const ref = { slot: 1, leg: 0, leaf };
  expect((await source.keys([ref])).has(ref)).toBe(true);
  await source.close();
  expect(phrase).toEqual(utf8Bytes("correct horse"));
});

test("a recovery key: certain, from a file with comments, among several", async () => {
  const { identity, leaf } = enrolRecovery();
  const other = enrolRecovery();
  const text = `# created: 2026\n# public key: ${other.recipient}\n${other.identity}\r\n\n ${identity}\n`;
  const source = recoverySource(utf8Bytes(text));
  const ref = { slot: 1, leg: 0, leaf };
  expect(await source.match([ref, { ...ref, leaf: enrolRecovery().leaf }])).toEqual([{ ref, how: "certain" }]);
  const key = (await source.keys([ref])).get(ref);
  expect(key?.primitive === "x25519" && key.secret.length).toBe(32);
  await source.close();
  expect(key?.primitive === "x25519" && key.secret.every((byte) => byte === 0)).toBe(true);
});

test.each(["", "# nothing\n", "age1qqqq", "AGE-SECRET-KEY-1QQQQ"])("no recovery key: %j", (text) => {
  expect(() => recoverySource(utf8Bytes(text))).toThrow(expect.objectContaining({ code: "RECOVERY_KEY_INVALID" }));
});

test("a mistyped recovery key is found by its checksum and not repeated", () => {
  const { identity } = enrolRecovery();
  const typed = identity.replace(/.$/, (last) => (last === "Q" ? "P" : "Q"));
  try {
    recoverySource(utf8Bytes(typed));
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ code: "RECOVERY_KEY_INVALID" });
    expect(`${error}${JSON.stringify(error)}`).not.toContain(typed.slice(20, 50));
  }
});
