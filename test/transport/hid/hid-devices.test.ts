import { beforeEach, describe, expect, test, vi } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { listHidAuthenticators, openHid } from "../../../src/transport/hid/hid-devices.ts";

/** What the binding would find and do on a machine with HID devices. */
const machine = vi.hoisted(() => ({
  devices: [] as Record<string, unknown>[],
  written: [] as number[][],
  reports: [] as (Uint8Array | Error | undefined)[],
  closed: 0,
  openError: undefined as Error | undefined,
}));

vi.mock("node-hid", () => ({
  devicesAsync: async () => machine.devices,
  HIDAsync: {
    open: async () => {
      if (machine.openError !== undefined) throw machine.openError;
      return {
        write: async (report: number[]) => machine.written.push(report),
        read: async () => {
          await new Promise(setImmediate);
          const next = machine.reports.shift();
          if (next instanceof Error) throw next;
          return next;
        },
        close: async () => {
          machine.closed++;
        },
      };
    },
  },
}));

const random = () => fromHex("654e2c87d7820cbe");
const channelGiven = fromHex(`ffffffff860011654e2c87d7820cbe0a0b0c01020100000d${"00".repeat(40)}`);
const ok = fromHex(`0a0b0c0190000100${"00".repeat(56)}`);

beforeEach(() => {
  Object.assign(machine, { devices: [], written: [], reports: [], closed: 0, openError: undefined });
});

describe("HID authenticators", () => {
  test("told by their usage page, not by their maker, and each once", async () => {
    const key = { vendorId: 0x1050, productId: 0x0407, usagePage: 0xf1d0, usage: 1, product: "Key", manufacturer: "" };
    machine.devices = [
      { ...key, path: "/dev/hidraw3" },
      { ...key, path: "/dev/hidraw3" },
      { ...key, path: "/dev/hidraw4", usagePage: 1 },
      { ...key, path: "/dev/hidraw5", usage: 2 },
      { ...key, path: undefined },
    ];
    expect(await listHidAuthenticators()).toEqual([
      { path: "/dev/hidraw3", vendorId: 0x1050, productId: 0x0407, product: "Key", manufacturer: null },
    ]);
  });

  test("a report out has its number before it, a report in has none; no report is no end", async () => {
    machine.reports = [undefined, new Uint8Array(0), channelGiven, undefined, ok];
    const hid = await openHid("/dev/hidraw3", { random });
    expect(hid.where).toBe("hid /dev/hidraw3");
    expect(toHex(await hid.send(Uint8Array.of(4)))).toBe("00");
    expect(machine.written.map((report) => report.length)).toEqual([65, 65]);
    expect(machine.written[0]?.slice(0, 9)).toEqual([0, 0xff, 0xff, 0xff, 0xff, 0x86, 0, 8, 0x65]);
    await hid.close();
    expect(machine.closed).toBe(1);
  });

  test("pulled out: the reader is gone, and the device is closed all the same", async () => {
    machine.reports = [channelGiven, new Error("could not read from HID device")];
    const hid = await openHid("/dev/hidraw3", { random });
    await expect(hid.send(Uint8Array.of(4))).rejects.toMatchObject({ code: "READER_GONE", kind: "device" });
    await hid.close();
    expect(machine.closed).toBe(1);
  });

  test("a device that cannot be opened says why", async () => {
    machine.openError = new Error("cannot open device with path /nowhere/hidraw9");
    await expect(openHid("/nowhere/hidraw9")).rejects.toMatchObject({ code: "NO_READER" });
    await expect(openHid("DevSrvsID:42")).rejects.toMatchObject({ code: "EXCHANGE_FAILED" });
  });
});

test("without the binding for this Node: which dependency is missing, and what works without it", async () => {
  vi.resetModules();
  vi.doMock("node-hid", () => {
    throw new Error("no prebuild");
  });
  const { listHidAuthenticators: list } = await import("../../../src/transport/hid/hid-devices.ts");
  await expect(list()).rejects.toMatchObject({
    code: "BINDING_NOT_LOADABLE",
    kind: "service",
    advice: expect.stringContaining("node-hid"),
  });
});
