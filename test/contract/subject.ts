import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CardChannel } from "../../src/apdu/channel.ts";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { smartCardHsmRedactor } from "../../src/cards/smartcard-hsm/redactor.ts";
import { SimulatorChannel } from "../../src/simulator/channel.ts";
import type { ProfileName } from "../../src/simulator/profile.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { TraceRecorder } from "../../src/transport/trace/recorder.ts";
import { openReplay } from "../../src/transport/trace/replay.ts";

/** The token a contract test runs against. */
export interface Subject {
  /** A new connection, as a new process would make it. */
  connect(): Promise<CardChannel>;
}

/** What the suite may expect of a token, besides what every one of them does. */
export interface SubjectTraits {
  readonly profile: "genuine" | "pico";
  /** Each test gets a token that was never initialised. A real card cannot give that. */
  readonly fresh: boolean;
  /** Wrong SO-PINs may be tried. Never on a real card. */
  readonly expendable: boolean;
}

/** Runs one test with a token of its own. */
export type WithSubject = (test: (subject: Subject) => Promise<void>) => Promise<void>;

const deadlineMs = 10_000;

function simulated(profile: ProfileName): { bare(): CardChannel } {
  const token = SimulatedToken.create(repeatableWorld(`contract ${profile}`), { profile });
  return { bare: () => new SimulatorChannel(token, `sim:${profile}`) };
}

export function onSimulator(profile: ProfileName): WithSubject {
  return async (test) => {
    const token = simulated(profile);
    await test({ connect: async () => standardStack(token.bare(), { deadlineMs }) });
  };
}

/** The test twice: recorded against the simulator, then against nothing but the recording. */
export function onReplay(profile: ProfileName): WithSubject {
  return async (test) => {
    const file = join(tmpdir(), `hsmadm-contract-${randomUUID()}.apdu`);
    try {
      const token = simulated(profile);
      const recorder = await TraceRecorder.create(file);
      const record = () => recorder.record(token.bare(), smartCardHsmRedactor());
      await test({ connect: async () => standardStack(record(), { deadlineMs }) });
      await recorder.finish();
      const replay = openReplay(readFileSync(file, "utf8"), "contract.apdu");
      await test({ connect: async () => standardStack(replay.connect(), { deadlineMs }) });
      replay.finish();
    } finally {
      rmSync(file, { force: true });
    }
  };
}
