import type { CardChannel } from "../../src/apdu/channel.ts";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { smartCardHsmRedactor } from "../../src/cards/smartcard-hsm/redactor.ts";
import { SimulatorChannel } from "../../src/simulator/channel.ts";
import type { ProfileName } from "../../src/simulator/profile.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { TraceRecorder } from "../../src/transport/trace/recorder.ts";
import { type Facts, type Story, stories, type Twist, testSecrets } from "./stories.ts";

export const deadlineMs = 10_000;
const recordedAt = new Date("2026-11-20T12:00:00Z");

/** Folder of a card under apdu-fixtures/, and the card's name in the head of each file. */
export const cards: Readonly<Record<ProfileName, { folder: string; card: string }>> = {
  genuine: { folder: "simulated-genuine", card: "SIMULATED SmartCard-HSM 4.1 (as a genuine card behaves)" },
  pico: { folder: "simulated-pico", card: "SIMULATED Pico HSM 6.6 (as pico-hsm behaves)" },
};

/** Plays a story against a new simulated token and writes the trace. Every run gives the same bytes. */
export async function recordStory(story: Story, profile: ProfileName, path: string): Promise<Facts> {
  const token = SimulatedToken.create(repeatableWorld(`fixture ${story.name}`), { profile });
  const bare = () => new SimulatorChannel(token, `sim:${profile}`);
  if (story.prepare !== undefined) {
    const channel = bare();
    await story.prepare(standardStack(channel, { deadlineMs }), testSecrets);
    await channel.close();
  }
  const recorder = await TraceRecorder.create(path, {
    overwrite: true,
    header: { card: cards[profile].card, story: story.about, tool: "hsmadm" },
    now: () => recordedAt,
  });
  const facts = await story.play(async (twist) => {
    const channel = twist === undefined ? bare() : twisted(bare(), twist);
    return standardStack(recorder.record(channel, smartCardHsmRedactor()), { deadlineMs });
  }, testSecrets);
  await recorder.finish();
  return facts;
}

/** All of them, for `scripts/record-fixtures.mjs`. @param root apdu-fixtures/ */
export async function recordAll(root: string, log: (line: string) => void): Promise<void> {
  for (const profile of ["genuine", "pico"] as const) {
    for (const story of stories) {
      const path = `${root}/${cards[profile].folder}/${story.name}.apdu`;
      log(`${path}\n${JSON.stringify(await recordStory(story, profile, path), null, 1)}`);
    }
  }
}

function twisted(channel: CardChannel, twist: Twist): CardChannel {
  let n = 0;
  return {
    get atr() {
      return channel.atr;
    },
    where: channel.where,
    async transceive(command) {
      await twist(channel, n++, command);
      return channel.transceive(command);
    },
    reset: () => channel.reset(),
    close: () => channel.close(),
  };
}
