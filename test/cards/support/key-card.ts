import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  sign,
} from "node:crypto";
import { type CommandApdu, decodeCommand } from "../../../src/apdu/command.ts";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import { encodeTlv, findTlv, readTlvs, requireTlv } from "../../../src/bytes/tlv.ts";
import { curveByPrime } from "../../../src/crypto/curves/curves.ts";
import { ecdsaSha256Oid, rsaSha256Oid } from "../../../src/crypto/cvc/cvc.ts";
import { buildAuthenticatedRequest, buildCvc } from "../../../src/crypto/cvc/cvc-build.ts";
import { FakeToken } from "./fake-token.ts";

type Secret =
  | { readonly kind: "rsa"; readonly key: KeyObject }
  | { readonly kind: "ec"; readonly curve: string; readonly scalar: Uint8Array }
  | { readonly kind: "aes"; readonly key: Uint8Array };

const pairs = new Map<number, { privateKey: KeyObject; publicKey: KeyObject }>();

/** One pair for each size: they take long to make, and no test needs two. */
function rsaPair(bits: number): { privateKey: KeyObject; publicKey: KeyObject } {
  const pair = pairs.get(bits) ?? generateKeyPairSync("rsa", { modulusLength: bits });
  pairs.set(bits, pair);
  return pair;
}

const opensslName = (curve: string): string => (curve === "secp256r1" ? "prime256v1" : curve);

/** The fake token with keys that work, done by OpenSSL: what the driver makes of real answers can be checked by it. */
export class KeyCard extends FakeToken {
  readonly keys = new Map<number, Secret>();
  readonly algorithms = new Map<number, Uint8Array>();
  /** Pico HSM leaves out Y. */
  ecdhWithY = true;
  /** A card that keeps the request in EF CExx and answers nothing, as over a reader with short answers. */
  silentGeneration = false;
  /** Puts this in place of the next answer of a key command. */
  nextAnswer: Uint8Array | undefined;

  static loggedIn(): KeyCard {
    const card = new KeyCard();
    card.userPin = new TextEncoder().encode("648219");
    card.soPin = fromHex("3537363231383830");
    card.options = 1;
    card.before = (_, command) => {
      const answer = card.#keyWork(decodeCommand(command));
      if (answer === undefined) return undefined;
      const other = card.nextAnswer;
      card.nextAnswer = undefined;
      return other ?? answer;
    };
    return card;
  }

  /** A key that is there already, with its request or without. */
  add(ref: number, secret: Secret): void {
    this.keys.set(ref, secret);
    this.files.set(0xcc00 + ref, new Uint8Array(0));
    if (secret.kind !== "aes") this.files.set(0xce00 + ref, this.#request(secret));
  }

  addRsa(ref: number, bits = 1024): KeyObject {
    const { privateKey, publicKey } = rsaPair(bits);
    this.add(ref, { kind: "rsa", key: privateKey });
    return publicKey;
  }

  addEc(ref: number, curve = "secp256r1"): void {
    const ecdh = createECDH(opensslName(curve));
    ecdh.generateKeys();
    const scalar = new Uint8Array(ecdh.getPrivateKey());
    const size = curve === "secp521r1" ? 66 : Number(/\d+/.exec(curve)?.[0]) / 8;
    this.add(ref, { kind: "ec", curve, scalar: concat(new Uint8Array(size - scalar.length), scalar) });
  }

  #keyWork(command: CommandApdu): Uint8Array | undefined {
    const { cla, ins, p1, p2, data = new Uint8Array(0) } = command;
    const of = cla * 256 + ins;
    const ok = (answer: Uint8Array = new Uint8Array(0)): Uint8Array => concat(answer, fromHex("9000"));
    if (of === 0x00a4 && p1 === 0 && data.length === 2) return this.#selectFile(data);
    if (![0x0046, 0x8048, 0x8068, 0x8062, 0x8078].includes(of)) return undefined;
    if (!this.loggedIn) return fromHex("6982");
    if (of === 0x0046) return this.#generate(p1, data);
    if (of === 0x8048) {
      const key = createHash("sha256").update("aes").digest();
      this.add(p1, { kind: "aes", key: new Uint8Array(key).subarray(0, 16 + 8 * (p2 - 0xb0)) });
      const list = findTlv(readTlvs(data, "template"), 0x91);
      if (list !== undefined) this.algorithms.set(p1, list.value);
      return ok();
    }
    const secret = this.keys.get(p1);
    if (secret === undefined) return fromHex("6A82");
    try {
      return ok(this.#use(secret, of, p2, data));
    } catch {
      return fromHex("6A80");
    }
  }

  #selectFile(data: Uint8Array): Uint8Array {
    const fid = (data[0] ?? 0) * 256 + (data[1] ?? 0);
    if (!this.files.has(fid)) return fromHex("6A82");
    const list = this.algorithms.get(fid & 0xff);
    const meta = list === undefined ? new Uint8Array(0) : encodeTlv(0xa5, encodeTlv(0x91, list));
    return concat(encodeTlv(0x62, encodeTlv(0x83, data), meta), fromHex("9000"));
  }

  #generate(ref: number, data: Uint8Array): Uint8Array {
    const objects = readTlvs(data, "template");
    const list = findTlv(objects, 0x91);
    if (list !== undefined) this.algorithms.set(ref, list.value);
    const template = readTlvs(requireTlv(objects, 0x7f49, "template"), "template");
    const size = findTlv(template, 0x02)?.value;
    if (size !== undefined) this.addRsa(ref, (size[0] ?? 0) * 256 + (size[1] ?? 0));
    else this.addEc(ref, curveByPrime(requireTlv(template, 0x81, "template"))?.name);
    const request = this.files.get(0xce00 + ref) ?? new Uint8Array(0);
    if (this.silentGeneration) return fromHex("9000");
    this.files.delete(0xce00 + ref);
    return concat(request, fromHex("9000"));
  }

  #request(secret: Exclude<Secret, { kind: "aes" }>): Uint8Array {
    const signature = (): Uint8Array => new Uint8Array(64);
    const content = { car: "UTCA00001", chr: "DENK010521300001" };
    if (secret.kind === "rsa") {
      const { n = "", e = "" } = secret.key.export({ format: "jwk" });
      const number = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64url"));
      const publicKey = { kind: "rsa", oid: rsaSha256Oid, modulus: number(n), exponent: number(e) } as const;
      return buildAuthenticatedRequest(buildCvc({ ...content, publicKey }, signature), "DENK010521300000", signature);
    }
    const ecdh = createECDH(opensslName(secret.curve));
    ecdh.setPrivateKey(secret.scalar);
    const point = new Uint8Array(ecdh.getPublicKey());
    const publicKey = { kind: "ec", oid: ecdsaSha256Oid, point, curve: secret.curve } as const;
    return buildAuthenticatedRequest(buildCvc({ ...content, publicKey }, signature), "DENK010521300000", signature);
  }

  #use(secret: Secret, of: number, algorithm: number, data: Uint8Array): Uint8Array {
    if (secret.kind === "rsa") return rsa(secret.key, of, algorithm, data);
    if (secret.kind === "ec") {
      const ecdh = createECDH(opensslName(secret.curve));
      if (of === 0x8068) throw new Error("not here");
      ecdh.setPrivateKey(secret.scalar);
      const x = new Uint8Array(ecdh.computeSecret(data));
      return concat(Uint8Array.of(4), x, this.ecdhWithY ? new Uint8Array(x.length) : new Uint8Array(0));
    }
    const name = `aes-${8 * secret.key.length}-cbc`;
    const zeros = new Uint8Array(16);
    if (algorithm === 0x18) return new Uint8Array(createHash("md5").update(data).digest());
    if (algorithm === 0x99) return new Uint8Array(createHash("sha256").update(data).digest());
    const cipher =
      algorithm === 0x10 ? createCipheriv(name, secret.key, zeros) : createDecipheriv(name, secret.key, zeros);
    cipher.setAutoPadding(false);
    return concat(new Uint8Array(cipher.update(data)), new Uint8Array(cipher.final()));
  }
}

function rsa(key: KeyObject, of: number, algorithm: number, data: Uint8Array): Uint8Array {
  const raw = (block: Uint8Array): Uint8Array =>
    new Uint8Array(privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block));
  if (of === 0x8062) {
    if (algorithm === 0x21) return raw(data);
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    return new Uint8Array(privateDecrypt({ key, padding, oaepHash: "sha256" }, data));
  }
  switch (algorithm) {
    case 0x20:
      return raw(data);
    case 0x30: {
      const size = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
      const fill = new Uint8Array(size - data.length - 3).fill(0xff);
      return raw(concat(Uint8Array.of(0, 1), fill, Uint8Array.of(0), data));
    }
    case 0x33:
      return new Uint8Array(sign("sha256", data, key));
    case 0x43:
      return new Uint8Array(sign("sha256", data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }));
    default:
      throw new Error("not here");
  }
}
