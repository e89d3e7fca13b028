/**
 * Another program: reads vaults after docs/vault-format.md and age's specification, with nothing but node:crypto. It shares
 * no line with src; that it opens the golden vaults shows that the page tells enough.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  privateDecrypt,
  scryptSync,
} from "node:crypto";

export type Key =
  | { kind: "card-ec"; curve: string; scalar: Buffer }
  | { kind: "card-rsa"; key: KeyObject }
  | { kind: "card-aes"; aesKey: Buffer }
  | { kind: "fido2"; hmacSecret: Buffer }
  | { kind: "passphrase"; passphrase: Buffer }
  | { kind: "recovery"; secret: Buffer };

interface Stanza {
  args: string[];
  body: Buffer;
}

type Cbor = number | string | boolean | Buffer | Cbor[] | Map<number, Cbor>;

// --- age

function parse(file: Buffer): { stanzas: Stanza[]; macInput: Buffer; mac: Buffer; payload: Buffer } {
  const stanzas: Stanza[] = [];
  let at = file.indexOf("\n") + 1;
  for (;;) {
    const end = file.indexOf("\n", at);
    const line = file.subarray(at, end).toString("ascii");
    if (line.startsWith("--- ")) {
      const mac = Buffer.from(line.slice(4), "base64");
      return { stanzas, macInput: file.subarray(0, at + 3), mac, payload: file.subarray(end + 1) };
    }
    const last = stanzas.at(-1);
    if (line.startsWith("-> ")) stanzas.push({ args: line.slice(3).split(" "), body: Buffer.alloc(0) });
    else if (last !== undefined) last.body = Buffer.concat([last.body, Buffer.from(line, "base64")]);
    at = end + 1;
  }
}

function hmac(key: Buffer | string, data: Buffer): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

function hkdf(ikm: Buffer, salt: Buffer | string, info: Buffer | string): Buffer {
  return hmac(hmac(salt, ikm), Buffer.concat([Buffer.from(info), Buffer.of(1)]));
}

function aead(key: Buffer, sealed: Buffer, nonce: Buffer = Buffer.alloc(12)): Buffer {
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

function openPayload(fileKey: Buffer, payload: Buffer): Buffer {
  const key = Buffer.from(hkdfSync("sha256", fileKey, payload.subarray(0, 16), "payload", 32));
  const nonce = Buffer.alloc(12);
  nonce[11] = 1; // One chunk, the last.
  return aead(key, payload.subarray(16), nonce);
}

// --- CBOR, the little that descriptors need

function cbor(bytes: Buffer): Map<number, Cbor> {
  let at = 0;
  function item(): Cbor {
    const head = bytes.readUInt8(at++);
    const [major, minor] = [head >> 5, head & 31];
    if (major === 7) return minor === 21;
    let n = minor;
    if (minor >= 24) {
      const width = 1 << (minor - 24);
      n = Number(BigInt(`0x${bytes.subarray(at, at + width).toString("hex")}`));
      at += width;
    }
    if (major === 0) return n;
    if (major === 1) return -1 - n;
    if (major === 2 || major === 3) {
      const content = bytes.subarray(at, at + n);
      at += n;
      return major === 2 ? content : content.toString("utf8");
    }
    if (major === 4) return Array.from({ length: n }, item);
    return new Map(Array.from({ length: n }, (): [number, Cbor] => [item() as number, item()]));
  }
  const map = item();
  if (!(map instanceof Map) || at !== bytes.length) throw new Error("CBOR");
  return map;
}

// --- the slot

const u16 = (n: number): Buffer => Buffer.of(n >> 8, n & 255);
const lp = (x: Buffer | string): Buffer => Buffer.concat([u16(Buffer.from(x).length), Buffer.from(x)]);
const unbase64 = (text: string | undefined): Buffer => Buffer.from(text ?? "", "base64");

function agree(curve: string, scalar: Buffer, point: Buffer): Buffer {
  const ecdh = createECDH(curve === "secp256r1" ? "prime256v1" : curve);
  ecdh.setPrivateKey(scalar);
  return ecdh.computeSecret(point);
}

function x25519(secret: Buffer, point: Buffer): Buffer {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), secret]);
  const spki = Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), point]);
  return diffieHellman({
    privateKey: createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" }),
    publicKey: createPublicKey({ key: spki, format: "der", type: "spki" }),
  });
}

/** RFC 4493, for the 33 bytes at hand: two whole blocks and one byte. */
function cmac(key: Buffer, message: Buffer): Buffer {
  const block = (data: Buffer) =>
    createCipheriv(`aes-${8 * key.length}-ecb`, key, null)
      .setAutoPadding(false)
      .update(data);
  const double = (data: Buffer) => {
    const n = (BigInt(`0x${data.toString("hex")}`) << 1n) ^ ((data[0] ?? 0) & 128 ? 0x87n : 0n);
    return Buffer.from((n & ((1n << 128n) - 1n)).toString(16).padStart(32, "0"), "hex");
  };
  const k2 = double(double(block(Buffer.alloc(16))));
  const padded = Buffer.concat([message, Buffer.of(0x80), Buffer.alloc(14)]);
  for (let i = 0; i < 16; i++) padded[32 + i] = (padded[32 + i] ?? 0) ^ (k2[i] ?? 0);
  let state: Buffer = Buffer.alloc(16);
  for (let at = 0; at < 48; at += 16) state = block(Buffer.from(state.map((byte, i) => byte ^ (padded[at + i] ?? 0))));
  return state;
}

/** The X25519 secret of a leaf that is no card key. */
function leafSecret(leaf: Map<number, Cbor>, key: Key): Buffer {
  if (key.kind === "recovery") return key.secret;
  let given: Buffer;
  let salt: Buffer;
  if (key.kind === "fido2") {
    given = key.hmacSecret;
    salt = (leaf.get(5) as Map<number, Buffer>).get(3) as Buffer;
  } else if (key.kind === "card-aes") {
    salt = leaf.get(6) as Buffer;
    const m = Buffer.concat([Buffer.from("hsmadm/aes/v1\0"), salt, Buffer.of(1, 0)]);
    given = Buffer.concat([1, 2].map((i) => cmac(key.aesKey, Buffer.concat([Buffer.of(i), m]))));
  } else if (key.kind === "passphrase") {
    const scrypt = leaf.get(7) as Map<number, number | Buffer>;
    salt = scrypt.get(4) as Buffer;
    const [logN, r, p] = [1, 2, 3].map((field) => scrypt.get(field) as number) as [number, number, number];
    given = scryptSync(key.passphrase, salt, 32, { N: 2 ** logN, r, p, maxmem: 2 ** 30 });
  } else throw new Error("a card key");
  return hkdf(given, "hsmadm/derived/v1", Buffer.concat([lp(key.kind), lp(salt)]));
}

function mgf(seed: Buffer, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    createHash("sha256")
      .update(seed)
      .update(Buffer.of(0, 0, 0, i))
      .digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

/** RSAES-OAEP by hand, as a program over a card's raw RSA has to. */
function oaep(key: KeyObject, ciphertext: Buffer, label: string): Buffer {
  const block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, ciphertext);
  const xor = (a: Buffer, b: Buffer) => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));
  const data = block.subarray(33);
  const plain = xor(data, mgf(xor(block.subarray(1, 33), mgf(data, 32)), data.length));
  if (!plain.subarray(0, 32).equals(createHash("sha256").update(label).digest())) throw new Error("OAEP");
  return plain.subarray(plain.indexOf(1, 32) + 1);
}

function openOne(slot: number, leaf: Map<number, Cbor>, { args, body }: Stanza, key: Key): Buffer {
  const pk = leaf.get(2) as Buffer;
  const [type] = args;
  const last = unbase64(args.at(-1));
  if (type === "ssh-rsa" && key.kind === "card-rsa") return oaep(key.key, body, "age-encryption.org/v1/ssh-rsa");
  if (type === "X25519") {
    const info = "age-encryption.org/v1/X25519";
    return aead(hkdf(x25519(leafSecret(leaf, key), last), Buffer.concat([last, pk]), info), body);
  }
  if (type === "hsmadm/x25519") {
    const salt = Buffer.concat([last, pk, u16(slot)]);
    return aead(hkdf(x25519(leafSecret(leaf, key), last), salt, "hsmadm/x25519/v1"), body);
  }
  if (key.kind !== "card-ec") throw new Error("kind");
  const x = agree(key.curve, key.scalar, last);
  if (type === "p256tag") {
    const { key: sealing, nonce } = hpke(x, last, pk);
    return aead(sealing, body, nonce);
  }
  const hash = createHash("sha256").update(pk).digest().subarray(0, 4);
  const tag = hmac("hsmadm/ecdh/v1/tag", Buffer.concat([last, hash])).subarray(0, 4);
  if (args[2] !== key.curve || !unbase64(args[3]).equals(tag)) throw new Error("tag");
  return aead(hkdf(x, "hsmadm/ecdh/v1", Buffer.concat([Buffer.from(`wrap\0${key.curve}\0`), last, pk])), body);
}

/** DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305 in base mode (RFC 9180). */
function hpke(x: Buffer, enc: Buffer, pk: Buffer): { key: Buffer; nonce: Buffer } {
  const kem = Buffer.from("KEM\0\x10", "latin1");
  const suite = Buffer.from("HPKE\0\x10\0\x01\0\x03", "latin1");
  const extract = (id: Buffer, salt: Buffer, label: string, ikm: Buffer) =>
    hmac(salt, Buffer.concat([Buffer.from("HPKE-v1"), id, Buffer.from(label), ikm]));
  const expand = (id: Buffer, prk: Buffer, label: string, info: Buffer, length: number) =>
    hmac(
      prk,
      Buffer.concat([u16(length), Buffer.from("HPKE-v1"), id, Buffer.from(label), info, Buffer.of(1)]),
    ).subarray(0, length);
  const none = Buffer.alloc(0);
  const shared = expand(kem, extract(kem, none, "eae_prk", x), "shared_secret", Buffer.concat([enc, pk]), 32);
  const context = Buffer.concat([
    Buffer.of(0),
    extract(suite, none, "psk_id_hash", none),
    extract(suite, none, "info_hash", Buffer.from("age-encryption.org/p256tag")),
  ]);
  const secret = extract(suite, shared, "secret", none);
  return { key: expand(suite, secret, "key", context, 32), nonce: expand(suite, secret, "base_nonce", context, 12) };
}

function legSecret(scheme: "and" | "sss", numbers: number[], leaf: Map<number, Cbor>, enc: Buffer, key: Key): Buffer {
  let raw: Buffer;
  if (key.kind === "card-ec") raw = agree(key.curve, key.scalar, enc);
  else if (key.kind === "card-rsa") raw = oaep(key.key, enc, "hsmadm/rsa/v1");
  else raw = x25519(leafSecret(leaf, key), enc);
  const curve = key.kind === "card-ec" ? key.curve : "";
  const info = [lp(scheme), ...numbers.map(u16), lp(key.kind), lp(curve), lp(enc), lp(legKey(leaf))];
  return hkdf(raw, "hsmadm/leg/v1", Buffer.concat(info));
}

function legKey(leaf: Map<number, Cbor>): Buffer {
  const pk = leaf.get(2) as Buffer;
  return leaf.get(1) === "card-rsa" ? Buffer.concat([lp(leaf.get(3) as Buffer), lp(pk)]) : pk;
}

function openAll(slot: number, legs: Map<number, Cbor>[], stanzas: Stanza[], keys: Key[]): Buffer {
  const n = legs.length;
  const encs = stanzas.map(({ args }) => unbase64(args.at(-1)));
  const secrets = legs.map((leaf, i) => legSecret("and", [slot, i + 1, n, n], leaf, encs[i] as Buffer, keys[i] as Key));
  const info = legs.flatMap((leaf, i) => [lp(leaf.get(1) as string), lp(encs[i] as Buffer), lp(legKey(leaf))]);
  const key = hkdf(Buffer.concat(secrets), "hsmadm/and/v1", Buffer.concat([u16(slot), u16(n), ...info]));
  return aead(key, (stanzas[0] as Stanza).body);
}

const exp: number[] = [];
const log: number[] = [];
for (let i = 0, x = 1; i < 255; i++) {
  exp[i] = x;
  log[x] = i;
  x ^= (x << 1) ^ (x & 128 ? 0x11b : 0); // 3 generates the field's group.
}
const times = (a: number, b: number): number =>
  a && b ? (exp[((log[a] as number) + (log[b] as number)) % 255] as number) : 0;
const over = (a: number, b: number): number =>
  a ? (exp[((log[a] as number) - (log[b] as number) + 255) % 255] as number) : 0;

function openSome(slot: number, k: number, legs: Map<number, Cbor>[], stanzas: Stanza[], keys: (Key | null)[]): Buffer {
  const n = legs.length;
  const shares: Buffer[] = [];
  for (const [i, leaf] of legs.entries()) {
    const [stanza, key] = [stanzas[i], keys[i]];
    if (!stanza || !key || shares.length === k) continue;
    const secret = legSecret("sss", [slot, i + 1, n, k], leaf, unbase64(stanza.args.at(-1)), key);
    shares.push(aead(secret, stanza.body));
  }
  const joined = Buffer.from(
    Array.from({ length: 32 }, (_, at) =>
      shares.reduce((sum, share) => {
        let term = share[at] as number;
        for (const other of shares) {
          if (other !== share)
            term = times(term, over(other[32] as number, (other[32] as number) ^ (share[32] as number)));
        }
        return sum ^ term;
      }, 0),
    ),
  );
  const info = Buffer.concat([slot, k, n].map(u16));
  return aead(hkdf(joined, "hsmadm/sss-key/v1", info), (stanzas[n] as Stanza).body);
}

/** Opens a vault by its first slot. @param keys leg by leg, `null` for those that are not there */
export function openVault(file: Buffer, keys: (Key | null)[]): { fileKey: Buffer; document: Record<string, unknown> } {
  const { stanzas, macInput, mac, payload } = parse(file);
  const [, descriptor, ...own] = stanzas as [Stanza, Stanza, ...Stanza[]];
  const slot = Number(descriptor.args[2]);
  const map = cbor(descriptor.body);
  const legs = map.get(4) as Map<number, Cbor>[] | undefined;
  let fileKey: Buffer;
  if (legs === undefined) fileKey = openOne(slot, map.get(3) as Map<number, Cbor>, own[0] as Stanza, keys[0] as Key);
  else if (map.has(5)) fileKey = openSome(slot, map.get(5) as number, legs, own, keys);
  else fileKey = openAll(slot, legs, own, keys as Key[]);
  const headerKey = Buffer.from(hkdfSync("sha256", fileKey, "", "header", 32));
  if (!hmac(headerKey, macInput).equals(mac)) throw new Error("MAC");
  const document = JSON.parse(openPayload(fileKey, payload).toString("utf8")) as Record<string, unknown>;
  const facts = cbor((stanzas[0] as Stanza).body);
  const seed = Buffer.from(document["seed"] as string, "base64");
  if (facts.get(1) !== vaultId(seed) || document["id"] !== vaultId(seed)) throw new Error("id");
  return { fileKey, document };
}

function vaultId(seed: Buffer): string {
  const bits = [...hkdf(seed, "hsmadm-vault/v1", "id\0").subarray(0, 16)]
    .map((b) => b.toString(2).padStart(8, "0"))
    .join("");
  const letters = bits
    .padEnd(130, "0")
    .match(/.{5}/g)
    ?.map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five, 2)]);
  return `v1-${letters?.join("")}`;
}
