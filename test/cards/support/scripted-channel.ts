import type { CardChannel } from "../../../src/apdu/channel.ts";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";

/** Expected command (hex, spaces allowed) and its answer: hex, or an error to throw. */
export type Exchange = readonly [command: string, answer: string | Error];

/** A card that follows a script to the letter: another command than the next one fails the test. */
export class ScriptedChannel implements CardChannel {
  readonly atr = fromHex("3BFE1800008131FE458031815448534D31738021408107FA");
  readonly where = "scripted card";
  readonly sent: string[] = [];
  readonly #script: Exchange[];

  constructor(...script: readonly Exchange[]) {
    this.#script = [...script];
  }

  get left(): number {
    return this.#script.length;
  }

  async transceive(command: Uint8Array): Promise<Uint8Array> {
    const got = toHex(command);
    this.sent.push(got);
    const next = this.#script.shift();
    if (next === undefined) throw new Error(`the script is over, the driver sent ${got}`);
    const expected = next[0].replaceAll(" ", "").toUpperCase();
    if (got !== expected) throw new Error(`expected ${expected}, got ${got}`);
    if (next[1] instanceof Error) throw next[1];
    return concat(fromHex(next[1]));
  }

  async reset(): Promise<void> {}
  async close(): Promise<void> {}
}

/** SELECT by AID and what a genuine version 4.1 with these options answers. */
export function select(options = "0001"): Exchange {
  return ["00A404000B E82B0601040181C31F0201 00", `6F0A 820178 8505${options}000401 9000`];
}

/** No device certificate: enough where the test is not about identity. */
export const noCertificate: Exchange = ["00B12F02 000004 54020000 0000", "6A82"];
