import { encode } from "cborg";
import { concat } from "../../../../src/bytes/bytes.ts";
import { keyAgreementOf, type PinProtocol, pinProtocol } from "../../../../src/simulator/fido2/pin-protocol.ts";
import { type Answer, Client, permission, rpId } from "./client.ts";
import { type HostCipher, hostCipher } from "./host-cipher.ts";
import { readMap } from "./translator.ts";

export const lockPin = "123456";

/** Numbers and ids of vendorPrototype. */
export interface LockNumbers {
  readonly prototype: number;
  readonly enable: bigint;
  readonly disable: bigint;
}

export function lockNumbers(profile: string): LockNumbers {
  const prototype = /-(5|6)\./.test(profile) ? 0x7f : 0xff;
  return profile.endsWith("8.0")
    ? { prototype, enable: 0x00043f56b34285e2n, disable: 0x0001a40f04a25ed9n }
    : { prototype, enable: 0x03e43f56b34285e2n, disable: 0x1831a40f04a25ed9n };
}

/** A host that knows the lock's commands, and sends what it is told to. */
export class LockClient extends Client {
  readonly #host = keyAgreementOf(new Uint8Array(32).fill(0x22));

  get numbers(): LockNumbers {
    return lockNumbers(this.authenticator.profile.name);
  }

  async vendor(command: number, map?: ReadonlyMap<unknown, unknown>): Promise<Answer> {
    const message = concat(Uint8Array.of(command), map === undefined ? new Uint8Array(0) : encode(map));
    const answer = await this.authenticator.vendor(message);
    return { status: answer[0] ?? -1, map: readMap(answer.subarray(1)) };
  }

  /** BACKUP 01: status and blob. */
  async save(): Promise<{ status: number; blob: Uint8Array }> {
    const { status, map } = await this.vendor(1, new Map([[1, 1]]));
    return { status, blob: (map.get(1) as Uint8Array | undefined) ?? new Uint8Array(0) };
  }

  /** BACKUP 02 */
  async load(blob: Uint8Array): Promise<number> {
    return (await this.vendor(1, withBytes(2, blob))).status;
  }

  async mse(): Promise<{ status: number; cipher: HostCipher | null }> {
    const key = coseOf(this.#host.point);
    const { status, map } = await this.vendor(
      2,
      new Map<number, unknown>([
        [1, 1],
        [2, new Map([[2, key]])],
      ]),
    );
    const theirs = map.get(1) as Map<number, Uint8Array> | undefined;
    if (theirs === undefined) return { status, cipher: null };
    const point = concat(Uint8Array.of(4), theirs.get(-2) as Uint8Array, theirs.get(-3) as Uint8Array);
    return { status, cipher: hostCipher(this.#host, point) };
  }

  /** MSE and UNLOCK. */
  async unlock(hostKey: Uint8Array): Promise<number> {
    return this.unlockRaw(await this.#sealed(hostKey));
  }

  async unlockRaw(encrypted: Uint8Array): Promise<number> {
    return (await this.vendor(3, withBytes(1, encrypted))).status;
  }

  /** MSE and AUT_ENABLE. */
  async enable(hostKey: Uint8Array): Promise<number> {
    const parameters = new Map<number, unknown>([
      [1, this.numbers.enable],
      [2, await this.#sealed(hostKey)],
    ]);
    return this.prototype(parameters);
  }

  async disable(): Promise<number> {
    return this.prototype(new Map([[1, this.numbers.disable]]));
  }

  /** authenticatorConfig vendorPrototype, with a token that the PIN gave for it. */
  async prototype(parameters: ReadonlyMap<number, unknown>, number = this.numbers.prototype): Promise<number> {
    const { token } = await this.token(lockPin, permission.config, null);
    return this.prototypeWith(this.protocol, token, parameters, number);
  }

  async prototypeWith(
    protocol: PinProtocol | null,
    token: Uint8Array,
    parameters: ReadonlyMap<number, unknown>,
    number = this.numbers.prototype,
  ): Promise<number> {
    const message = concat(new Uint8Array(32).fill(0xff), Uint8Array.of(0x0d, number), encode(parameters));
    const auth: [number, unknown][] =
      protocol === null
        ? []
        : [
            [3, protocol.number],
            [4, protocol.authenticate(token, message)],
          ];
    const map = new Map<number, unknown>([[1, number], [2, parameters], ...auth]);
    return (await this.send(0x0d, map)).status;
  }

  /** Makes a credential with the PIN. */
  async credential(forRp: string = rpId): Promise<Uint8Array> {
    const { token } = await this.token(lockPin, permission.make, forRp);
    return (await this.make([[2, new Map([["id", forRp]])]], token)).id;
  }

  async #sealed(hostKey: Uint8Array): Promise<Uint8Array> {
    const { cipher } = await this.mse();
    return cipher?.seal(hostKey) ?? new Uint8Array(0);
  }
}

export function newLockClient(...args: Parameters<typeof Client.create>): LockClient {
  return new LockClient(Client.create(...args).authenticator, 2);
}

export const protocol2 = pinProtocol(2);

function withBytes(subCommand: number, bytes: Uint8Array): Map<number, unknown> {
  return new Map<number, unknown>([
    [1, subCommand],
    [2, new Map([[1, bytes]])],
  ]);
}

export function coseOf(point: Uint8Array): Map<number, unknown> {
  return new Map<number, unknown>([
    [1, 2],
    [3, -25],
    [-1, 1],
    [-2, point.slice(1, 33)],
    [-3, point.slice(33)],
  ]);
}
