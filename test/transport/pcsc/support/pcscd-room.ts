import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What the scripted card does with a command; see `room-main.mjs`. */
interface RoomRequest {
  readonly do: "insert" | "remove" | "stop-pcscd" | "start-pcscd" | "log" | "mode" | "end";
  readonly slot?: number;
  readonly atr?: string;
  readonly mode?: "echo" | "silent" | "garbage" | "drop";
}

export interface Room {
  /** Value for `PCSCLITE_CSOCK_NAME`: this room's pcscd, seen from outside of its namespace. */
  readonly socket: string;
  ask(request: RoomRequest): Promise<{ readonly commands: string[]; readonly resets: number }>;
  end(): Promise<void>;
}

/**
 * Starts a pcscd with two vpcd readers in a mount and network namespace of its own, and in it a scripted peer in place
 * of the cards. Programs outside reach that pcscd through its socket.
 */
export async function openRoom(): Promise<Room> {
  const main = fileURLToPath(new URL("room-main.mjs", import.meta.url));
  const prepare =
    "ip link set lo up && ip route replace local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 table local quickack 1" +
    ' && mkdir -p /run/pcscd && mount -t tmpfs tmpfs /run/pcscd && exec "$0" "$1"';
  const child = spawn(
    "unshare",
    ["-m", "-n", "--propagation", "private", "--", "sh", "-c", prepare, process.execPath, main],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const lines = createInterface({ input: child.stdout });
  const waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  const early: string[] = [];
  lines.on("line", (line) => {
    const next = waiting.shift();
    if (next) next.resolve(line);
    else early.push(line);
  });
  child.once("exit", (code) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`the room ended (${code})`));
  });
  const reply = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const line = early.shift();
      if (line !== undefined) resolve(line);
      else if (child.exitCode !== null) reject(new Error(`the room has ended (${child.exitCode})`));
      else waiting.push({ resolve, reject });
    });
  await reply();
  return {
    socket: `/proc/${child.pid}/root/run/pcscd/pcscd.comm`,
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return JSON.parse(await reply());
    },
    end: () => ended(child),
  };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.stdin?.end();
  });
}
