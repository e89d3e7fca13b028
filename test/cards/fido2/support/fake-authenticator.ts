import { createECDH, createHmac } from "node:crypto";
import type { CtapChannel, CtapSendOptions } from "../../../../src/apdu/ctap-channel.ts";
import { TransportError } from "../../../../src/apdu/transport-error.ts";
import { bigEndian, concat, equal, utf8Bytes } from "../../../../src/bytes/bytes.ts";
import { rpIdHash } from "../../../../src/cards/fido2/auth-data.ts";
import { authProtocols } from "../../../../src/cards/fido2/auth-protocol.ts";
import { type CborMap, type CborValue, cborMap, decodeCbor, encodeCbor } from "../../../../src/cards/fido2/cbor.ts";
import { pinHash } from "../../../../src/cards/fido2/pin-bytes.ts";

export interface FakeOptions {
  readonly options?: Readonly<Record<string, boolean>>;
  readonly extensions?: readonly string[];
  readonly versions?: readonly string[];
  readonly protocols?: readonly (1 | 2)[];
  readonly pin?: string;
  readonly retries?: number;
  readonly powerCycle?: boolean;
  readonly maxMsgSize?: number;
  readonly maxCredentialCountInList?: number;
  readonly maxCredentialIdLength?: number;
  /** The ids it holds. */
  readonly credentials?: readonly Uint8Array[];
}

/**
 * An authenticator in a test's hand, at the level of CTAP messages: enough to answer the driver, and to answer it
 * wrongly. What it says is built of the driver's own codecs, which the vectors and recordings have proved.
 */
export class FakeAuthenticator implements CtapChannel {
  readonly where = "fake authenticator";
  /** `04`, `0609` (clientPIN with its subcommand), `02` … in order. */
  readonly commands: string[] = [];
  /** The last request of each command byte. */
  readonly requests = new Map<number, CborMap>();
  /** Answers given instead of the right ones: by command as in {@link commands}, each used once, in order. */
  readonly instead = new Map<string, (number | Uint8Array | Error)[]>();
  /** Keep-alives before every answer. */
  keepAlives: readonly number[] = [];
  /** Changes the authenticator data before they are sent: flags, rpIdHash, extensions. */
  spoil: (data: { flags: number; rpIdHash: Uint8Array; extensions: CborMap }) => void = () => {};
  retries: number;
  pin: string | undefined;
  closes = 0;
  readonly #setup: FakeOptions;
  #key = newKey();
  #token = new Uint8Array(32).fill(7);

  constructor(setup: FakeOptions = {}) {
    this.#setup = setup;
    this.pin = setup.pin;
    this.retries = setup.retries ?? 8;
  }

  static readonly secretWithUv = new Uint8Array(32).fill(0x11);
  static readonly secretWithoutUv = new Uint8Array(32).fill(0x22);

  static output(uv: boolean, salt: Uint8Array): Uint8Array {
    const key = uv ? FakeAuthenticator.secretWithUv : FakeAuthenticator.secretWithoutUv;
    return new Uint8Array(createHmac("sha256", key).update(salt).digest());
  }

  async send(message: Uint8Array, options: CtapSendOptions = {}): Promise<Uint8Array> {
    const command = message[0] ?? 0;
    const request = message.length > 1 ? (decodeCbor(message.subarray(1), "request") as CborMap) : new Map();
    const name = hex(command) + (command === 6 ? hex(request.get(2) as number) : "");
    this.commands.push(name);
    this.requests.set(command, request);
    for (const status of this.keepAlives) {
      options.onKeepAlive?.(status);
      if (options.signal?.aborted === true) return Uint8Array.of(0x2d);
    }
    const instead = this.instead.get(name)?.shift();
    if (instead instanceof Error) throw instead;
    if (instead instanceof Uint8Array) return instead;
    const answer = instead ?? this.#answer(command, request);
    return typeof answer === "number" ? Uint8Array.of(answer) : concat(Uint8Array.of(0), encodeCbor(answer));
  }

  async close(): Promise<void> {
    this.closes++;
  }

  #answer(command: number, request: CborMap): CborValue {
    switch (command) {
      case 0x01:
        return this.#make(request);
      case 0x02:
        return this.#assert(request);
      case 0x04:
        return this.#info();
      case 0x06:
        return this.#clientPin(request);
      case 0x07:
        this.pin = undefined;
        return new Map();
      case 0x0b:
      case 0x0d:
        return new Map();
      default:
        return 0x01;
    }
  }

  #info(): CborMap {
    const {
      extensions = ["credProtect", "hmac-secret"],
      versions = ["FIDO_2_1"],
      options,
      protocols = [2, 1],
    } = this.#setup;
    const all = { clientPin: this.pin !== undefined, pinUvAuthToken: true, up: true, ...options };
    return cborMap(
      [1, versions],
      [2, extensions],
      [3, new Uint8Array(16)],
      [4, new Map(Object.entries(all))],
      [5, this.#setup.maxMsgSize ?? 1200],
      [6, protocols],
      [7, this.#setup.maxCredentialCountInList],
      [8, this.#setup.maxCredentialIdLength],
    );
  }

  #clientPin(request: CborMap): CborValue {
    switch (request.get(2)) {
      case 0x01:
        return cborMap([3, this.retries], [4, this.#setup.powerCycle ?? false]);
      case 0x02:
        return cborMap([1, coseKey(this.#key.getPublicKey())]);
      case 0x03:
      case 0x04: {
        if (request.get(2) === 4) {
          const refused = this.#judge(request);
          if (refused !== null) return refused;
        }
        const padded = this.#secret(request).decrypt(request.get(5) as Uint8Array);
        this.pin = new TextDecoder().decode(padded.subarray(0, padded.indexOf(0)));
        return new Map();
      }
      case 0x05:
      case 0x09: {
        const refused = this.#judge(request);
        return refused ?? this.#newToken(request);
      }
      case 0x06:
        return this.#newToken(request);
      default:
        return 0x3e;
    }
  }

  #newToken(request: CborMap): CborMap {
    this.#token = this.#token.map((byte) => byte + 1);
    return cborMap([2, this.#secret(request).encrypt(this.#token)]);
  }

  #judge(request: CborMap): number | null {
    if (this.pin === undefined) return 0x35;
    if (this.retries === 0) return 0x32;
    const hash = this.#secret(request).decrypt(request.get(6) as Uint8Array);
    if (equal(hash, pinHash(utf8Bytes(this.pin)))) {
      this.retries = 8;
      return null;
    }
    this.retries--;
    this.#key = newKey();
    return this.retries === 0 ? 0x32 : 0x31;
  }

  #secret(request: CborMap) {
    const protocol = authProtocols[request.get(1) === 1 ? 1 : 2];
    return this.#agreed(protocol.version, request.get(3) as CborMap);
  }

  #agreed(version: 1 | 2, peer: CborMap) {
    const protocol = authProtocols[version];
    const point = concat(Uint8Array.of(4), peer.get(-2) as Uint8Array, peer.get(-3) as Uint8Array);
    const secret = protocol.sharedSecret(this.#key.computeSecret(point));
    return {
      encrypt: (plain: Uint8Array) => protocol.encrypt(secret, plain, () => new Uint8Array(16).fill(9)),
      decrypt: (bytes: Uint8Array) => protocol.decrypt(secret, bytes, "request"),
    };
  }

  /** Whether the user is verified; a status when the proof is wrong. */
  #verified(
    param: CborValue | undefined,
    version: CborValue | undefined,
    hash: CborValue | undefined,
  ): boolean | number {
    if (param === undefined) return this.#setup.options?.["alwaysUv"] === true ? 0x36 : false;
    const protocol = authProtocols[version === 1 ? 1 : 2];
    const expected = protocol.authenticate(this.#token, hash as Uint8Array);
    if (!equal(param as Uint8Array, expected)) return 0x33;
    this.#token = this.#token.map((byte) => byte + 1);
    return true;
  }

  #make(request: CborMap): CborValue {
    const excluded = ids(request.get(5));
    if (excluded.some((id) => this.#holds(id))) return 0x19;
    const verified = this.#verified(request.get(8), request.get(9), request.get(1));
    if (typeof verified === "number") return verified;
    if (!verified && this.pin !== undefined && this.#setup.options?.["makeCredUvNotRqd"] !== true) return 0x36;
    const asked = (request.get(6) ?? new Map()) as CborMap;
    const extensions = new Map(
      [...asked].filter(([name]) => (this.#setup.extensions ?? ["credProtect", "hmac-secret"]).includes(String(name))),
    );
    const rp = (request.get(2) as CborMap).get("id") as string;
    const id = utf8Bytes("new credential");
    const attested = concat(
      new Uint8Array(16),
      bigEndian(id.length, 2),
      id,
      encodeCbor(coseKey(this.#key.getPublicKey(), -7)),
    );
    return cborMap([1, "none"], [2, this.#authData(rp, verified ? 0x45 : 0x41, extensions, attested)], [3, new Map()]);
  }

  #assert(request: CborMap): CborValue {
    const here = ids(request.get(3)).find((id) => this.#holds(id));
    const up = (request.get(5) as CborMap | undefined)?.get("up") !== false;
    const verified = this.#verified(request.get(6), request.get(7), request.get(2));
    if (typeof verified === "number") return verified;
    if (here === undefined) return 0x2e;
    const input = (request.get(4) as CborMap | undefined)?.get("hmac-secret") as CborMap | undefined;
    let extensions: CborMap = new Map();
    if (input !== undefined) {
      const { decrypt, encrypt } = this.#agreed(input.get(4) === 2 ? 2 : 1, input.get(1) as CborMap);
      const salts = decrypt(input.get(2) as Uint8Array);
      const outputs: Uint8Array[] = [];
      for (let at = 0; at < salts.length; at += 32)
        outputs.push(FakeAuthenticator.output(verified, salts.subarray(at, at + 32)));
      extensions = cborMap(["hmac-secret", encrypt(concat(...outputs))]);
    }
    const flags = (up ? 1 : 0) + (verified ? 4 : 0);
    const authData = this.#authData(request.get(1) as string, flags, extensions, new Uint8Array(0));
    return cborMap([1, cborMap(["id", here], ["type", "public-key"])], [2, authData], [3, new Uint8Array(70)]);
  }

  #authData(rpId: string, flags: number, extensions: CborMap, attested: Uint8Array): Uint8Array {
    const data = { flags, rpIdHash: rpIdHash(rpId), extensions };
    this.spoil(data);
    const tail = data.extensions.size === 0 ? new Uint8Array(0) : encodeCbor(data.extensions);
    const withExtensions = data.flags | (tail.length > 0 ? 0x80 : 0);
    return concat(data.rpIdHash, Uint8Array.of(withExtensions), bigEndian(1, 4), attested, tail);
  }

  #holds(id: Uint8Array): boolean {
    return (this.#setup.credentials ?? []).some((own) => equal(own, id));
  }
}

export const pulledOut = new TransportError("CARD_REMOVED", "the card was taken out");

function newKey() {
  const key = createECDH("prime256v1");
  key.generateKeys();
  return key;
}

function coseKey(point: Uint8Array, alg = -25): CborMap {
  return new Map<number, CborValue>([
    [1, 2],
    [3, alg],
    [-1, 1],
    [-2, point.slice(1, 33)],
    [-3, point.slice(33)],
  ]);
}

function ids(list: CborValue | undefined): Uint8Array[] {
  return ((list ?? []) as CborMap[]).map((each) => each.get("id") as Uint8Array);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
