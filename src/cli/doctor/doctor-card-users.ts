import { readdirSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import type { CardUser } from "../../services/doctor/doctor-findings.ts";
import { type Machine, textOf } from "./doctor-machine.ts";

/**
 * Programs that may hold a card: those with PC/SC's library in memory, and scdaemon, which can do without. PC/SC itself
 * does not tell who holds one. Only processes this user may look into are found; our own reader hosts are left out.
 */
export function seeCardUsers(machine: Machine, self: number): CardUser[] {
  const users = processes(machine)
    .filter((pid) => pid !== self && parentOf(machine, pid) !== self)
    .map((pid) => ({ pid, name: nameOf(machine, pid) }))
    .filter(({ pid, name }) => name !== "pcscd" && (name === "scdaemon" || usesPcsc(machine, pid)))
    .map((user) => commandBehind(machine, user));
  return [...new Map(users.map((user) => [user.pid, user])).values()];
}

/** hsmadm holds cards in a child: its parent is what somebody started. */
function commandBehind(machine: Machine, user: CardUser): CardUser {
  if (user.name !== "node reader-host.js") return user;
  const pid = parentOf(machine, user.pid);
  return pid > 1 ? { pid, name: nameOf(machine, pid) } : user;
}

function processes({ root }: Machine): number[] {
  try {
    return readdirSync(`${root}/proc`)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** The program, not its arguments: those may hold secrets. Of a script for Node, the script's name. */
function nameOf(machine: Machine, pid: number): string {
  const name = programOf(machine, pid);
  const script = name === "node" ? textOf(machine, `/proc/${pid}/cmdline`).split("\0")[1] : undefined;
  return script !== undefined && /^[^-].*\.[cm]?js$/.test(script) ? `${name} ${basename(script)}` : name;
}

function programOf(machine: Machine, pid: number): string {
  try {
    return basename(readlinkSync(`${machine.root}/proc/${pid}/exe`)).replace(/ \(deleted\)$/, "");
  } catch {
    return textOf(machine, `/proc/${pid}/comm`).trim();
  }
}

/** Fourth field of `stat`; the second, a name in parentheses, may hold anything. */
function parentOf(machine: Machine, pid: number): number {
  const stat = textOf(machine, `/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

function usesPcsc(machine: Machine, pid: number): boolean {
  return textOf(machine, `/proc/${pid}/maps`).includes("/libpcsclite.so");
}
