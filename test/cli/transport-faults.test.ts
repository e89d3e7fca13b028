import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { CardChannel } from "../../src/apdu/channel.ts";
import { withDeadline } from "../../src/apdu/deadline.ts";
import { type TransportError, type TransportFault, transportFaults } from "../../src/apdu/transport-error.ts";
import type { RawDevice } from "../../src/cli/devices/raw-device.ts";
import { exitCodes } from "../../src/errors.ts";
import { transportErrorOf } from "../../src/transport/pcsc/failures.ts";
import { pcscCodes } from "../../src/transport/pcsc/pcsc-codes.ts";
import type { DoctorDocument } from "../doctor/support/document.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

/** Which exchange fails, and how; 0: the connection. */
const trouble: { at: number; error: TransportError | null; asked: number } = { at: 0, error: null, asked: 0 };

vi.mock("../../src/cli/devices/simulated-device.ts", async (original) => {
  const actual = await original<typeof import("../../src/cli/devices/simulated-device.ts")>();
  return {
    ...actual,
    async openSimulated(...given: Parameters<typeof actual.openSimulated>): Promise<RawDevice> {
      if (trouble.error !== null && trouble.at === 0) throw trouble.error;
      const raw = await actual.openSimulated(...given);
      const { channel } = raw;
      const faulty: CardChannel = {
        atr: channel.atr,
        where: channel.where,
        reset: () => channel.reset(),
        close: () => channel.close(),
        async transceive(command, options) {
          trouble.asked++;
          if (trouble.error !== null && trouble.asked >= trouble.at) throw trouble.error;
          return channel.transceive(command, options);
        },
      };
      return { ...raw, channel: faulty };
    },
  };
});

const world = new TestWorld();
const officer = new Officer(world);

beforeAll(() => officer.initialised("f"));
beforeEach(() => {
  trouble.asked = 0;
});

/** As it comes out of the PC/SC code: what was said first, what it turned out to be, which binding. */
function pcsc(call: string, code: number): TransportError {
  const failure = { call, code, text: "the last words" };
  const first = { call, code: pcscCodes.commDataLost, text: "the first words" };
  return transportErrorOf({ kind: "pcsc", driver: "pcsclite", failure, first, reconnected: null }, 'reader "R"');
}

const connect = 0;
const select = 1;
const identity = 3;
const rungs = { 0: "connect", 1: "select", 3: "identity" } as const;

const provoked: readonly [fault: TransportFault, at: keyof typeof rungs, error: () => TransportError][] = [
  ["SERVICE_NOT_RUNNING", connect, () => pcsc("SCardEstablishContext", pcscCodes.noService)],
  ["SERVICE_NOT_RUNNING", select, () => pcsc("SCardTransmit", pcscCodes.commError)],
  ["ACCESS_REFUSED", connect, () => pcsc("SCardConnect", pcscCodes.securityViolation)],
  ["SHARING_VIOLATION", connect, () => pcsc("SCardConnect", pcscCodes.sharingViolation)],
  ["NO_READER", connect, () => pcsc("SCardListReaders", pcscCodes.noReadersAvailable)],
  ["READER_GONE", connect, () => pcsc("SCardConnect", pcscCodes.unknownReader)],
  ["READER_GONE", identity, () => pcsc("SCardTransmit", pcscCodes.readerUnavailable)],
  ["NO_CARD", connect, () => pcsc("SCardConnect", pcscCodes.noSmartcard)],
  ["CARD_REMOVED", select, () => pcsc("SCardTransmit", pcscCodes.removedCard)],
  ["CARD_REMOVED", identity, () => pcsc("SCardTransmit", pcscCodes.noSmartcard)],
  ["CARD_MUTE", connect, () => pcsc("SCardConnect", pcscCodes.unresponsiveCard)],
  ["CARD_RESET", select, () => pcsc("SCardTransmit", pcscCodes.resetCard)],
  // The bus is there and the chip does not answer.
  ["EXCHANGE_FAILED", select, () => pcsc("SCardTransmit", pcscCodes.notTransacted)],
  ["TIMEOUT", select, () => pcsc("SCardTransmit", pcscCodes.timeout)],
];

describe("each fault keeps layer, count, first and last cause, and doctor names the rung", () => {
  test.each(provoked)("%s, exchange %i", async (fault, at, make) => {
    const error = make();
    expect(error).toMatchObject({ code: fault, layer: "pcsclite", attempts: 1 });
    Object.assign(trouble, { at, error });
    const exit = exitCodes[transportFaults[fault]];
    const document = (await officer.document(exit, "doctor --device sim:f")) as unknown as DoctorDocument;
    trouble.error = null;
    expect(document.firstFailing).toBe(rungs[at]);
    expect(document.rungs.at(-1)).toMatchObject({
      ok: false,
      fault,
      problem: error.message,
      facts: {
        code: fault,
        layer: "pcsclite",
        attempts: 1,
        "first cause": "the first words",
        "last cause": "the last words",
      },
    });
  });

  test("every fault of the way to the card is provoked here, or with the bindings; two are bugs of ours", () => {
    const here = new Set(provoked.map(([fault]) => fault));
    const missing = Object.keys(transportFaults).filter((fault) => !here.has(fault as TransportFault));
    expect(missing).toEqual(["BINDING_NOT_LOADABLE", "CHANNEL_BUSY", "CHANNEL_CLOSED"]);
  });

  test("a command says in its own words what failed, never only that it gave up", async () => {
    for (const [fault, at, make] of provoked) {
      const error = make();
      Object.assign(trouble, { at, error, asked: 0 });
      const { stderr } = await officer.gets(exitCodes[transportFaults[fault]], "pin status --device sim:f");
      trouble.error = null;
      expect(stderr, fault).toContain(error.message);
      expect(stderr, fault).toMatch(/0x801000[0-9A-F]{2}[\s\S]*hint: /);
    }
  });

  test("a deadline that passed says so again, with the first one as its cause", async () => {
    const silent: CardChannel = {
      atr: new Uint8Array(0),
      where: "sim:silent",
      transceive: () => new Promise(() => undefined),
      reset: async () => undefined,
      close: async () => undefined,
    };
    const channel = withDeadline(silent, 5);
    const first: unknown = await channel.transceive(new Uint8Array(4)).catch((error: unknown) => error);
    const second: unknown = await channel.transceive(new Uint8Array(4)).catch((error: unknown) => error);
    expect(first).toMatchObject({ code: "TIMEOUT", layer: "deadline", attempts: 1 });
    expect(second).toMatchObject({ code: "TIMEOUT", layer: "deadline", cause: first, firstCause: first });
  });
});
