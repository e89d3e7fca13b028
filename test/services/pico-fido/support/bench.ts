import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { CtapChannel } from "../../../../src/apdu/ctap-channel.ts";
import { utf8Bytes } from "../../../../src/bytes/bytes.ts";
import { toHex } from "../../../../src/bytes/hex.ts";
import { Fido2Authenticator } from "../../../../src/cards/fido2/authenticator.ts";
import { PicoFidoToken } from "../../../../src/cards/fido2/pico-fido/pico-fido-token.ts";
import { HostKeyStore } from "../../../../src/services/pico-fido/host-key-store.ts";
import { SimulatedAuthenticator } from "../../../../src/simulator/fido2/authenticator.ts";
import { repeatableWorld } from "../../../../src/simulator/repeatable-world.ts";

export type PicoVersion = "5.12" | "6.6" | "7.6" | "8.0";

export const pin = utf8Bytes("squirrel");
const rpId = "bench.example";
let made = 0;

/** A simulated Pico FIDO on a desk, and a computer with host keys. */
export class Bench {
  readonly simulated: SimulatedAuthenticator;
  readonly folder = mkdtempSync(join(tmpdir(), "hsmadm-pico-"));
  readonly store = new HostKeyStore(join(this.folder, "pico-fido"));
  /** Every message that was sent: `c1 01…` to the vendor channel, `90 0d…` to the other. */
  readonly sent: string[] = [];
  /** Called ahead of each message; throws to break off. */
  before: (message: string) => void = () => undefined;
  /** What becomes of each answer on its way. */
  answered: (message: string, answer: Uint8Array) => Uint8Array = (_, answer) => answer;

  private constructor(version: PicoVersion) {
    this.simulated = SimulatedAuthenticator.create(repeatableWorld(`bench ${made++}`), {
      profile: `pico-fido-${version}`,
    });
    this.simulated.powerOn();
    afterAll(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** With a PIN. */
  static async of(version: PicoVersion): Promise<Bench> {
    const bench = new Bench(version);
    await (await bench.plugged()).authenticator.setPin(pin.slice());
    bench.sent.length = 0;
    return bench;
  }

  static async withoutPin(version: PicoVersion): Promise<Bench> {
    return new Bench(version);
  }

  get facts() {
    return { device: "sim-fido:bench", product: null, now: new Date("2026-11-20T12:00:00Z") };
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** What another program of this computer would open. */
  async plugged(): Promise<PicoFidoToken> {
    const channel = (mark: string, send: CtapChannel["send"]): CtapChannel => ({
      where: "sim-fido:bench",
      send: async (message, options) => {
        const text = `${mark} ${toHex(message).toLowerCase()}`;
        this.before(text);
        this.sent.push(text);
        return this.answered(text, await send(message, options));
      },
      close: async () => undefined,
    });
    const authenticator = await Fido2Authenticator.open(
      channel("90", (message, options = {}) => this.simulated.ctap(message, options)),
      { vendorChannel: channel("c1", (message, options = {}) => this.simulated.vendor(message, options)) },
    );
    return new PicoFidoToken(authenticator);
  }

  /** Takes it out and puts it back. */
  async replugged(): Promise<PicoFidoToken> {
    this.simulated.powerOff();
    this.simulated.powerOn();
    return this.plugged();
  }

  /** Vendor and config commands since the last look. */
  commands(): string[] {
    return this.sent.splice(0).filter((text) => text.startsWith("c1") || text.startsWith("90 0d"));
  }
}

/** A credential that was made before what a test does to its token. */
export interface Kept {
  readonly id: Uint8Array;
  readonly secret: string;
}

const salt = new Uint8Array(32).fill(0x5a);

export async function credentialOn({ authenticator }: PicoFidoToken): Promise<Kept> {
  const { id } = await authenticator.makeHmacCredential({
    rpId,
    user: { id: Uint8Array.of(1), name: "bench", displayName: "bench" },
    excludeIds: [],
    uv: true,
    pin: pin.slice(),
  });
  return { id, secret: await secretOf(authenticator, id) };
}

/** Whether the token still gives the secret that it gave before. */
export async function works({ authenticator }: PicoFidoToken, { id, secret }: Kept): Promise<boolean> {
  try {
    return (await secretOf(authenticator, id)) === secret;
  } catch {
    return false;
  }
}

async function secretOf(authenticator: Fido2Authenticator, credentialId: Uint8Array): Promise<string> {
  const [secret] = await authenticator.hmacSecret({ rpId, credentialId, salts: [salt], uv: true, pin: pin.slice() });
  return toHex(secret ?? new Uint8Array(0));
}
