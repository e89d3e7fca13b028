import { fromHex } from "../src/bytes/hex.ts";
import { repeatableWorld } from "../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../src/simulator/simulator.ts";

/** What the simulator owes (issue 2, "Speed"). */
export const readBinaryBudget = 100_000;

/** READ BINARY of EF 2F02 from a simulated token in this process: how many a second, after a warm-up. */
export async function readBinaryPerSecond(count = 200_000): Promise<number> {
  const token = SimulatedToken.create(repeatableWorld("bench"), { profile: "genuine" });
  token.powerOn();
  await token.transceive(fromHex("00A404000BE82B0601040181C31F020100"));
  const read = fromHex("00B12F02045402000000");
  const run = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const answer = await token.transceive(read);
      if (answer.length !== 258) throw new Error(`READ BINARY answered ${answer.length} bytes`);
    }
  };
  await run(count / 10);
  const begin = performance.now();
  await run(count);
  return Math.round((1000 * count) / (performance.now() - begin));
}
