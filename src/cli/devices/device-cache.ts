import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import type { CommandContext } from "../context.ts";
import { ensurePrivateFolder, type Paths } from "../paths.ts";
import { printable } from "../terminal/printable.ts";

/** A real token as it was last seen, for completion. */
export interface KnownDevice {
  readonly serial: string;
  readonly label: string | null;
  readonly reader: string;
}

const version = 1;
/** More would not fit on a screen, and a rack that rotates thousands of tokens must not grow the file for ever. */
const most = 64;
/** The file is read at every press of the tab key. */
const largest = 65_536;

/** The devices that commands have met, the latest first. Empty whenever the file cannot be read or makes no sense. */
export function readDeviceCache(path: string): KnownDevice[] {
  try {
    const text = readFileSync(path, "utf8");
    if (text.length > largest) return [];
    const document = JSON.parse(text) as { version?: unknown; devices?: unknown } | null;
    if (document?.version !== version || !Array.isArray(document.devices)) return [];
    return document.devices.filter(isKnownDevice).slice(0, most);
  } catch {
    return [];
  }
}

/** One write after the other: tokens in several readers are worked on at the same time. */
let writing: Promise<void> = Promise.resolve();

/**
 * Keeps what a command has seen in the readers, so that completion can offer it without touching a card. A cache that
 * cannot be written is no reason to fail, or to say anything.
 */
export function rememberDevices(
  { paths }: Pick<CommandContext, "paths">,
  seen: readonly { readonly where: string; readonly serial: string | null; readonly label: string | null }[],
): Promise<void> {
  const fresh = seen
    .map(({ where, serial, label }) => ({ serial, label, reader: readerOf(where) }))
    .filter(isKnownDevice);
  if (fresh.length > 0) writing = writing.then(() => write(paths, fresh));
  return writing;
}

async function write(paths: Paths, fresh: readonly KnownDevice[]): Promise<void> {
  const temporary = `${paths.devices}.${randomBytes(6).toString("hex")}`;
  try {
    const before = readDeviceCache(paths.devices);
    const rest = before.filter((device) => !fresh.some(({ serial }) => serial === device.serial));
    const devices = [...fresh, ...rest].slice(0, most);
    if (JSON.stringify(before) === JSON.stringify(devices)) return;
    await ensurePrivateFolder(paths.state);
    await writeFile(temporary, `${JSON.stringify({ version, devices }, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    await rename(temporary, paths.devices);
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** `reader "NAME"`, as channels to real readers call their place; simulated tokens and traces are in none. */
function readerOf(where: string): string | undefined {
  return /^reader "(.+)"$/s.exec(where)?.[1];
}

/** Labels and reader names come from outside: what cannot be typed on one line is not offered. */
function isKnownDevice(value: unknown): value is KnownDevice {
  const { serial, label, reader } = (value ?? {}) as Partial<Record<keyof KnownDevice, unknown>>;
  return isWord(serial) && isWord(reader) && (label === null || isWord(label));
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 200 && printable(value) === value;
}
