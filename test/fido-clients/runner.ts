import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { openAuthenticatorFile } from "../../src/simulator/fido2/authenticator-store.ts";
import type { Touch } from "../../src/simulator/fido2/device.ts";
import { serveVpcd } from "../../src/simulator/vpcd.ts";
import { defaultWorld } from "../../src/simulator/world.ts";

/**
 * Runs inside test/support/with-pcscd: puts an authenticator into a virtual reader, runs the program on it, and writes
 * what it said. Bundled by the test, as Node 20 does not read TypeScript.
 */
const [statePath = "", resultPath = "", program = "", ...args] = process.argv.slice(2);
const timeoutMs = 120_000;
let touchNow: () => void = () => {};
const touch: Touch = ({ rpId }) => {
  if (rpId === "denied.example") return Promise.resolve("denied");
  if (rpId === "nobody.example") return Promise.resolve("timeout");
  if (rpId !== "touched.example") return Promise.resolve("touched");
  // The client has to be told that it waits, and to say so.
  return new Promise((resolve) => {
    touchNow = () => resolve("touched");
  });
};

const end = new AbortController();
const channel = await openAuthenticatorFile(statePath, { world: defaultWorld(), create: true, touch });
const service = serveVpcd(channel.token, { signal: end.signal });
const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], timeout: timeoutMs });
const lines: string[] = [];
let stderr = "";
createInterface(child.stdout).on("line", (line) => {
  lines.push(line);
  if (line === "touch!") touchNow();
});
child.stderr.on("data", (bytes: Uint8Array) => {
  stderr += new TextDecoder().decode(bytes);
});
const exit = await new Promise<number | string>((resolve, reject) => {
  child.on("error", reject);
  child.on("close", (code, signal) => resolve(code ?? String(signal)));
});
const fault = channel.token.lastFault;
writeFileSync(resultPath, JSON.stringify({ exit, lines, stderr, fault: fault === undefined ? null : String(fault) }));
end.abort();
await service;
await channel.close();
