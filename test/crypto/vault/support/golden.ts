import { readFileSync } from "node:fs";
import { concat, utf8Bytes } from "../../../../src/bytes/bytes.ts";
import { toHex } from "../../../../src/bytes/hex.ts";
import { aesCmac } from "../../../../src/crypto/aes-cmac.ts";
import { buildAgeHeader } from "../../../../src/crypto/age/header.ts";
import { sealPayload } from "../../../../src/crypto/age/payload.ts";
import { x25519PublicKey } from "../../../../src/crypto/age/x25519.ts";
import { curveByName } from "../../../../src/crypto/curves/curves.ts";
import { privateScalar, publicPointOf } from "../../../../src/crypto/curves/ec-keys.ts";
import { aesCmacSecret, derivedX25519, passphraseSecret } from "../../../../src/crypto/vault/derived-key.ts";
import type { Leaf, SlotHolder } from "../../../../src/crypto/vault/leaf.ts";
import { splitSecret } from "../../../../src/crypto/vault/shamir.ts";
import { vaultStanzas } from "../../../../src/crypto/vault/vault-header.ts";
import { derive, fileIdentity, stateKey, vaultId } from "../../../../src/crypto/vault/vault-seed.ts";
import { encodeDocument } from "../../../../src/services/vault/document/document-json.ts";
import { curves, repeatable, softwareRsa } from "./software-keys.ts";

/**
 * Golden vaults: `test/vectors/vault-golden.json` holds what this makes out of fixed randomness, and what anybody needs to
 * open it. What files at rest look like must not change by accident.
 */
export type Opener =
  | { kind: "card-ec"; curve: string; scalar: string }
  | { kind: "card-rsa"; testKey: number }
  | { kind: "card-aes"; aesKey: string }
  | { kind: "fido2"; hmacSecret: string }
  | { kind: "passphrase"; passphrase: string }
  | { kind: "recovery"; secret: string };

export interface GoldenVault {
  name: string;
  /** Of slot 1, leg by leg. */
  openers: Opener[];
  fileKey: string;
  /** The lines of the header, the one with the MAC included. */
  header: string[];
  /** Base64. */
  payload: string;
}

export interface Golden {
  note: string;
  seed: Record<string, string>;
  derived: Record<string, string>[];
  shamir: { secret: string; needed: number; random: string[]; shares: string[] };
  vaults: GoldenVault[];
}

export const goldenPath = new URL("../../../vectors/vault-golden.json", import.meta.url);

export function golden(): Golden {
  return JSON.parse(readFileSync(goldenPath, "utf8")) as Golden;
}

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
const created = "2026-11-21T00:16:51Z";

export async function makeGolden(): Promise<Golden> {
  const vaults: GoldenVault[] = [];
  const one = (opened: Owned): SlotHolder => ({ kind: "one", leaf: opened.leaf });
  for (const curve of curves) vaults.push(await vault(curve, [ec(curve)], ([a]) => one(a as Owned)));
  for (const owner of [rsa(0), await aes(), fido(), await passphrase(), recovery()]) {
    vaults.push(await vault(owner.leaf.kind, [owner], ([a]) => one(a as Owned)));
  }
  const legs = [ec("secp256r1"), rsa(1), fido(), await aes(), ec("brainpoolP384r1"), await passphrase(), recovery()];
  vaults.push(await vault("all-of", legs, (all) => ({ kind: "all-of", legs: all.map(({ leaf }) => leaf) })));
  vaults.push(
    await vault("threshold", legs, (all) => ({ kind: "threshold", k: 3, legs: all.map(({ leaf }) => leaf) })),
  );
  return {
    note: "made by test/crypto/vault/support/golden.ts from fixed randomness; hex unless said otherwise; protects nothing",
    seed: seedVectors(),
    derived: await derivedVectors(),
    shamir: shamirVector(),
    vaults,
  };
}

interface Owned {
  readonly leaf: Leaf;
  readonly opener: Opener;
}

async function vault(name: string, owners: Owned[], holderOf: (owners: Owned[]) => SlotHolder): Promise<GoldenVault> {
  const random = repeatable(`golden vault ${name}`);
  const fileKey = random(16);
  const header = {
    vaultId: vaultId(seed),
    generation: 1,
    nextSlot: 2,
    fileRecipient: fileIdentity(seed).publicKey,
    slots: [{ id: 1, label: name, created, holder: holderOf(owners) }],
  };
  const value = utf8Bytes("correct horse");
  const payload = encodeDocument({
    id: header.vaultId,
    generation: 1,
    previous: null,
    created,
    updated: created,
    seed,
    secrets: new Map([["borg/laptop", { type: "text", value, revision: 1, created, updated: created }]]),
    retired: [],
  });
  const bytes = buildAgeHeader(await vaultStanzas(header, fileKey, random), fileKey);
  return {
    name,
    openers: owners.map(({ opener }) => opener),
    fileKey: hex(fileKey),
    header: new TextDecoder().decode(bytes).trimEnd().split("\n"),
    payload: Buffer.from(sealPayload(fileKey, payload, random(16))).toString("base64"),
  };
}

const card = {
  serial: "DENK0102296",
  keyLabel: "vault",
  keyRef: 3,
  ckaId: Uint8Array.of(1, 2, 3, 4),
  deviceKeyHash: new Uint8Array(16).fill(0xdd),
};

function ec(name: string): Owned {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(name);
  const scalar = privateScalar(curve, repeatable(`golden key ${name}`));
  return {
    leaf: { kind: "card-ec", curve: name, point: publicPointOf(curve, scalar), card },
    opener: { kind: "card-ec", curve: name, scalar: hex(scalar) },
  };
}

function rsa(testKey: number): Owned {
  return { leaf: softwareRsa(testKey).leaf, opener: { kind: "card-rsa", testKey } };
}

const fidoSalt = repeatable("golden fido salt")(32);
const fidoOutput = repeatable("golden fido output")(32);

function fido(): Owned {
  const random = repeatable("golden fido credential");
  const { publicKey } = derivedX25519("fido2", fidoOutput, fidoSalt);
  const credential = {
    id: random(64),
    rpId: "hsmadm",
    salt: fidoSalt,
    aaguid: random(16),
    uv: true,
    credProtect: 2,
    alg: -7,
  };
  return { leaf: { kind: "fido2", publicKey, credential }, opener: { kind: "fido2", hmacSecret: hex(fidoOutput) } };
}

const aesKey = repeatable("golden aes key")(32);
const aesSalt = repeatable("golden aes salt")(16);

async function aesGiven(): Promise<Uint8Array> {
  return aesCmacSecret(async (message) => aesCmac(aesKey, message), aesSalt);
}

async function aes(): Promise<Owned> {
  const { publicKey } = derivedX25519("card-aes", await aesGiven(), aesSalt);
  return {
    leaf: { kind: "card-aes", publicKey, salt: aesSalt, card: {} },
    opener: { kind: "card-aes", aesKey: hex(aesKey) },
  };
}

const phrase = "tractor honey plum";
const scrypt = { logN: 10, r: 8, p: 1, salt: repeatable("golden scrypt salt")(16) };

async function passphrase(): Promise<Owned> {
  const { publicKey } = derivedX25519("passphrase", await passphraseSecret(utf8Bytes(phrase), scrypt), scrypt.salt);
  return { leaf: { kind: "passphrase", publicKey, scrypt }, opener: { kind: "passphrase", passphrase: phrase } };
}

function recovery(): Owned {
  const secret = repeatable("golden recovery key")(32);
  return {
    leaf: { kind: "recovery", publicKey: x25519PublicKey(secret) },
    opener: { kind: "recovery", secret: hex(secret) },
  };
}

function seedVectors(): Record<string, string> {
  const file = fileIdentity(seed);
  return {
    seed: hex(seed),
    id: vaultId(seed),
    fileSecret: hex(file.secret),
    filePublic: hex(file.publicKey),
    state: hex(stateKey(seed)),
    "zfs tank/home": hex(derive(seed, "zfs", "tank/home")),
  };
}

async function derivedVectors(): Promise<Record<string, string>[]> {
  const rows: [Parameters<typeof derivedX25519>[0], Uint8Array, Uint8Array, Record<string, string>][] = [
    ["fido2", fidoOutput, fidoSalt, {}],
    ["card-aes", await aesGiven(), aesSalt, { aesKey: hex(aesKey) }],
    ["passphrase", await passphraseSecret(utf8Bytes(phrase), scrypt), scrypt.salt, { passphrase: phrase }],
  ];
  return rows.map(([kind, given, salt, more]) => {
    const { secret, publicKey } = derivedX25519(kind, given, salt);
    return { kind, ...more, salt: hex(salt), given: hex(given), secret: hex(secret), publicKey: hex(publicKey) };
  });
}

function shamirVector(): Golden["shamir"] {
  const secret = Uint8Array.from({ length: 16 }, (_, i) => 0x10 + i);
  const used: string[] = [];
  const source = repeatable("golden shares");
  const shares = splitSecret(secret, 3, 5, (length) => {
    const bytes = source(length);
    used.push(hex(bytes));
    return bytes;
  });
  return { secret: hex(secret), needed: 3, random: used, shares: shares.map(hex) };
}

/** The whole file of a golden vault. */
export function fileOf({ header, payload }: GoldenVault): Uint8Array {
  return concat(utf8Bytes(`${header.join("\n")}\n`), new Uint8Array(Buffer.from(payload, "base64")));
}

function hex(bytes: Uint8Array): string {
  return toHex(bytes).toLowerCase();
}
