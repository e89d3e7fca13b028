import { createECDH, publicEncrypt } from "node:crypto";
import { expect, test } from "vitest";
import type { CardChannel } from "../../../src/apdu/channel.ts";
import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { smartCardHsmRedactor } from "../../../src/cards/smartcard-hsm/redactor.ts";
import { SmartCardHsm } from "../../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../../src/errors.ts";
import { KeyCard } from "../support/key-card.ts";

/** What a trace of the session would show: secret bytes blotted out, lengths kept. */
function recorded(card: KeyCard): { channel: CardChannel; lines: string[] } {
  const redactor = smartCardHsmRedactor();
  const lines: string[] = [];
  const blot = (bytes: Uint8Array, ranges: readonly { start: number; end: number }[]): string => {
    const copy = [...bytes].map((byte) => toHex(Uint8Array.of(byte)));
    for (const { start, end } of ranges) copy.fill("**", start, end);
    return copy.join("");
  };
  const transceive = async (command: Uint8Array): Promise<Uint8Array> => {
    const answer = await card.transceive(command);
    const exchange = redactor.redact(command, answer);
    lines.push(`${blot(command, exchange.command)} ${blot(answer, exchange.response)}`);
    return answer;
  };
  return {
    lines,
    channel: { atr: card.atr, where: card.where, transceive, reset: async () => {}, close: async () => {} },
  };
}

test("a trace of everything that keys are used for has no plaintext, secret, share or PIN in it", async () => {
  const card = KeyCard.loggedIn();
  const publicKey = card.addRsa(1);
  card.addEc(2);
  const { channel, lines } = recorded(card);
  const driver = await SmartCardHsm.open(channel);
  await driver.verifyUserPin(utf8Bytes("648219"));
  const share = new Uint8Array(32).map((_, i) => 0xa0 + i);
  await driver.importDkekShare(share).catch((error: unknown) => expect(error).toBeInstanceOf(HsmError));
  const aesKey = await driver.generateAesKey({ bits: 256, label: "aes" });
  const [rsa, ec] = await driver.listKeys({ metadata: true });
  if (rsa === undefined || ec?.publicKey?.kind !== "ec") throw new Error("keys are missing");

  const plaintext = utf8Bytes("the vault opens with this, sixteen by sixteen...");
  const peer = createECDH("prime256v1");
  const secrets = [utf8Bytes("648219"), share, plaintext, plaintext.subarray(0, 16)];
  const ciphertext = new Uint8Array(publicEncrypt({ key: publicKey, padding: 1 }, plaintext));
  secrets.push(await driver.decrypt(rsa, { scheme: "pkcs1" }, ciphertext));
  secrets.push(await driver.decrypt(rsa, { scheme: "raw" }, ciphertext));
  secrets.push(await driver.deriveEcdh(ec, new Uint8Array(peer.generateKeys())));
  const sealed = await driver.aesEncrypt(aesKey, plaintext);
  await driver.aesDecrypt(aesKey, sealed);
  secrets.push(await driver.aesCmac(aesKey, plaintext));
  secrets.push(await driver.aesDerive(aesKey, plaintext));
  const onlyOnCard = { ...rsa, metadata: { algorithms: [0x33], usesLeft: null, domain: null } };
  await driver.sign(onlyOnCard, { scheme: "pkcs1", hash: "sha256" }, plaintext);
  secrets.push(await driver.sign(rsa, { scheme: "raw" }, ciphertext));

  const trace = lines.join("\n");
  for (const secret of secrets) expect(trace).not.toContain(toHex(secret));
  // What is public stays readable: the list, the key's algorithms, the ciphertexts.
  expect(trace).toContain("80580000000000 ");
  expect(trace).toContain(toHex(ciphertext));
  expect(trace).toMatch(/00A4000002CC0200 62/);
});

test("errors about keys carry no input", async () => {
  const card = KeyCard.loggedIn();
  card.addRsa(1);
  const driver = await SmartCardHsm.open(card);
  await driver.verifyUserPin(utf8Bytes("648219"));
  const key = await driver.readKey(1);
  const input = fromHex("DEADBEEF".repeat(32));
  for (const answer of ["6A80", "6F00", "6985", "AABBCC9000"]) {
    card.nextAnswer = fromHex(answer);
    const error: unknown = await driver.sign(key, { scheme: "raw" }, input).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(HsmError);
    if (!(error instanceof HsmError)) continue;
    const said = JSON.stringify([error.message, error.advice, error.details]);
    expect(said).not.toMatch(/DEADBEEF|AABBCC/i);
  }
});
