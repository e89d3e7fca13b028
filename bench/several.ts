import type { CardChannel } from "../src/apdu/channel.ts";
import type { SessionContext } from "../src/cli/devices/device-session.ts";
import { runTargets, type Target } from "../src/cli/several/several-run.ts";
import { reportDevice } from "../src/services/device-report.ts";
import { SimulatorChannel } from "../src/simulator/channel.ts";
import { repeatableWorld } from "../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../src/simulator/simulator.ts";
import { median } from "./ratio.ts";

/** What the work on several tokens owes (issue 3): times as long as the slowest of them alone. */
export const severalBudget = 1.15;

/** Milliseconds that each token takes for an exchange; the first is the slowest. A card's status takes 20 to 60. */
const exchangeMs = [50, 20, 25, 30, 35, 40, 45, 50];

export interface SeveralTimes {
  readonly ratio: number;
  readonly allMs: number;
  readonly slowestMs: number;
  readonly tokens: number;
}

/** `device status` of eight tokens that take their time, in turn with that of the slowest alone. */
export async function severalTimes(rounds: number): Promise<SeveralTimes> {
  const tokens = exchangeMs.map((ms, i) => ({
    ms,
    token: SimulatedToken.create(repeatableWorld(`several:${i}`), { profile: "genuine" }),
  }));
  const targets = tokens.map(({ ms, token }, i) => target(`sim:${i}`, token, ms));
  const slowest = targets.slice(0, 1);
  await time(targets);
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0; i < rounds; i++) pairs.push([await time(targets), await time(slowest)]);
  return {
    ratio: median(pairs.map(([all, one]) => all / one)),
    allMs: median(pairs.map(([all]) => all)),
    slowestMs: median(pairs.map(([, one]) => one)),
    tokens: tokens.length,
  };
}

const context: SessionContext = {
  globals: { minTries: 1, minSoTries: 3, noLedger: true, requireGenuine: false },
  paths: { state: "", ledger: "", knownDevices: "", roots: "" },
  io: { now: () => new Date() },
  signal: new AbortController().signal,
};

async function time(targets: readonly Target[]): Promise<number> {
  const begin = performance.now();
  const { rows } = await runTargets(context, targets, undefined, ({ card }) => reportDevice(card));
  const ms = performance.now() - begin;
  for (const row of rows) if (!row.ok) throw row.error;
  return ms;
}

function target(name: string, token: SimulatedToken, ms: number): Target {
  const open = async () => ({
    channel: slowed(new SimulatorChannel(token, name), ms),
    simulated: true,
    replayed: true,
    exact: true,
    expected: undefined,
    deadlineMs: 30_000,
    close: async () => undefined,
  });
  return { asked: name, where: name, perhapsForeign: false, open };
}

/** A card that works on every command for so long. */
function slowed(channel: CardChannel, ms: number): CardChannel {
  return {
    get atr() {
      return channel.atr;
    },
    where: channel.where,
    async transceive(command) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return channel.transceive(command);
    },
    reset: () => channel.reset(),
    close: () => channel.close(),
  };
}
