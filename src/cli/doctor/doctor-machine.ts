import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import type { ServiceSight } from "../../services/doctor/doctor-service.ts";

/** Where `doctor` looks: this machine, or in a test a folder that stands for one. */
export interface Machine {
  /** Put before every path; empty for this machine. */
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeFolder: string;
  readonly userId: number | null;
  readonly groups: readonly number[];
}

const usualSocket = "/run/pcscd/pcscd.comm";
const usualPrograms = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];
const unitFolders = ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const patienceMs = 2000;

/** What can be seen of pcscd from outside. Opens its socket for a moment, which lets systemd start it, and asks nothing. */
export async function seeService(machine: Machine): Promise<ServiceSight> {
  const { env, userId, groups } = machine;
  const chosen = env["PCSCLITE_CSOCK_NAME"];
  const socket = chosen || usualSocket;
  const unit = (name: string): boolean => unitFolders.some((folder) => there(machine, `${folder}/${name}`));
  return {
    socket,
    named: Boolean(chosen),
    ...(await open(machine.root + socket)),
    mode: modeOf(machine.root + socket),
    installed: findProgram(machine, "pcscd"),
    systemd: there(machine, "/run/systemd/system"),
    socketUnit: unit("pcscd.socket"),
    serviceUnit: unit("pcscd.service"),
    container: containerOf(machine),
    hidepid: hidepidOf(machine),
    user: userId,
    groups,
  };
}

/** Whether the service takes this user's connection and drops it unasked: that is how pcscd refuses on polkit's word. */
export function hangsUp(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const done = (answer: boolean) => () => {
      clearTimeout(late);
      connection.destroy();
      resolve(answer);
    };
    const late = setTimeout(done(false), patienceMs);
    connection.on("end", done(true)).on("error", done(false));
    // An end is only told to who reads.
    connection.resume();
  });
}

/** Path of a program; `null` where it is in none of the usual folders nor on the PATH. */
export function findProgram(machine: Machine, name: string): string | null {
  const folders = [...usualPrograms, ...(machine.env["PATH"] ?? "").split(delimiter).filter(Boolean)];
  const found = folders.map((folder) => join(folder, name)).find((path) => canRun(machine.root + path));
  return found ?? null;
}

export function textOf(machine: Machine, path: string): string {
  try {
    return readFileSync(machine.root + path, "utf8");
  } catch {
    return "";
  }
}

function open(path: string): Promise<Pick<ServiceSight, "opened" | "code">> {
  return new Promise((resolve) => {
    const connection = connect(path);
    const done = (opened: ServiceSight["opened"], code: string | null): void => {
      clearTimeout(late);
      connection.destroy();
      resolve({ opened, code });
    };
    const late = setTimeout(() => done("failed", "ETIMEDOUT"), patienceMs);
    connection.once("connect", () => done("listens", null));
    connection.once("error", ({ code = "" }: NodeJS.ErrnoException) => done(outcomes[code] ?? "failed", code));
  });
}

const outcomes: Readonly<Record<string, ServiceSight["opened"]>> = {
  ENOENT: "absent",
  ENOTDIR: "absent",
  ECONNREFUSED: "deserted",
  ENOTSOCK: "deserted",
  EACCES: "forbidden",
  EPERM: "forbidden",
};

const bits = ["r", "w", "x"];

/** As `ls` writes it, owners as numbers: `srw-rw---- 0:998`. */
function modeOf(path: string): string | null {
  try {
    const { mode, uid, gid } = statSync(path);
    const letters = Array.from({ length: 9 }, (_, i) => ((mode >> (8 - i)) & 1 ? bits[i % 3] : "-")).join("");
    return `${(mode & constants.S_IFMT) === constants.S_IFSOCK ? "s" : "?"}${letters} ${uid}:${gid}`;
  } catch {
    return null;
  }
}

function containerOf(machine: Machine): string | null {
  if (there(machine, "/.dockerenv")) return "docker";
  if (there(machine, "/run/.containerenv")) return "podman";
  const told = textOf(machine, "/run/systemd/container").trim() || machine.env["container"];
  if (told) return told.slice(0, 40);
  return machine.env["KUBERNETES_SERVICE_HOST"] ? "kubernetes" : null;
}

function hidepidOf(machine: Machine): string | null {
  const mounts = textOf(machine, "/proc/self/mountinfo").split("\n");
  const proc = mounts.findLast((line) => line.split(" ")[4] === "/proc");
  const value = /\bhidepid=(\w+)/.exec(proc ?? "")?.[1];
  return value === undefined || value === "0" || value === "off" ? null : value;
}

function there(machine: Machine, path: string): boolean {
  return existsSync(machine.root + path);
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
