import { vi } from "vitest";
import type { CardChannel } from "../../../src/apdu/channel.ts";
import { TransportError } from "../../../src/apdu/transport-error.ts";
import type { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import { serveCtapHid } from "../../../src/simulator/fido2/ctaphid-device.ts";
import type { HidFaults } from "../../../src/simulator/fido2/ctaphid-faults.ts";

/** What a machine with HID devices and readers has. Tests put things in; the mocks of node-hid and PC/SC look here. */
export class FidoMachine {
  readonly hid = new Map<string, { authenticator: SimulatedAuthenticator; product: string; faults?: HidFaults }>();
  readonly readers = new Map<string, (() => CardChannel) | null>();
  hidLoads = true;
  pcscRuns = true;
  /** What was asked of either binding, in order. */
  readonly asked: string[] = [];

  clear(): void {
    this.hid.clear();
    this.readers.clear();
    this.hidLoads = true;
    this.pcscRuns = true;
    this.asked.length = 0;
  }

  /** In place of the module node-hid. */
  nodeHid(): Record<string, unknown> {
    return {
      devicesAsync: async () => {
        this.asked.push("hid list");
        if (!this.hidLoads) throw new TransportError("BINDING_NOT_LOADABLE", "HID devices cannot be reached: no");
        return [...this.hid].map(([path, { product }]) => ({
          path,
          product,
          manufacturer: "Acme",
          usagePage: 0xf1d0,
          usage: 1,
          vendorId: 1,
          productId: 2,
        }));
      },
      HIDAsync: {
        open: async (path: string) => {
          this.asked.push(`hid open ${path}`);
          const device = this.hid.get(path);
          if (device === undefined) throw new Error(`cannot open device with path ${path}`);
          return hidDevice(device);
        },
      },
    };
  }

  /** In place of `openPcsc`. */
  openPcsc = vi.fn(async () => {
    this.asked.push("pcsc open");
    if (!this.pcscRuns) throw new TransportError("SERVICE_NOT_RUNNING", "pcscd is not running");
    return {
      listReaders: async () =>
        [...this.readers].map(([name, card]) => ({ name, state: card === null ? "empty" : "present", atr: null })),
      connect: async (reader: string) => {
        this.asked.push(`pcsc connect ${reader}`);
        const card = this.readers.get(reader);
        if (card == null) throw new TransportError("NO_CARD", `no card in ${reader}`);
        return { ...wrapped(card()), where: `reader "${reader}"` };
      },
      close: async () => {
        this.asked.push("pcsc close");
      },
    };
  });
}

function wrapped(card: CardChannel): CardChannel {
  return {
    atr: card.atr,
    where: card.where,
    transceive: (command, options) => card.transceive(command, options),
    reset: () => card.reset(),
    close: () => card.close(),
  };
}

/** A queue that somebody reads who may have to wait; `null` is its end. */
class Packets {
  readonly #waiting: (Uint8Array | null)[] = [];
  #wake: () => void = () => undefined;

  put(packet: Uint8Array | null): void {
    this.#waiting.push(packet);
    this.#wake();
  }

  async take(): Promise<Uint8Array | null> {
    while (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#waiting.shift() ?? null;
  }
}

function hidDevice({ authenticator, faults }: { authenticator: SimulatedAuthenticator; faults?: HidFaults }) {
  const toDevice = new Packets();
  const toHost = new Packets();
  void serveCtapHid(
    authenticator,
    { read: () => toDevice.take(), write: async (packet) => toHost.put(packet) },
    { gapMs: 60_000, ...faults },
  );
  return {
    write: async (report: number[]) => toDevice.put(Uint8Array.from(report.slice(1))),
    read: async () => (await toHost.take()) ?? undefined,
    close: async () => {
      toDevice.put(null);
      toHost.put(null);
    },
  };
}
