import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { CardChannel } from "../../src/apdu/channel.ts";
import { TransportError } from "../../src/apdu/transport-error.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import type { OpenDevice, SessionContext } from "../../src/cli/devices/device-session.ts";
import type { RawDevice } from "../../src/cli/devices/raw-device.ts";
import { runTargets, type Target } from "../../src/cli/several/several-run.ts";
import { HsmError } from "../../src/errors.ts";
import { SimulatorChannel } from "../../src/simulator/channel.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { TraceRecorder } from "../../src/transport/trace/recorder.ts";
import { parseTrace } from "../../src/transport/trace/trace-file.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();

function contextOf(signal = new AbortController().signal): SessionContext {
  return {
    globals: { minTries: 1, minSoTries: 3, noLedger: true, requireGenuine: false },
    paths: {
      state: world.home,
      ledger: world.path("ledger"),
      knownDevices: world.path("ledger"),
      roots: world.path("ledger"),
    },
    io: { now: () => new Date() },
    signal,
  };
}

/** What went on at each card: how many commands at once, and whether it was given back. */
class Watched {
  atOnce = 0;
  most = 0;
  sent = 0;
  closed = 0;
  readonly target: Target;

  constructor(
    name: string,
    options: {
      before?: (sent: number) => Promise<void>;
      open?: () => Promise<RawDevice>;
      atr?: Uint8Array;
      perhapsForeign?: boolean;
      answer?: Uint8Array;
    } = {},
  ) {
    const inner = new SimulatorChannel(SimulatedToken.create(repeatableWorld(name), { profile: "genuine" }), name);
    const channel: CardChannel = {
      atr: options.atr ?? inner.atr,
      where: name,
      transceive: async (command) => {
        this.sent += 1;
        this.atOnce += 1;
        this.most = Math.max(this.most, this.atOnce);
        await options.before?.(this.sent);
        const answer = options.answer ?? (await inner.transceive(command));
        this.atOnce -= 1;
        return answer;
      },
      reset: () => inner.reset(),
      close: async () => {
        this.closed += 1;
        await inner.close();
      },
    };
    const raw: RawDevice = {
      channel,
      simulated: false,
      replayed: true,
      exact: true,
      expected: undefined,
      deadlineMs: 30_000,
      close: async () => undefined,
    };
    this.target = {
      asked: name,
      where: name,
      perhapsForeign: options.perhapsForeign === true,
      open: options.open ?? (async () => raw),
    };
  }
}

/** A gate that opens when as many have come as it was made for: nobody passes alone. */
function meeting(count: number): () => Promise<void> {
  let come = 0;
  let open: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    open = resolve;
  });
  return async () => {
    come += 1;
    if (come === count) open();
    await all;
  };
}

async function status({ card }: OpenDevice): Promise<string> {
  return (await card.status()).state;
}

function run(cards: readonly Watched[], signal?: AbortSignal, recorder?: TraceRecorder) {
  return runTargets(
    contextOf(signal),
    cards.map(({ target }) => target),
    recorder,
    status,
  );
}

describe("several tokens at once", () => {
  test("all work at the same time: each waits in its first exchange until the last has begun", async () => {
    const meet = meeting(5);
    const cards = [0, 1, 2, 3, 4].map(
      (i) => new Watched(`m${i}`, { before: async (sent) => (sent === 1 ? meet() : undefined) }),
    );
    const { rows } = await run(cards);
    expect(rows.map((row) => row.ok && row.result)).toEqual(Array(5).fill("uninitialised"));
    expect(rows.map((row) => row.asked)).toEqual(["m0", "m1", "m2", "m3", "m4"]);
  });

  test("never two commands at one token, and each is given back once", async () => {
    const cards = [0, 1, 2].map((i) => new Watched(`o${i}`, { before: () => new Promise(setImmediate) }));
    await run(cards);
    expect(cards.map(({ most, closed }) => [most, closed])).toEqual(Array(3).fill([1, 1]));
  });

  test("one that cannot be opened, one that fails on the way and one that breaks take no other with them", async () => {
    const gone = () => Promise.reject(new TransportError("NO_CARD", "no card is in it"));
    const cards = [
      new Watched("good"),
      new Watched("empty", { open: gone }),
      new Watched("pulled", {
        before: async (sent) => {
          if (sent === 3) throw new TransportError("CARD_REMOVED", "the card was taken out");
        },
      }),
      new Watched("bug", {
        before: async () => {
          throw new TypeError("a bug");
        },
      }),
      new Watched("last"),
    ];
    const { rows, leftOut } = await run(cards);
    expect(rows.map((row) => (row.ok ? row.result : row.error.code))).toEqual([
      "uninitialised",
      "NO_CARD",
      "CARD_REMOVED",
      "UNEXPECTED",
      "uninitialised",
    ]);
    expect(leftOut).toEqual([]);
    expect(cards.map(({ closed }) => closed)).toEqual([1, 0, 1, 1, 1]);
  });

  test("Ctrl-C: the exchanges under way are finished, none follows, and every card is given back", async () => {
    const stop = new AbortController();
    const meet = meeting(3);
    const cards = [0, 1, 2].map(
      (i) =>
        new Watched(`c${i}`, {
          before: async (sent) => {
            if (sent !== 2) return;
            await meet();
            stop.abort();
            await new Promise(setImmediate);
          },
        }),
    );
    const { rows } = await run(cards, stop.signal);
    expect(rows.map((row) => !row.ok && row.error.kind)).toEqual(Array(3).fill("interrupted"));
    expect(cards.map(({ sent, atOnce, closed }) => [sent, atOnce, closed])).toEqual(Array(3).fill([2, 0, 1]));
  });

  describe("a card without the applet", () => {
    const yubikey = fromHex("3BFD1300008131FE158073C021C057597562694B657940");
    const hsm = fromHex("3BFE1800008131FE45803181544853 4D3173802140810 7FA".replaceAll(" ", ""));
    const foreign = (name: string, atr: Uint8Array, perhapsForeign: boolean) =>
      new Watched(name, { atr, perhapsForeign, answer: fromHex("6A82") });

    test("is left out of --all when its ATR says that it is another one", async () => {
      const { rows, leftOut } = await run([foreign("yubikey", yubikey, true), new Watched("token")]);
      expect(rows.map(({ where }) => where)).toEqual(["token"]);
      expect(leftOut).toEqual(["yubikey"]);
    });

    test("is a failure when it was named, or when it looks like a token", async () => {
      const { rows } = await run([foreign("named", yubikey, false), foreign("broken", hsm, true)]);
      expect(rows.map((row) => !row.ok && row.error.code)).toEqual(Array(2).fill("NOT_A_SMARTCARD_HSM"));
    });
  });

  test("the trace has the connections in the order of the rows, whoever was reached first", async () => {
    const slow = new Watched("slow");
    const opening = slow.target.open;
    const late = { ...slow.target, open: () => new Promise(setImmediate).then(() => opening()) };
    const lost = { ...slow.target, where: "lost", open: () => Promise.reject(new TransportError("CARD_MUTE", "mute")) };
    const nobody = { ...lost, where: "nobody", open: () => Promise.reject(new HsmError("X", "device", "not there")) };
    const file = world.path("order.apdu");
    const recorder = await TraceRecorder.create(file);
    const targets = [late, nobody, lost, new Watched("quick").target];
    const { recorded } = await runTargets(contextOf(), targets, recorder, status);
    await recorder.finish();
    expect(recorded).toBe(true);
    const { connections } = parseTrace(readFileSync(file, "utf8"), file);
    expect(connections.map(({ where }) => where)).toEqual(["slow", "lost", "quick"]);
    expect(connections[1]?.fault?.fault).toBe("CARD_MUTE");
  });

  test("nobody reached, nothing recorded", async () => {
    const recorder = await TraceRecorder.create(world.path("none.apdu"));
    const open = () => Promise.reject(new HsmError("X", "device", "not there"));
    const { recorded } = await runTargets(contextOf(), [{ ...new Watched("a").target, open }], recorder, status);
    expect(recorded).toBe(false);
    await recorder.abandon();
  });
});
