import { join } from "node:path";
import { standardStack } from "../../../src/apdu/standard-stack.ts";
import { SmartCardHsm } from "../../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { openTokenFile } from "../../../src/simulator/token-store.ts";
import { defaultWorld } from "../../../src/simulator/world.ts";
import { secrets } from "./officer.ts";
import type { TestWorld } from "./test-io.ts";

/** A simulated token of a test in the hands of another program, logged in. */
export async function behindTheBack<T>(
  world: TestWorld,
  name: string,
  work: (card: SmartCardHsm) => Promise<T>,
): Promise<T> {
  const path = join(world.home, "simulator", `${name}.json`);
  const channel = await openTokenFile(path, { world: defaultWorld() });
  try {
    const card = await SmartCardHsm.open(standardStack(channel, { deadlineMs: 30_000 }));
    await card.verifyUserPin(new TextEncoder().encode(secrets.pin));
    return await work(card);
  } finally {
    await channel.close();
  }
}
