import { createHash } from "node:crypto";
import { encode } from "cborg";
import { concat, utf8Bytes } from "../../../../src/bytes/bytes.ts";
import { SimulatedAuthenticator } from "../../../../src/simulator/fido2/authenticator.ts";
import type { Touch } from "../../../../src/simulator/fido2/device.ts";
import { keyAgreementOf, type PinProtocol, pinProtocol } from "../../../../src/simulator/fido2/pin-protocol.ts";
import type { AuthenticatorProfileName } from "../../../../src/simulator/fido2/profile-names.ts";
import { repeatableWorld } from "../../../../src/simulator/repeatable-world.ts";
import type { SimulatorWorld } from "../../../../src/simulator/world.ts";
import { readMap } from "./translator.ts";

export const rpId = "client.example";
export const clientDataHash = new Uint8Array(32).fill(7);
export const salt1 = new Uint8Array(32).fill(1);
export const salt2 = new Uint8Array(32).fill(2);
export const permission = { make: 0x01, use: 0x02, config: 0x20 } as const;

/** A clock that a test moves by hand. */
export function world(seed = "client"): SimulatorWorld & { pass(ms: number): void } {
  let now = Date.UTC(2026, 0, 15, 12);
  return { ...repeatableWorld(seed), now: () => new Date(now), pass: (ms) => (now += ms) };
}

export interface Answer {
  readonly status: number;
  readonly map: Map<unknown, unknown>;
}

/** Speaks CTAP2 with an authenticator, without any regard for what is sensible. */
export class Client {
  readonly authenticator: SimulatedAuthenticator;
  readonly protocol: PinProtocol;
  /** P-256 scalar of the platform: any will do. */
  readonly #own = keyAgreementOf(new Uint8Array(32).fill(0x11));

  constructor(authenticator: SimulatedAuthenticator, protocol: 1 | 2 = 2) {
    this.authenticator = authenticator;
    this.protocol = pinProtocol(protocol);
  }

  static create(
    options: { profile?: AuthenticatorProfileName; touch?: Touch; protocol?: 1 | 2; world?: SimulatorWorld } = {},
  ): Client {
    const { world: given = world(), protocol, ...rest } = options;
    return new Client(SimulatedAuthenticator.create(given, rest), protocol);
  }

  async send(command: number, map?: ReadonlyMap<unknown, unknown>, signal?: AbortSignal): Promise<Answer> {
    const message = concat(Uint8Array.of(command), map === undefined ? new Uint8Array(0) : encode(map));
    const answer = await this.authenticator.ctap(message, { signal });
    return { status: answer[0] ?? -1, map: readMap(answer.subarray(1)) };
  }

  async getInfo(): Promise<Map<unknown, unknown>> {
    return (await this.send(0x04)).map;
  }

  async option(name: string): Promise<unknown> {
    return ((await this.getInfo()).get(4) as Map<string, unknown>).get(name);
  }

  async clientPin(subCommand: number, members: readonly [number, unknown][] = []): Promise<Answer> {
    return this.send(0x06, new Map<number, unknown>([[1, this.protocol.number], [2, subCommand], ...members]));
  }

  /** Our COSE key and the shared secret. */
  async agree(): Promise<{ key: Map<number, unknown>; secret: Uint8Array }> {
    const theirs = (await this.clientPin(0x02)).map.get(1) as Map<number, Uint8Array>;
    const point = concat(Uint8Array.of(4), theirs.get(-2) ?? new Uint8Array(0), theirs.get(-3) ?? new Uint8Array(0));
    const { point: own } = this.#own;
    const key = new Map<number, unknown>([
      [1, 2],
      [3, -25],
      [-1, 1],
      [-2, own.slice(1, 33)],
      [-3, own.slice(33)],
    ]);
    return { key, secret: this.protocol.sharedSecret(this.#own, point) };
  }

  async setPin(pin: string | Uint8Array): Promise<number> {
    const { key, secret } = await this.agree();
    const encrypted = this.encrypt(secret, padded(pin));
    const auth = this.protocol.authenticate(secret, encrypted);
    return (
      await this.clientPin(0x03, [
        [3, key],
        [4, auth],
        [5, encrypted],
      ])
    ).status;
  }

  async changePin(pin: string, next: string): Promise<number> {
    const { key, secret } = await this.agree();
    const [encrypted, hash] = [this.encrypt(secret, padded(next)), this.encrypt(secret, pinHash(pin))];
    const auth = this.protocol.authenticate(secret, concat(encrypted, hash));
    return (
      await this.clientPin(0x04, [
        [3, key],
        [4, auth],
        [5, encrypted],
        [6, hash],
      ])
    ).status;
  }

  /** `permissions` null asks for a token of CTAP 2.0. */
  async token(
    pin: string,
    permissions: number | null,
    forRp: string | null = rpId,
  ): Promise<Answer & { token: Uint8Array }> {
    const { key, secret } = await this.agree();
    const hash: [number, unknown][] = [
      [3, key],
      [6, this.encrypt(secret, pinHash(pin))],
    ];
    if (permissions !== null) hash.push([9, permissions]);
    if (permissions !== null && forRp !== null) hash.push([0x0a, forRp]);
    const answer = await this.clientPin(permissions === null ? 0x05 : 0x09, hash);
    const encrypted = answer.map.get(2);
    const token = encrypted instanceof Uint8Array ? this.protocol.decrypt(secret, encrypted) : null;
    return { ...answer, token: token ?? new Uint8Array(0) };
  }

  /** Tries left, and whether a power cycle is wanted. */
  async retries(): Promise<[unknown, unknown]> {
    const { map } = await this.clientPin(0x01);
    return [map.get(3), map.get(4)];
  }

  async make(more: readonly [number, unknown][] = [], token?: Uint8Array): Promise<Answer & { id: Uint8Array }> {
    const members: [number, unknown][] = [
      [1, clientDataHash],
      [2, new Map([["id", rpId]])],
      [
        3,
        new Map<string, unknown>([
          ["id", Uint8Array.of(1)],
          ["name", "u"],
        ]),
      ],
      [
        4,
        [
          new Map<string, unknown>([
            ["alg", -7],
            ["type", "public-key"],
          ]),
        ],
      ],
      [6, new Map([["hmac-secret", true]])],
      ...this.#auth(token, 8),
      ...more,
    ];
    const answer = await this.send(0x01, new Map(members));
    return { ...answer, id: answer.status === 0 ? idIn(answer.map) : new Uint8Array(0) };
  }

  async assert(
    ids: readonly Uint8Array[],
    more: readonly [number, unknown][] = [],
    token?: Uint8Array,
  ): Promise<Answer> {
    const allowed: [number, unknown][] = ids.length === 0 ? [] : [[3, ids.map(listed)]];
    const members: [number, unknown][] = [[1, rpId], [2, clientDataHash], ...allowed, ...this.#auth(token, 6), ...more];
    return this.send(0x02, new Map(members));
  }

  /** An assertion with hmac-secret; `output` is empty where none came. */
  async secret(
    id: Uint8Array,
    options: { salts?: readonly Uint8Array[]; token?: Uint8Array; more?: readonly [number, unknown][] } = {},
  ): Promise<Answer & { output: Uint8Array }> {
    const { key, secret } = await this.agree();
    const input = this.hmacSecretInput(key, secret, options.salts ?? [salt1]);
    const more: [number, unknown][] = [[4, new Map([["hmac-secret", input]])], ...(options.more ?? [])];
    const answer = await this.assert([id], more, options.token);
    return { ...answer, output: this.outputIn(answer, "hmac-secret", secret) };
  }

  hmacSecretInput(key: unknown, secret: Uint8Array, salts: readonly Uint8Array[]): Map<number, unknown> {
    const saltEnc = this.encrypt(secret, concat(...salts));
    const auth = this.protocol.authenticate(secret, saltEnc);
    return new Map<number, unknown>([
      [1, key],
      [2, saltEnc],
      [3, auth],
      [4, this.protocol.number],
    ]);
  }

  outputIn({ status, map }: Answer, extension: string, secret: Uint8Array): Uint8Array {
    if (status !== 0) return new Uint8Array(0);
    const encrypted = extensionsIn(map.get(2)).get(extension);
    return encrypted instanceof Uint8Array
      ? (this.protocol.decrypt(secret, encrypted) as Uint8Array)
      : new Uint8Array(0);
  }

  async config(subCommand: number, token?: Uint8Array): Promise<number> {
    const message = concat(new Uint8Array(32).fill(0xff), Uint8Array.of(0x0d, subCommand));
    const auth: [number, unknown][] =
      token === undefined
        ? []
        : [
            [3, this.protocol.number],
            [4, this.protocol.authenticate(token, message)],
          ];
    return (await this.send(0x0d, new Map<number, unknown>([[1, subCommand], ...auth]))).status;
  }

  encrypt(secret: Uint8Array, plain: Uint8Array): Uint8Array {
    return this.protocol.encrypt(secret, plain, (length) => new Uint8Array(length).fill(0x5a));
  }

  #auth(token: Uint8Array | undefined, key: number): [number, unknown][] {
    if (token === undefined) return [];
    return [
      [key, this.protocol.authenticate(token, clientDataHash)],
      [key + 1, this.protocol.number],
    ];
  }
}

export function flagsIn({ map }: Answer): number | undefined {
  return (map.get(2) as Uint8Array | undefined)?.[32];
}

export function extensionsIn(authData: unknown): Map<unknown, unknown> {
  const bytes = authData as Uint8Array;
  const flags = bytes[32] ?? 0;
  if ((flags & 0x80) === 0) return new Map();
  if ((flags & 0x40) === 0) return readMap(bytes.subarray(37));
  const idLength = (bytes[53] ?? 0) * 256 + (bytes[54] ?? 0);
  return readMap(bytes.subarray(55 + idLength + 77)); // A COSE key on P-256 has 77 bytes.
}

export function listed(id: Uint8Array): Map<string, unknown> {
  return new Map<string, unknown>([
    ["id", id],
    ["type", "public-key"],
  ]);
}

function idIn(map: Map<unknown, unknown>): Uint8Array {
  const bytes = map.get(2) as Uint8Array;
  return bytes.slice(55, 55 + (bytes[53] ?? 0) * 256 + (bytes[54] ?? 0));
}

function pinHash(pin: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(utf8Bytes(pin)).digest()).slice(0, 16);
}

function padded(pin: string | Uint8Array): Uint8Array {
  const bytes = typeof pin === "string" ? utf8Bytes(pin) : pin;
  return concat(bytes, new Uint8Array(Math.max(0, 64 - bytes.length)));
}
