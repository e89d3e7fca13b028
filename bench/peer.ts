/**
 * Runs sc-hsm-tool against a simulated token through pcscd and vpcd and prints how many commands it sent, as JSON.
 * To be run inside test/support/with-pcscd.
 */
import { spawn } from "node:child_process";
import { repeatableWorld } from "../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../src/simulator/simulator.ts";
import { serveVpcd } from "../src/simulator/vpcd.ts";

const token = SimulatedToken.create(repeatableWorld("peer"), { profile: "genuine" });
let commands = 0;
const transceive = token.transceive.bind(token);
token.transceive = (bytes) => {
  commands++;
  return transceive(bytes);
};

/** pcscd needs a moment to see the card; it has seen it when it was powered. */
const powered = new Promise<void>((resolve) => {
  const reset = token.reset.bind(token);
  token.reset = () => {
    setImmediate(resolve);
    return reset();
  };
});

/** Runs the tool and tells how many commands reached the card. */
function count(...args: string[]): Promise<number> {
  const before = commands;
  return new Promise((resolve, reject) => {
    const child = spawn("sc-hsm-tool", args, { stdio: "ignore" });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(commands - before) : reject(new Error(`sc-hsm-tool: ${code}`))));
  });
}

const stop = new AbortController();
const served = serveVpcd(token, { signal: stop.signal });
try {
  await powered;
  const init = await count(
    "--initialize",
    "--so-pin",
    "3537363231383830",
    "--pin",
    "648219",
    "--dkek-shares",
    "1",
    "--label",
    "bench",
  );
  const status = await count();
  process.stdout.write(JSON.stringify({ status: String(status), init: String(init) }));
} finally {
  stop.abort();
  await served;
}
