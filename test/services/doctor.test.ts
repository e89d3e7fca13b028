import { describe, expect, test } from "vitest";
import { transportFaults } from "../../src/apdu/transport-error.ts";
import { HsmError } from "../../src/errors.ts";
import {
  type DoctorProbe,
  type DoctorProbes,
  doctorLines,
  doctorRungs,
  runDoctor,
} from "../../src/services/doctor/doctor.ts";
import { doctorFaults } from "../../src/services/doctor/doctor-faults.ts";
import {
  atrFinding,
  cardFinding,
  extendedFinding,
  identityFinding,
  nodeFinding,
  pinsFinding,
  readersFinding,
  selectFinding,
} from "../../src/services/doctor/doctor-findings.ts";
import { reportOf } from "./reports.ts";
import { statusOf } from "./statuses.ts";

function probes(changes: Partial<Record<keyof DoctorProbes, DoctorProbe>> = {}, tried: string[] = []): DoctorProbes {
  const all = doctorRungs.map((name) => {
    const probe: DoctorProbe = changes[name] ?? (() => ({ facts: { seen: true } }));
    return [
      name,
      () => {
        tried.push(name);
        return probe();
      },
    ];
  });
  return Object.fromEntries(all) as DoctorProbes;
}

test("a ladder that holds is climbed to the top, in order", async () => {
  const tried: string[] = [];
  const report = await runDoctor(probes({}, tried));
  expect(tried).toEqual([...doctorRungs]);
  expect(report).toMatchObject({ firstFailing: null, notTried: [] });
  expect(report.rungs.every(({ ok }) => ok)).toBe(true);
});

test.each(doctorRungs.map((name, index) => [name, index] as const))(
  "%s fails: nothing above is tried",
  async (name, index) => {
    const tried: string[] = [];
    const failing = { [name]: () => ({ facts: { raw: "6F00" }, fault: "UNEXPECTED", detail: "because" }) as const };
    const report = await runDoctor(probes(failing, tried));
    expect(tried).toEqual(doctorRungs.slice(0, index + 1));
    expect(report.firstFailing).toBe(name);
    expect(report.notTried).toEqual(doctorRungs.slice(index + 1));
    expect(report.rungs.at(-1)).toMatchObject({
      ok: false,
      facts: { raw: "6F00" },
      fault: "UNEXPECTED",
      problem: "something went wrong that hsmadm does not know: because",
      fix: doctorFaults.UNEXPECTED.fix,
    });
  },
);

describe("a probe that throws", () => {
  const failWith = async (error: unknown) => {
    const report = await runDoctor(probes({ service: () => Promise.reject(error) }));
    return report.rungs.at(-1);
  };

  test("a known fault gets its fix", async () => {
    const rung = await failWith(new HsmError("SERVICE_NOT_RUNNING", "service", "no service", { advice: "short" }));
    expect(rung).toMatchObject({ ok: false, problem: "no service", facts: { code: "SERVICE_NOT_RUNNING" } });
    expect(rung).toMatchObject({ fault: "SERVICE_NOT_RUNNING", kind: "service" });
    expect(rung?.fix).toContain("  sudo systemctl enable --now pcscd.socket");
  });

  test("what the command knows of the error stands beside it, and may end the ladder", async () => {
    const error = new HsmError("SHARING_VIOLATION", "service", "held");
    const failing = probes({ connect: () => Promise.reject(error) });
    const told = await runDoctor(failing, () => ({ facts: { attempts: 2 }, notes: ["who"] }));
    expect(told.rungs.at(-1)).toMatchObject({
      facts: { code: "SHARING_VIOLATION", attempts: 2 },
      notes: ["who"],
      kind: "service",
    });
    const ended = runDoctor(failing, (thrown) => {
      throw thrown;
    });
    await expect(ended).rejects.toBe(error);
  });

  test("another error of ours keeps its own advice", async () => {
    const rung = await failWith(new HsmError("SOMETHING", "service", "oh", { advice: "do this\n  then that" }));
    expect(rung?.fix).toEqual(["do this", "  then that"]);
  });

  test("a stranger is reported", async () => {
    const rung = await failWith(new TypeError("x is undefined"));
    expect(rung).toMatchObject({ problem: "x is undefined", fix: ["please report it with this output"] });
  });

  test("a name from Object's prototype is no fault", async () => {
    const rung = await failWith(new HsmError("constructor", "service", "oh"));
    expect(rung?.fix).toEqual([]);
  });
});

test("every fault that a person can do something about has its words here", () => {
  const bugs = ["CHANNEL_BUSY", "CHANNEL_CLOSED"];
  const missing = Object.keys(transportFaults).filter((name) => !Object.hasOwn(doctorFaults, name));
  expect(missing).toEqual(bugs);
});

test.each([
  ["BINDING_NOT_LOADABLE", ["libpcsclite-dev", "npm rebuild pcsclite", "allow-scripts", "pcsc-mini", "sim:demo"]],
  ["SERVICE_NOT_INSTALLED", ["pcscd", "libccid"]],
  ["SERVICE_NOT_RUNNING", ["systemctl enable --now pcscd.socket"]],
  [
    "ACCESS_REFUSED",
    ["org.debian.pcsc-lite.access_pcsc", "org.debian.pcsc-lite.access_card", "polkit.addRule", "hidepid", "journalctl"],
  ],
  ["SHARING_VIOLATION", ["scdaemon", "PKCS#11"]],
  ["NO_READER", ["lsusb", "libccid"]],
] as const)("%s names %j", (fault, names) => {
  const text = doctorFaults[fault].fix.join("\n");
  for (const name of names) expect(text).toContain(name);
});

describe("findings", () => {
  test.each([
    ["20.19.0", undefined],
    ["20.20.2", undefined],
    ["26.1.0", undefined],
    ["20.18.9", "NODE_TOO_OLD"],
    ["18.20.0", "NODE_TOO_OLD"],
    ["nonsense", "NODE_TOO_OLD"],
  ])("Node %s: %s", (version, fault) => {
    expect(nodeFinding(version, "linux x64").fault).toBe(fault);
  });

  const nobody = () => [];

  test("no reader is a fault, an empty one is not; scdaemon may have taken it", () => {
    expect(readersFinding([], nobody)).toMatchObject({ fault: "NO_READER", notes: [] });
    const scdaemon = readersFinding([], () => [
      { pid: 7, name: "scdaemon" },
      { pid: 8, name: "firefox" },
    ]);
    expect(scdaemon.notes).toEqual([expect.stringMatching(/scdaemon.*process 7.*gpgconf --kill scdaemon/)]);
    const empty = [{ name: "X", state: "empty" }];
    expect(readersFinding(empty, nobody)).toEqual({ facts: { readers: ["X (empty)"] } });
    expect(cardFinding(empty, nobody).fault).toBe("NO_CARD");
  });

  test("cards: all mute is a fault, one that is held is told with who may hold it", () => {
    expect(cardFinding([{ name: "X", state: "mute" }], nobody).fault).toBe("CARD_MUTE");
    const readers = [
      { name: "X", state: "mute" },
      { name: "Y", state: "in-use" },
    ];
    const finding = cardFinding(readers, () => [{ pid: 9, name: "firefox" }]);
    expect(finding.fault).toBeUndefined();
    expect(finding.notes?.join()).toMatch(/"Y" is held.*firefox \(process 9\)/);
    expect(cardFinding([{ name: "X", state: "present" }], nobody).notes).toEqual([]);
  });

  test("extended length: refused is no fault, but says what does not work and who refused", () => {
    expect(extendedFinding({ refusedBy: null, longestAnswer: 700, detail: null })).toEqual({
      facts: { "extended length": true, "longest answer": "700 bytes" },
      notes: [],
    });
    expect(extendedFinding({ refusedBy: null, longestAnswer: 12, detail: null }).notes).toHaveLength(1);
    const byReader = extendedFinding({ refusedBy: "reader", longestAnswer: 0, detail: "0x80100016" });
    expect(byReader.fault).toBeUndefined();
    expect(byReader.facts).toMatchObject({ "extended length": false, answer: "0x80100016" });
    expect(byReader.notes?.join()).toMatch(/this reader.*2048 bits/);
    const byCard = extendedFinding({ refusedBy: "card", longestAnswer: 0, detail: "SW 6700" });
    expect(byCard.notes?.join()).toMatch(/this card/);
  });

  test("an unknown ATR is a note, with its bytes", () => {
    expect(atrFinding("3B80", null)).toMatchObject({ facts: { atr: "3B80" }, notes: [expect.any(String)] });
    expect(atrFinding("3B80", "JCOP").fault).toBeUndefined();
  });

  test("the applet and the token are named, and blocked PINs are notes with their dead ends", () => {
    const selected = selectFinding({
      version: { major: 4, minor: 1 },
      platform: "demo",
      optionNames: ["transport PIN"],
    });
    expect(selected.facts).toEqual({ version: "4.1", platform: "demo", options: ["transport PIN"] });
    expect(identityFinding(reportOf()).facts).toMatchObject({ serial: "DENK0404144", simulated: false });
    const blocked = pinsFinding(reportOf(statusOf("blocked", "blocked")));
    expect(blocked.fault).toBeUndefined();
    expect(blocked.notes?.join()).toContain("no factory reset");
    expect(pinsFinding(reportOf(statusOf("unreadable", 15))).fault).toBe("PINS_UNREADABLE");
  });
});

test("the report as text says what holds, what fails, what to paste and what was not tried", async () => {
  const report = await runDoctor(
    probes({
      node: () => nodeFinding("20.20.2", "linux x64"),
      bindings: () => ({ facts: { pcsclite: "loads" }, notes: ["a note"] }),
      service: () => ({ facts: { socket: "/run/pcscd/pcscd.comm", there: false }, fault: "SERVICE_NOT_RUNNING" }),
    }),
  );
  const lines = doctorLines(report);
  expect(lines.slice(0, 7)).toEqual([
    "ok   node     version: 20.20.2; platform: linux x64",
    "ok   bindings pcsclite: loads",
    "     note: a note",
    "FAIL service  socket: /run/pcscd/pcscd.comm; there: false",
    "     problem: the PC/SC service is not running",
    "     let systemd start pcscd when it is needed:",
    "       sudo systemctl enable --now pcscd.socket",
  ]);
  expect(lines.at(-1)).toBe(
    "not tried: access, readers, card, connect, atr, select, extended, identity, pins, firmware",
  );
  expect(lines.join("\n")).not.toContain("undefined");
});
