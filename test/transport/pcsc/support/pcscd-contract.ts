import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { encodeCommand } from "../../../../src/apdu/command.ts";
import type { TransportError } from "../../../../src/apdu/transport-error.ts";
import { fromHex, toHex } from "../../../../src/bytes/hex.ts";
import type { DriverName } from "../../../../src/transport/pcsc/driver-name.ts";
import { openPcsc, type Pcsc } from "../../../../src/transport/pcsc/pcsc.ts";
import { describeWith, stackNeeds } from "../../../support/needs.ts";
import { built, builtHost } from "./host-entry.ts";
import { openRoom, type Room } from "./pcscd-room.ts";

const first = "Virtual PCD 00 00";
const second = "Virtual PCD 00 01";
const hello = fromHex("00010203");

/** What every binding must do, against a real pcscd and a scripted card in its virtual reader. */
export function pcscdContract(driver: DriverName): void {
  describeWith([...stackNeeds], `a real pcscd through ${driver}`, () => {
    let hostEntry: string;
    let commandEntry: string;
    let room: Room;
    let pcsc: Pcsc;
    const outside = process.env["PCSCLITE_CSOCK_NAME"];

    beforeAll(async () => {
      hostEntry = await builtHost();
      commandEntry = await built("test/transport/pcsc/support/silent-command.ts");
      room = await openRoom();
      process.env["PCSCLITE_CSOCK_NAME"] = room.socket;
    });
    afterAll(async () => {
      if (outside === undefined) delete process.env["PCSCLITE_CSOCK_NAME"];
      else process.env["PCSCLITE_CSOCK_NAME"] = outside;
      await room.end();
    });
    beforeEach(async () => {
      pcsc = await openPcsc({ driver, timeoutMs: 5000, hostEntry });
    });
    afterEach(async () => {
      await room.ask({ do: "remove" });
      await reached(pcsc, first, "empty");
      await pcsc.close();
    });

    async function insert(mode: "echo" | "silent" | "garbage" | "drop" = "echo", atr = "3B80800101"): Promise<void> {
      await room.ask({ do: "insert", mode, atr });
      await reached(pcsc, first, "present");
    }

    test("lists the readers, empty ones too", async () => {
      expect(pcsc.driver).toBe(driver);
      expect(await pcsc.listReaders()).toEqual([
        { name: first, state: "empty", atr: null },
        { name: second, state: "empty", atr: null },
      ]);
      await expect(pcsc.connect(first, { share: "shared" })).rejects.toMatchObject({ code: "NO_CARD", exitCode: 3 });
    });

    test("tells of cards that come and go", async () => {
      const stop = new AbortController();
      const changes: string[] = [];
      for await (const event of pcsc.watch(stop.signal)) {
        changes.push("reader" in event ? `${event.change} ${event.reader.name}` : event.change);
        if (changes.length === 2) await room.ask({ do: "insert", mode: "echo" });
        if (event.change === "card-inserted") await room.ask({ do: "remove" });
        if (event.change === "card-removed") stop.abort();
      }
      expect(changes).toEqual([
        `reader-added ${first}`,
        `reader-added ${second}`,
        `card-inserted ${first}`,
        `card-removed ${first}`,
      ]);
    });

    test("connects, sends and receives up to extended length", async () => {
      await insert();
      const channel = await pcsc.connect(first, { share: "exclusive" });
      expect(toHex(channel.atr)).toBe("3B80800101");
      const data = Uint8Array.from({ length: 2000 }, (_, i) => i & 0xff);
      const command = encodeCommand({ cla: 0, ins: 0x74, p1: 0, p2: 0, data, le: 65_536 });
      const answer = await channel.transceive(command);
      expect(answer.length).toBe(command.length + 2);
      expect(answer.subarray(0, -2)).toEqual(command);
      const long = await channel.transceive(fromHex("00B1F000"));
      expect(long.length).toBe(0xf000 + 2);
      await channel.close();
      expect((await room.ask({ do: "log" })).resets).toBe(0);
    });

    test("a silent card ends by deadline, the reader is usable again afterwards", async () => {
      await insert("silent");
      const quick = await openPcsc({ driver, timeoutMs: 700, hostEntry });
      const channel = await quick.connect(first, { share: "shared" });
      await expect(channel.transceive(hello)).rejects.toMatchObject({ code: "TIMEOUT", exitCode: 12 });
      await channel.close();
      await quick.close();
      await room.ask({ do: "remove" });
      await reached(pcsc, first, "empty");
      await insert("echo");
      const again = await pcsc.connect(first, { share: "shared" });
      expect(toHex(await again.transceive(hello))).toBe("000102039000");
      await again.close();
    });

    test("a command that meets a silent card exits with 12, promptly, and leaves no process behind", async () => {
      await insert("silent");
      const start = performance.now();
      const command = run([commandEntry, driver, hostEntry, first, "700"]);
      expect(await command.line()).toBe("connected");
      const [host] = childrenOf(command.pid);
      expect(host).toBeTypeOf("number");
      // Ctrl-C reaches both; what becomes of the card is the command's to decide.
      process.kill(Number(host), "SIGINT");
      expect(await command.line()).toBe("TIMEOUT");
      expect(await command.exit()).toBe(12);
      expect(performance.now() - start).toBeLessThan(4000);
      await gone(host);
    });

    test("a command that is killed while its card is silent takes its host with it", async () => {
      await insert("silent");
      const command = run([commandEntry, driver, hostEntry, first, "60000"]);
      expect(await command.line()).toBe("connected");
      const [host] = childrenOf(command.pid);
      command.child.kill("SIGKILL");
      await command.exit();
      await gone(host);
    });

    test("a command that closes nothing ends by itself, and had no binding in it", async () => {
      await insert();
      const { stdout } = await promisify(execFile)(process.execPath, [commandEntry, driver, hostEntry, first, "3000"]);
      expect(stdout).toBe("connected\n6\n");
    });

    test("a card taken out in the middle of a command", async () => {
      await insert("drop");
      const channel = await pcsc.connect(first, { share: "exclusive" });
      await expect(channel.transceive(hello)).rejects.toMatchObject({ code: "CARD_REMOVED", exitCode: 3 });
      await expect(channel.transceive(hello)).rejects.toMatchObject({ code: "CARD_REMOVED" });
      expect((await room.ask({ do: "log" })).commands).toEqual([toHex(hello)]);
      await channel.close();
    });

    test("an answer without a status word is no answer", async () => {
      await insert("garbage");
      const channel = await pcsc.connect(first, { share: "shared" });
      await expect(channel.transceive(hello)).rejects.toMatchObject({ code: "EXCHANGE_FAILED" });
      await channel.close();
    });

    // vpcd cannot play a card without any answer to reset: for PC/SC that is an empty reader.
    test("a card whose answer to reset makes no sense", async () => {
      await insert("echo", "FFFFFF");
      await expect(pcsc.connect(first, { share: "shared" })).rejects.toMatchObject({ code: "CARD_MUTE", exitCode: 3 });
    });

    test("an exclusive connection keeps others out until it is closed", async () => {
      await insert();
      const mine = await pcsc.connect(first, { share: "exclusive" });
      await expect(pcsc.connect(first, { share: "shared" })).rejects.toMatchObject({
        code: "SHARING_VIOLATION",
        exitCode: 11,
        advice: expect.stringContaining("scdaemon"),
      });
      await mine.close();
      const theirs = await pcsc.connect(first, { share: "shared" });
      await expect(pcsc.connect(first, { share: "exclusive" })).rejects.toMatchObject({ code: "SHARING_VIOLATION" });
      await theirs.close();
    });

    test("another program's reset: told, connected again, and the command not repeated", async () => {
      await insert();
      const mine = await pcsc.connect(first, { share: "shared" });
      await mine.transceive(hello);
      const theirs = await pcsc.connect(first, { share: "shared" });
      await theirs.reset();
      const pin = fromHex("0020008106313233343536");
      await expect(mine.transceive(pin)).rejects.toMatchObject({ code: "CARD_RESET", exitCode: 3 });
      expect((await room.ask({ do: "log" })).commands).toEqual([toHex(hello)]);
      expect(toHex(await mine.transceive(hello))).toBe("000102039000");
      expect((await room.ask({ do: "log" })).resets).toBe(1);
      await theirs.close();
      await mine.close();
    });

    test("our own reset ends in a connected card", async () => {
      await insert();
      const channel = await pcsc.connect(first, { share: "exclusive" });
      await channel.reset();
      expect(toHex(channel.atr)).toBe("3B80800101");
      expect(toHex(await channel.transceive(hello))).toBe("000102039000");
      expect((await room.ask({ do: "log" })).resets).toBe(1);
      await channel.close();
    });

    test("pcscd dies in the middle of a command and comes back", async () => {
      await insert("silent");
      const channel = await pcsc.connect(first, { share: "shared" });
      const failed = expect(channel.transceive(hello)).rejects.toMatchObject({ code: "SERVICE_NOT_RUNNING" });
      await arrived(room);
      await room.ask({ do: "stop-pcscd" });
      await failed;
      await channel.close();
      // An idle host may hear of it a moment later.
      const heard = () =>
        pcsc.listReaders().then(
          () => "still there",
          (error: TransportError) => error.code,
        );
      await expect.poll(heard, { timeout: 5000 }).toBe("SERVICE_NOT_RUNNING");
      await room.ask({ do: "start-pcscd" });
      expect((await pcsc.listReaders()).map(({ name }) => name)).toEqual([first, second]);
      await insert("echo");
      const again = await pcsc.connect(first, { share: "shared" });
      expect(toHex(await again.transceive(hello))).toBe("000102039000");
      await again.close();
    });

    test("watching survives a restart of pcscd", async () => {
      const stop = new AbortController();
      const changes: string[] = [];
      for await (const event of pcsc.watch(stop.signal)) {
        changes.push(event.change);
        if (changes.length === 2) await room.ask({ do: "stop-pcscd" });
        if (event.change === "service-stopped") await room.ask({ do: "start-pcscd" });
        if (changes.length === 8) stop.abort();
      }
      const gone = ["reader-gone", "reader-gone"];
      const added = ["reader-added", "reader-added"];
      expect(changes).toEqual([...added, ...gone, "service-stopped", "service-started", ...added]);
    });
  });
}

/** Waits for PC/SC's own news that a reader is in a state. */
async function reached(pcsc: Pcsc, name: string, state: string): Promise<void> {
  const stop = new AbortController();
  const isThere = async () => (await pcsc.listReaders()).some((one) => one.name === name && one.state === state);
  for await (const event of pcsc.watch(stop.signal)) {
    if ("reader" in event && event.reader.name === name && event.reader.state === state) {
      // The watching host has heard it; the one that will connect may hear it a moment later.
      while (!(await isThere())) await new Promise((resolve) => setImmediate(resolve));
      return;
    }
  }
}

/** Waits until the card has been given a command. */
async function arrived(room: Room): Promise<void> {
  while ((await room.ask({ do: "log" })).commands.length === 0) await new Promise((resolve) => setImmediate(resolve));
}

interface Running {
  readonly pid: number;
  readonly child: ChildProcessByStdio<null, Readable, null>;
  line(): Promise<string>;
  exit(): Promise<number | null>;
}

function run(args: string[]): Running {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    child,
    line: async () => String((await lines.next()).value),
    exit: () => exited,
  };
}

function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.split(" ")[1] === String(pid);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** A process has ended; a zombie that nobody has collected counts as ended. */
async function gone(pid: number | undefined): Promise<void> {
  await expect
    .poll(() => !existsSync(`/proc/${pid}/stat`) || / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")), {
      timeout: 5000,
    })
    .toBe(true);
}
