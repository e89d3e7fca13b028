import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface ApduCount {
  readonly what: string;
  readonly ours: number;
  readonly budget: number;
  /** The peer's count, as measured here or as recorded. */
  readonly peer: string;
  /** What each APDU beyond the peer's buys. */
  readonly extra: readonly string[];
}

/** What a command sends, told by its own trace. */
export async function ourCount(
  root: string,
  home: string,
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
  device = "sim:count",
): Promise<number> {
  const trace = join(home, `${name}.apdu`);
  const bin = join(root, "dist", "bin", "hsmadm.js");
  await run(process.execPath, [bin, ...args, "--device", device, "--trace", trace], { HSMADM_HOME: home, ...env });
  return readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("> ")).length;
}

/** Runs a program and gives what it printed. */
export function run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.stderr.on("data", (chunk) => (errors += String(chunk)));
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${command} ended with ${code}: ${errors}`)),
    );
  });
}
