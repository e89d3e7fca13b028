import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { openPcsc, type Pcsc } from "../../../src/transport/pcsc/pcsc.ts";
import { probeBindings } from "../../../src/transport/pcsc/probe.ts";
import { builtHost } from "./support/host-entry.ts";

const fake = fileURLToPath(new URL("support/fake-host.mjs", import.meta.url));
const open: Pcsc[] = [];

async function fakePcsc(timeoutMs = 5000): Promise<Pcsc> {
  const pcsc = await openPcsc({ timeoutMs, hostEntry: fake });
  open.push(pcsc);
  return pcsc;
}

afterEach(async () => {
  for (const pcsc of open.splice(0)) await pcsc.close();
});

describe("the reader host, from the main process's side", () => {
  test("commands and answers go through, shared or not, one after the other", async () => {
    const pcsc = await fakePcsc();
    const channel = await pcsc.connect("echo", { share: "shared" });
    expect(channel.where).toBe('reader "echo"');
    expect(toHex(channel.atr)).toBe("3B80");
    expect(toHex(await channel.transceive(fromHex("00010203")))).toBe("000102039000");
    await channel.reset();
    expect(toHex(channel.atr)).toBe("3BFE");
    await channel.close();
    await channel.close();
    await expect(channel.transceive(fromHex("00010203"))).rejects.toMatchObject({ code: "CHANNEL_CLOSED" });
    expect((await pcsc.listReaders()).map(({ name }) => name)).toContain("echo");
  });

  test("a command without an answer ends by its deadline, and so does everything after it", async () => {
    const channel = await (await fakePcsc(1000)).connect("silent", { share: "shared" });
    const expected = { code: "TIMEOUT", exitCode: 12, layer: "reader host" };
    await expect(channel.transceive(fromHex("00010203"))).rejects.toMatchObject(expected);
    await expect(channel.transceive(fromHex("00010203"))).rejects.toMatchObject(expected);
    await channel.close();
  });

  test("a command known to be slow gets its own time", async () => {
    const channel = await (await fakePcsc(1000)).connect("silent", { share: "shared" });
    const start = performance.now();
    await expect(channel.transceive(fromHex("00460000"), { patienceMs: 1500 })).rejects.toMatchObject({
      code: "TIMEOUT",
    });
    expect(performance.now() - start).toBeGreaterThan(1450);
  });

  test("a timeout on one card leaves the others alone", async () => {
    const pcsc = await fakePcsc(1000);
    const stuck = await pcsc.connect("silent", { share: "shared" });
    const fine = await pcsc.connect("echo", { share: "shared" });
    await expect(stuck.transceive(fromHex("00010203"))).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(toHex(await fine.transceive(fromHex("00010203")))).toBe("000102039000");
    expect((await pcsc.listReaders()).length).toBeGreaterThan(0);
  });

  test("starting has a deadline too", async () => {
    const never = "never" as "pcsc-mini";
    await expect(openPcsc({ driver: never, timeoutMs: 200, hostEntry: fake })).rejects.toMatchObject({
      code: "TIMEOUT",
    });
  });

  test("a close that is not answered does not hang", async () => {
    const channel = await (await fakePcsc(1000)).connect("stuck close", { share: "shared" });
    await channel.close();
  });

  test("close takes the card back from a command that is still on its way", async () => {
    const channel = await (await fakePcsc(60_000)).connect("silent", { share: "shared" });
    const pending = expect(channel.transceive(fromHex("00010203"))).rejects.toMatchObject({ code: "CHANNEL_CLOSED" });
    await channel.close();
    await pending;
  });

  test("a native crash is an error, not a crash", async () => {
    const channel = await (await fakePcsc()).connect("crash", { share: "shared" });
    await expect(channel.transceive(fromHex("00010203"))).rejects.toMatchObject({
      code: "EXCHANGE_FAILED",
      message: "the reader host ended unexpectedly (SIGSEGV)",
    });
  });

  test("the loss of the service ends the command, and the next list asks a new host", async () => {
    const pcsc = await fakePcsc();
    const channel = await pcsc.connect("service lost", { share: "shared" });
    await expect(channel.transceive(fromHex("00010203"))).rejects.toMatchObject({ code: "SERVICE_NOT_RUNNING" });
    await channel.close();
    expect((await pcsc.listReaders()).length).toBeGreaterThan(0);
  });

  test("a host whose every thread is stuck is gone after the deadline", async () => {
    const channel = await (await fakePcsc(1000)).connect("blocked", { share: "shared" });
    const pid = Number(new TextDecoder().decode(channel.atr));
    expect(isRunning(pid)).toBe(true);
    await expect(channel.transceive(fromHex("00010203"))).rejects.toMatchObject({ code: "TIMEOUT" });
    await expect.poll(() => isRunning(pid), { timeout: 5000 }).toBe(false);
  });

  test("connecting is tried with a second host when the service was lost, and no more", async () => {
    const connecting = (await fakePcsc()).connect("always lost", { share: "shared" });
    await expect(connecting).rejects.toMatchObject({
      code: "SERVICE_NOT_RUNNING",
      attempts: 2,
      firstCause: expect.objectContaining({ code: "SERVICE_NOT_RUNNING" }),
    });
  });

  test("a reader that is not there is named, with those that are", async () => {
    await expect((await fakePcsc()).connect("nowhere", { share: "shared" })).rejects.toMatchObject({
      code: "NO_READER",
      exitCode: 3,
      message: 'no reader is named "nowhere"',
      advice: expect.stringContaining('"echo"'),
    });
  });

  test("no secret of the command reaches the host's arguments or environment", async () => {
    process.env["HSMADM_TEST_PIN"] = "648219";
    try {
      const channel = await (await fakePcsc()).connect("environment", { share: "shared" });
      const text = new TextDecoder().decode(await channel.transceive(fromHex("00010203")));
      const seen = JSON.parse(text) as { env: Record<string, string>; argv: string[]; execArgv: string[] };
      expect(text).not.toContain("648219");
      expect(Object.keys(seen.env)).toContain("UV_THREADPOOL_SIZE");
      expect(seen.argv.length).toBe(2);
      expect(seen.execArgv).toEqual([]);
    } finally {
      delete process.env["HSMADM_TEST_PIN"];
    }
  });

  test("two commands at once: the second is not sent", async () => {
    const channel = await (await fakePcsc()).connect("echo", { share: "shared" });
    const first = channel.transceive(fromHex("00010203"));
    await expect(channel.transceive(fromHex("00010204"))).rejects.toMatchObject({ code: "CHANNEL_BUSY" });
    await first;
  });
});

describe("the real reader host without a service", () => {
  let hostEntry: string;
  const socket = process.env["PCSCLITE_CSOCK_NAME"];
  beforeAll(async () => {
    hostEntry = await builtHost();
    process.env["PCSCLITE_CSOCK_NAME"] = "/nonexistent/pcscd.comm";
    return () => {
      if (socket === undefined) delete process.env["PCSCLITE_CSOCK_NAME"];
      else process.env["PCSCLITE_CSOCK_NAME"] = socket;
    };
  });

  test("which bindings load is told, with the fix for those that do not; none is loaded here", async () => {
    const probes = await probeBindings({ hostEntry, timeoutMs: 10_000 });
    expect(probes.map(({ name }) => name)).toEqual(["pcsclite", "pcsc-mini"]);
    for (const probe of probes) {
      expect(probe.loads ? probe.fix : probe.error).toEqual(probe.loads ? null : expect.any(String));
      if (probe.loads) expect(probe.version).toMatch(/^\d+\.\d+\.\d+$/);
    }
    expectNoBindingHere();
  });

  test.each(["pcsclite", "pcsc-mini"] as const)("%s: the service is not running", async (driver) => {
    const [probe] = (await probeBindings({ hostEntry, timeoutMs: 10_000 })).filter(({ name }) => name === driver);
    const code = probe?.loads ? "SERVICE_NOT_RUNNING" : "BINDING_NOT_LOADABLE";
    const started = openPcsc({ driver, timeoutMs: 10_000, hostEntry });
    await expect(started).rejects.toMatchObject({ code, exitCode: 11, advice: expect.any(String) });
    expectNoBindingHere();
  });

  test("a binding that does not exist is named", async () => {
    const started = openPcsc({ driver: "winscard" as "pcsc-mini", timeoutMs: 10_000, hostEntry });
    await expect(started).rejects.toMatchObject({
      code: "BINDING_NOT_LOADABLE",
      message: expect.stringContaining("winscard"),
    });
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function expectNoBindingHere(): void {
  if (!existsSync("/proc/self/maps")) return;
  expect(readFileSync("/proc/self/maps", "utf8")).not.toMatch(/pcsclite|pcsc-mini/);
}
