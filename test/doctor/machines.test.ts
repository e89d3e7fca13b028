import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { bin, describeBuilt, Running } from "../cli/support/built.ts";
import { describeWith, missing, type Need, stackNeeds } from "../support/needs.ts";
import type { DoctorDocument } from "./support/document.ts";

/**
 * Every rung from the service to the card, provoked for real: a pcscd, a bus, polkit and users of their own in a
 * namespace, the built command run by the user whose trouble it is.
 */

const script = fileURLToPath(new URL("support/machine.sh", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "hsmadm-doctor-"));
chmodSync(home, 0o755);
afterAll(() => rmSync(home, { recursive: true, force: true }));

async function doctorOn(
  machine: string,
  env: NodeJS.ProcessEnv = {},
): Promise<DoctorDocument & { code: number | null }> {
  const { code, stdout } = await runOn(machine, env);
  return { code, ...(JSON.parse(stdout) as DoctorDocument) };
}

async function runOn(machine: string, env: NodeJS.ProcessEnv = {}) {
  const ended = await new Running("bash", [script, ...machine.split(" ")], {
    env: { ...process.env, HSMADM_HOME: home, NODE: process.execPath, BIN: bin, ...env },
  }).ended;
  if (ended.code === 125 || ended.stdout === "") throw new Error(`${machine}: ${ended.stderr}`);
  return ended;
}

/** @returns the last rung that was tried */
async function failsOn(
  machine: string,
  [rung, fault, code]: readonly [rung: string, fault: unknown, code: number],
  env?: NodeJS.ProcessEnv,
) {
  const document = await doctorOn(machine, env);
  const last = document.rungs.at(-1);
  expect(document).toMatchObject({ ok: false, firstFailing: rung, code, error: { exitCode: code } });
  expect(last).toMatchObject({ name: rung, ok: false, fault });
  return { facts: last?.facts ?? {}, notes: last?.notes.join("\n") ?? "", fix: last?.fix?.join("\n") ?? "" };
}

function describeOn(needs: readonly Need[], name: string, suite: () => void): void {
  if (missing(...needs) === null) describeBuilt(name, suite);
  else describeWith(needs, name, suite);
}

describeOn([...stackNeeds], "a machine whose PC/SC service", () => {
  test("is not installed", async () => {
    // In a container the host's service is the better one to have.
    const fault = expect.stringMatching(/^SERVICE_NOT_(INSTALLED|IN_CONTAINER)$/);
    const { facts, fix } = await failsOn("no-service", ["service", fault, 11]);
    expect(facts).toMatchObject({ "is there": false, pcscd: "not installed" });
    expect(fix).toMatch(/apt install pcscd libccid|\/run\/pcscd\/pcscd\.comm/);
    expect(fix).toContain("sim:demo");
  });

  test("is not started, and no systemd is here", async () => {
    const { facts, fix } = await failsOn("no-socket", ["service", "SERVICE_WITHOUT_SYSTEMD", 11]);
    expect(facts["pcscd"]).toMatch(/pcscd$/);
    expect(fix).toContain("sudo service pcscd start || sudo pcscd");
  });

  test("systemd could start", async () => {
    const { fix } = await failsOn("no-socket-systemd", ["service", "SERVICE_NOT_RUNNING", 11]);
    expect(fix).toContain("sudo systemctl enable --now pcscd.socket");
  });

  test("has no socket unit", async () => {
    const { facts, fix } = await failsOn("no-activation", ["service", "SERVICE_WITHOUT_ACTIVATION", 11]);
    expect(facts["started by"]).toBe("systemd, no socket unit");
    expect(fix).toContain("sudo systemctl enable --now pcscd.service");
  });

  test("was killed and left its socket behind", async () => {
    const { facts } = await failsOn("deserted", ["service", "SERVICE_GONE", 11]);
    expect(facts).toMatchObject({ "is there": true, opening: "ECONNREFUSED" });
  });

  test("is looked for in the wrong place", async () => {
    const { fix } = await failsOn("wrong-name", ["service", "SOCKET_NAME_WRONG", 11]);
    expect(fix).toContain("unset PCSCLITE_CSOCK_NAME");
  });

  test("is closed to an ordinary user by a file mode", async () => {
    const { facts, fix } = await failsOn("file-mode", ["access", "SOCKET_FORBIDDEN", 11]);
    expect(facts).toMatchObject({ user: "65534, in groups 65534", "socket mode": "srw------- 0:0" });
    expect(fix).toContain("ls -ld /run/pcscd /run/pcscd/pcscd.comm");
  });

  test("stands where /proc hides who is asking", async () => {
    const { facts } = await failsOn("hidepid", ["access", "SOCKET_FORBIDDEN", 11]);
    expect(facts["/proc"]).toMatch(/^hidepid=(2|invisible)$/);
  });

  test("sees no reader, or no card in one", async () => {
    const noReader = await failsOn("no-reader", ["readers", "NO_READER", 3]);
    expect(noReader.fix).toContain("lsusb");
    const noCard = await failsOn("no-card", ["card", "NO_CARD", 3]);
    expect(noCard.fix).toContain("sim:demo");
  });
});

describeOn([...stackNeeds], "a newcomer", () => {
  test.each([
    ["no-socket", [11, 11]],
    ["no-reader", [0, 3]],
    ["no-card", [0, 3]],
  ])("on a machine with %s hears of simulated tokens from plain commands", async (machine, codes) => {
    const { stdout } = await runOn(`newcomer ${machine}`);
    const commands = [...stdout.matchAll(/^== (.+)\n([\s\S]*?)^-- (\d+)$/gm)];
    expect(commands.map(([, name]) => name)).toEqual(["device list", "device status"]);
    expect(commands.map(([, , , code]) => Number(code))).toEqual(codes);
    for (const [, name, said] of commands) expect(said, name).toContain("--device sim:demo");
  });
});

describeOn([...stackNeeds], "a machine whose card", () => {
  test("is held by another program: the program is named", async () => {
    const { facts, notes, fix } = await failsOn("shared", ["connect", "SHARING_VIOLATION", 11]);
    expect(facts).toMatchObject({ layer: expect.stringMatching(/^pcsc/), attempts: 1 });
    expect(notes).toMatch(/node holder\.mjs \(process \d+\)/);
    expect(fix).toContain("gpgconf --kill scdaemon");
  });

  test("stays silent", async () => {
    const { facts, fix } = await failsOn("card silent", ["select", "TIMEOUT", 12]);
    expect(facts).toMatchObject({ layer: "reader host", attempts: 1 });
    expect(fix).toContain("--timeout");
  });

  test("answers nonsense, or is pulled out", async () => {
    await failsOn("card garbled", ["connect", "CARD_MUTE", 3]);
    await failsOn("card broken", ["select", "EXCHANGE_FAILED", 1]);
    await failsOn("card pulled", ["select", "CARD_REMOVED", 3]);
  });

  test("is no SmartCard-HSM", async () => {
    const { fix } = await failsOn("card stranger", ["select", "NOT_A_SMARTCARD_HSM", 7]);
    expect(fix).toContain("device list");
  });

  test.each([
    ["card", "SW 6700"],
    ["reader", "SCardTransmit"],
  ])("works, but the %s refuses extended length", async (who, answer) => {
    const document = await doctorOn(`card short-${who}`);
    expect(document).toMatchObject({ ok: true, code: 0 });
    const rung = document.rungs.find(({ name }) => name === "extended");
    expect(rung?.facts).toMatchObject({ "extended length": false, "refused by": who });
    expect(rung?.facts["answer"]).toContain(answer);
    expect(rung?.notes.join()).toContain("2048 bits");
  });

  test("works: the ladder holds to its top", async () => {
    const document = await doctorOn("card token");
    expect(document).toMatchObject({ ok: true, code: 0, firstFailing: null });
    expect(document.rungs.find(({ name }) => name === "extended")?.facts["extended length"]).toBe(true);
  });
});

describeOn([...stackNeeds], "a machine whose pcscd", () => {
  test("hangs up on this user, as it does on polkit's word", async () => {
    const { facts, fix } = await failsOn("hangs-up", ["access", "ACCESS_REFUSED", 11]);
    expect(facts["answer"]).toContain("SCardEstablishContext");
    expect(fix).toContain("polkit.addRule");
  });
});

describeWhere(polkitMissing(), "a machine whose polkit", () => {
  const actions = ["org.debian.pcsc-lite.access_pcsc", "org.debian.pcsc-lite.access_card"];

  test("refuses a user who does not sit at it; what the doctor prints lets him in", async () => {
    const { facts, fix } = await failsOn("polkit", ["access", "ACCESS_REFUSED", 11]);
    expect(facts).toMatchObject({ user: "65534, in groups 65534", "socket mode": "srw-rw-rw- 0:0" });
    for (const action of actions) expect(fix).toContain(action);
    const lines = fix.split("\n");
    const from = lines.findIndex((line) => line.includes("sudo groupadd"));
    const to = lines.findIndex((line) => line.includes("sudo tee"));
    const commands = lines.slice(from, to + 1).filter((line) => line.startsWith("  "));
    const fixed = await doctorOn("polkit-fixed", { FIX: commands.join("\n") });
    expect(fixed).toMatchObject({ ok: true, code: 0 });
    expect(fixed.rungs.find(({ name }) => name === "access")?.facts["user"]).toMatch(/^65534/);
  });

  test("lets the user reach the service but not the card", async () => {
    const { notes, fix } = await failsOn("polkit-card", ["connect", "ACCESS_REFUSED", 11]);
    expect(notes).toContain("org.debian.pcsc-lite.access_card");
    expect(fix).toContain("polkit.addRule");
  });

  test("cannot see who asks", async () => {
    const { notes } = await failsOn("polkit-hidepid", ["access", "ACCESS_REFUSED", 11]);
    expect(notes).toContain("hidepid=");
  });
});

describeWhere(scdaemonMissing(), "scdaemon", () => {
  test("holds the card: it is named, and how to end it", async () => {
    const { notes, fix } = await failsOn("scdaemon", ["connect", "SHARING_VIOLATION", 11]);
    expect(notes).toMatch(/scdaemon \(process \d+\)/);
    expect(fix).toContain("  gpgconf --kill scdaemon");
  });
});

/** For what a distribution may not have at all: told, and not a gap even where everything else must be tested. */
function describeWhere(reason: string | null, name: string, suite: () => void): void {
  const needs = missing(...stackNeeds);
  if ((reason ?? needs) === null) describeBuilt(name, suite);
  else process.stderr.write(`left out: ${name} (${reason ?? needs})\n`);
}

/** pcscd asks polkit only where it was built so; in Debian 12 it is not. */
function polkitMissing(): string | null {
  if (!existsSync("/usr/lib/polkit-1/polkitd")) return "no polkitd at /usr/lib/polkit-1";
  const programs = missing("dbus-daemon", "dbus-send", "pcscd");
  if (programs !== null) return programs;
  const { stdout } = spawnSync("pcscd", ["--version"], { encoding: "utf8" });
  return /\bpolkit\b/.test(stdout) ? null : "this pcscd is built without polkit";
}

/** `SCDAEMON` names one that lies elsewhere. */
function scdaemonMissing(): string | null {
  const there = ["/usr/lib/gnupg/scdaemon", "/usr/libexec/scdaemon", process.env["SCDAEMON"] ?? ""].some((path) =>
    existsSync(path),
  );
  return there ? missing("gpg-connect-agent") : "no scdaemon";
}
