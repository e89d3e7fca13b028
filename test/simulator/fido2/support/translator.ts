import { decode, encode } from "cborg";
import { concat, equal } from "../../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../../src/bytes/hex.ts";
import {
  type KeyAgreement,
  keyAgreementOf,
  type PinProtocol,
  pinProtocol,
} from "../../../../src/simulator/fido2/pin-protocol.ts";
import { type HostCipher, hostCipher } from "./host-cipher.ts";

type Cbor = Map<unknown, unknown>;

/** One of the recorded authenticator, one of ours. */
interface Pair {
  readonly recorded: Uint8Array;
  readonly ours: Uint8Array;
}

export function readMap(bytes: Uint8Array): Cbor {
  if (bytes.length === 0) return new Map();
  const value: unknown = decode(bytes, { useMaps: true });
  if (!(value instanceof Map)) throw new Error("no map");
  return value;
}

/**
 * Says to our authenticator what a recorded client said to the recorded one: what it encrypted is opened with its recorded
 * private keys and encrypted anew, and what it authenticated wrongly is wrong again.
 */
export class Translator {
  /** Hex of recorded credential ids to ours. Others, foreign ones and garbage, go through as they are. */
  readonly ids = new Map<string, Uint8Array>();
  readonly #platform: readonly KeyAgreement[];
  /** Answers of getKeyAgreement, in order: the client made a key for each. */
  readonly #agreements: Pair[] = [];
  readonly #tokens: Pair[] = [];
  #lastSecrets: Pair | null = null;
  /** Hex of recorded backups to ours. */
  readonly blobs = new Map<string, Uint8Array>();
  #host: { readonly recorded: HostCipher; readonly ours: HostCipher } | null = null;

  constructor(scalars: readonly string[] = []) {
    this.#platform = scalars.map((scalar) => keyAgreementOf(fromHex(scalar)));
  }

  /** The command as our authenticator has to get it. */
  message(recorded: Uint8Array): Uint8Array {
    const command = recorded[0];
    let map: Cbor;
    try {
      map = readMap(recorded.subarray(1));
    } catch {
      return recorded;
    }
    if (command === 0x06) this.#clientPin(map);
    if (command === 0x0d) {
      const head = concat(new Uint8Array(32).fill(0xff), Uint8Array.of(0x0d, map.get(1) as number));
      const parameters = map.get(2) as Cbor | undefined;
      const before = parameters === undefined ? head : concat(head, encode(parameters));
      if (parameters?.get(2) instanceof Uint8Array) parameters.set(2, this.#forToken(bytes(parameters.get(2))));
      const message = parameters === undefined ? head : concat(head, encode(parameters));
      this.#param(map, { param: 4, protocol: 3 }, before, message);
    }
    if (command === 0x01 || command === 0x02) {
      const keys = command === 0x01 ? { param: 8, protocol: 9 } : { param: 6, protocol: 7 };
      this.#param(map, keys, bytes(map.get(command === 0x01 ? 1 : 2)));
      for (const entry of (map.get(command === 0x01 ? 5 : 3) ?? []) as Cbor[]) {
        const ours = this.ids.get(toHex(bytes(entry.get("id"))));
        if (ours !== undefined) entry.set("id", ours);
      }
      const input = (map.get(command === 0x01 ? 6 : 4) as Cbor | undefined)?.get("hmac-secret");
      if (input instanceof Map) this.#hmacSecret(input);
    }
    // The recorded client says nothing after the byte of a command without parameters.
    return recorded.length === 1 ? recorded : concat(recorded.subarray(0, 1), encode(map));
  }

  /** A vendor command of Pico FIDO. What its pinUvAuthParam says is not looked at. */
  vendorMessage(recorded: Uint8Array): Uint8Array {
    if (recorded.length < 2) return recorded;
    const map = readMap(recorded.subarray(1));
    const parameters = map.get(2) as Cbor | undefined;
    const given = parameters?.get(1);
    if (parameters === undefined || !(given instanceof Uint8Array)) return recorded;
    if (recorded[0] === 0x03) parameters.set(1, this.#forToken(given));
    if (recorded[0] === 0x01) parameters.set(1, this.blobs.get(toHex(given)) ?? given);
    return concat(recorded.subarray(0, 1), encode(map));
  }

  vendorAnswered(command: Uint8Array, recorded: Uint8Array, ours: Uint8Array): void {
    const [theirs, mine] = [readMap(recorded.subarray(1)), readMap(ours.subarray(1))];
    if (command[0] === 0x02) this.#mse(theirs, mine);
    const [a, b] = [theirs.get(1), mine.get(1)];
    if (command[0] === 0x01 && a instanceof Uint8Array && b instanceof Uint8Array) this.blobs.set(toHex(a), b);
  }

  #mse(theirs: Cbor, mine: Cbor): void {
    // A platform key belongs to every request, also to one that was refused.
    const own = this.#platform[this.#agreements.length];
    const refused = { recorded: new Uint8Array(0), ours: new Uint8Array(0) };
    if (!theirs.has(1) || !mine.has(1) || own === undefined) {
      this.#agreements.push(refused);
      return;
    }
    const pair = { recorded: pointIn(theirs.get(1)), ours: pointIn(mine.get(1)) };
    this.#agreements.push(pair);
    this.#host = { recorded: hostCipher(own, pair.recorded), ours: hostCipher(own, pair.ours) };
  }

  /** What was encrypted for the recorded token; what was not opens for ours as little. */
  #forToken(encrypted: Uint8Array): Uint8Array {
    const plain = this.#host?.recorded.open(encrypted);
    return plain == null || this.#host === null ? encrypted : this.#host.ours.seal(plain);
  }

  /** What both answered to it. */
  answered(command: Uint8Array, recorded: Uint8Array, ours: Uint8Array): void {
    const [number] = command;
    if (recorded[0] !== 0 || ours[0] !== 0 || (number !== 0x06 && number !== 0x01)) return;
    const [theirs, mine] = [readMap(recorded.subarray(1)), readMap(ours.subarray(1))];
    if (number === 0x06) {
      const subCommand = readMap(command.subarray(1)).get(2);
      if (subCommand === 2) this.#agreements.push({ recorded: pointIn(theirs.get(1)), ours: pointIn(mine.get(1)) });
      const secrets = this.#lastSecrets;
      if ((subCommand === 5 || subCommand === 9) && secrets !== null) {
        const protocol = pinProtocol(readMap(command.subarray(1)).get(1) as number);
        const open = (secret: Uint8Array, answer: Cbor) => protocol.decrypt(secret, bytes(answer.get(2))) as Uint8Array;
        this.#tokens.push({ recorded: open(secrets.recorded, theirs), ours: open(secrets.ours, mine) });
      }
    }
    if (number === 0x01) this.ids.set(toHex(idIn(theirs)), idIn(mine));
  }

  #clientPin(map: Cbor): void {
    if (!map.has(3)) return;
    const protocol = pinProtocol(map.get(1) as number);
    const secrets = this.#secretsFor(protocol, map.get(3));
    const before = authenticated(map);
    const right = map.has(4) && equal(protocol.authenticate(secrets.recorded, before), bytes(map.get(4)));
    for (const key of [5, 6]) if (map.has(key)) map.set(key, again(protocol, secrets, bytes(map.get(key))));
    if (map.has(4)) map.set(4, spoiled(protocol.authenticate(secrets.ours, authenticated(map)), right));
    this.#lastSecrets = secrets;
  }

  #hmacSecret(input: Cbor): void {
    const saltEnc = bytes(input.get(2));
    // Without key 4 the recorded client still used the protocol that it had in mind.
    const protocol = pinProtocol((input.get(4) as number | undefined) ?? (saltEnc.length % 32 === 0 ? 1 : 2));
    const secrets = this.#secretsFor(protocol, input.get(1));
    const right = equal(protocol.authenticate(secrets.recorded, saltEnc), bytes(input.get(3)));
    const ours = again(protocol, secrets, saltEnc);
    input.set(2, ours);
    input.set(3, spoiled(protocol.authenticate(secrets.ours, ours), right));
  }

  /** @param ours the message as our authenticator gets it */
  #param(
    map: Cbor,
    keys: { readonly param: number; readonly protocol: number },
    message: Uint8Array,
    ours = message,
  ): void {
    if (!map.has(keys.param)) return;
    const protocol = pinProtocol(map.get(keys.protocol) as number);
    const given = bytes(map.get(keys.param));
    // Made wrong on purpose.
    if (given.every((byte) => byte === 0)) return;
    const token = this.#tokens.findLast(({ recorded }) => equal(protocol.authenticate(recorded, message), given));
    if (token === undefined) throw new Error("no recorded token gives this pinUvAuthParam");
    map.set(keys.param, protocol.authenticate(token.ours, ours));
  }

  #secretsFor(protocol: PinProtocol, key: unknown): Pair {
    const index = this.#platform.findIndex(({ point }) => equal(point, pointIn(key)));
    const [platform, peer] = [this.#platform[index], this.#agreements[index]];
    if (platform === undefined || peer === undefined) throw new Error("a platform key that was not recorded");
    return {
      recorded: protocol.sharedSecret(platform, peer.recorded),
      ours: protocol.sharedSecret(platform, peer.ours),
    };
  }
}

/** Decrypted and encrypted anew under the same IV. */
function again(protocol: PinProtocol, { recorded, ours }: Pair, encrypted: Uint8Array): Uint8Array {
  const plain = protocol.decrypt(recorded, encrypted);
  if (plain === null) throw new Error("a recorded ciphertext of no whole blocks");
  return protocol.encrypt(ours, plain, () => encrypted.slice(0, 16));
}

/** What pinUvAuthParam of setPIN and changePIN is made over. */
function authenticated(map: Cbor): Uint8Array {
  return concat(...[5, 6].filter((key) => map.has(key)).map((key) => bytes(map.get(key))));
}

function spoiled(mac: Uint8Array, right: boolean): Uint8Array {
  return right ? mac : mac.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
}

function pointIn(key: unknown): Uint8Array {
  const map = key as Cbor;
  return concat(Uint8Array.of(4), bytes(map.get(-2)), bytes(map.get(-3)));
}

function idIn(answer: Cbor): Uint8Array {
  const authData = bytes(answer.get(2));
  const length = (authData[53] ?? 0) * 256 + (authData[54] ?? 0);
  return authData.slice(55, 55 + length);
}

function bytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new Error("no bytes");
}
