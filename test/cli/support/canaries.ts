import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect } from "vitest";
import { bin, Running } from "./built.ts";
import type { TestWorld } from "./test-io.ts";

/** Something that must show up nowhere but in the places named for it. */
export interface Canary {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Files, relative to the world, that were asked to hold it. */
  readonly may?: readonly string[];
}

/** Something that left a process: what it printed, wrote, or started another program with. */
interface Trail {
  readonly what: string;
  readonly bytes: Buffer;
}

/**
 * Loaded before the command: notes its own words, every program it starts and every byte it writes, files that are gone
 * again a moment later included.
 */
const watcher = `
const fs = require("node:fs"), children = require("node:child_process");
const log = fs.openSync(process.env.CANARY_LOG, "a");
const { writeSync, openSync, closeSync, write, writeFileSync } = fs;
const hex = (data) => (typeof data === "string" ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)).toString("hex");
const place = (fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch { return "descriptor " + fd; } };
const note = (what, data) => writeSync.call(fs, log, JSON.stringify({ what, data: hex(data) }) + "\\n");
note("words", JSON.stringify([process.argv, process.execArgv]));
for (const name of ["spawn", "spawnSync", "exec", "execSync", "execFile", "execFileSync", "fork"]) {
  const real = children[name];
  children[name] = (...all) => (note("started", JSON.stringify(all.filter((each) => typeof each === "string" || Array.isArray(each)))), real(...all));
}
fs.writeSync = (fd, data, ...more) => (note("write " + place(fd), data), writeSync(fd, data, ...more));
fs.write = (fd, data, ...more) => (note("write " + place(fd), data), write(fd, data, ...more));
fs.writeFileSync = (path, data, ...more) => (note("write " + path, data), writeFileSync(path, data, ...more));
const { open, writeFile, appendFile } = fs.promises;
fs.promises.writeFile = (path, data, ...more) => (note("write " + path, data), writeFile(path, data, ...more));
fs.promises.appendFile = (path, data, ...more) => (note("write " + path, data), appendFile(path, data, ...more));
fs.promises.open = async (...all) => {
  const handle = await open(...all);
  for (const name of ["write", "writeFile", "appendFile"]) {
    const real = handle[name].bind(handle);
    handle[name] = (data, ...more) => (note("write " + all[0], data), real(data, ...more));
  }
  return handle;
};
`;

/** Runs the built command and keeps every trail it leaves. */
export class CanaryWorld {
  readonly #world: TestWorld;
  readonly #trails: Trail[] = [];
  #runs = 0;

  constructor(world: TestWorld) {
    this.#world = world;
    for (const folder of ["in", "out", "temp"]) mkdirSync(world.path(folder));
    writeFileSync(world.path("watcher.cjs"), watcher);
  }

  /** A file that somebody else made, and from which a secret is read. */
  input(name: string, content: string | Uint8Array): string {
    const path = this.#world.path(join("in", name));
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  output(name: string): Buffer {
    return readFileSync(this.#world.path(join("out", name)));
  }

  /**
   * @param line `in/…` and `out/…` are files of this world; every other run has `--json`, every one with a device `--trace`
   * @param stdin what is piped in
   */
  async run(code: number, line: string, stdin = ""): Promise<void> {
    const run = this.#runs++;
    const words = line.split(" ").map((word) => word.replace(/(^|[:<])((?:in|out)\/)/, `$1${this.#world.home}/$2`));
    const trace = / --device (?!none)/.test(line) && !line.startsWith("simulator") && !line.startsWith("trace");
    if (trace) words.push("--trace", this.#world.path(`out/${run}.apdu`));
    if (run % 2 === 0 && !line.includes("--out -")) words.push("--json");
    const log = this.#world.path(`temp/watched-${run}`);
    const env = {
      PATH: process.env["PATH"],
      HSMADM_HOME: this.#world.path("home"),
      HSMADM_DEBUG: "1",
      TMPDIR: this.#world.path("temp"),
      CANARY_LOG: log,
      NODE_OPTIONS: `--require ${this.#world.path("watcher.cjs")}`,
    };
    const running = new Running(process.execPath, [bin, ...words], { env, cwd: this.#world.path("temp") });
    running.child.stdin.end(stdin);
    const ended = await running.ended;
    expect(ended.code, `${line}\n${ended.stdout}${ended.stderr}`).toBe(code);
    this.#trails.push({ what: `${line}: standard output`, bytes: Buffer.from(ended.stdout) });
    this.#trails.push({ what: `${line}: standard error`, bytes: Buffer.from(ended.stderr) });
    for (const each of readFileSync(log, "utf8").split("\n").filter(Boolean)) {
      const { what, data } = JSON.parse(each) as { what: string; data: string };
      this.#trails.push({ what: `${line}: ${what}`, bytes: Buffer.from(data, "hex") });
    }
    writeFileSync(log, "");
  }

  /** Where each canary was seen and should not have been; what each was looked for in. */
  hunt(canaries: readonly Canary[]): { readonly seen: string[]; readonly trails: number } {
    const trails = [...this.#trails, ...this.#files()];
    const seen: string[] = [];
    for (const { what, bytes } of trails.filter((trail) => !/: write \S*\/home\/simulator\//.test(trail.what))) {
      const forms = formsOf(bytes);
      for (const { name, bytes: secret, may = [] } of canaries) {
        if (may.some((place) => unfinished(what).endsWith(`/${place}`))) continue;
        if (isIn(forms, secret)) seen.push(`${name} in ${what}`);
      }
    }
    return { seen, trails: trails.length };
  }

  /** All files there are now, except what was given, and the simulated tokens, which are their own memory. */
  #files(): Trail[] {
    const { home } = this.#world;
    return readdirSync(home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !/^(?:in|home\/simulator)\//.test(relative(home, path)))
      .map((path) => ({ what: `file ${path}`, bytes: readFileSync(path) }));
  }
}

/** A file is written under another name in its folder, then renamed. */
function unfinished(what: string): string {
  return what.replace(/\/\.([^/]+)\.[0-9a-f]{12}\.tmp$/i, "/$1");
}

interface Forms {
  readonly plain: Buffer;
  /** Lower case, without what stands between digits, in a trace too. */
  readonly hex: string;
  /** Of the usual alphabet, without line ends. */
  readonly base64: string;
}

function formsOf(bytes: Buffer): Forms {
  const text = bytes.toString("latin1");
  return {
    plain: bytes,
    hex: text.replace(/[\s:\\]/g, "").toLowerCase(),
    base64: text.replace(/\s/g, "").replaceAll("-", "+").replaceAll("_", "/"),
  };
}

function isIn({ plain, hex, base64 }: Forms, secret: Uint8Array): boolean {
  const needle = Buffer.from(secret);
  if (plain.includes(needle) || hex.includes(needle.toString("hex"))) return true;
  // Wherever it begins in a group of three; digits that its neighbours have a share in are left out.
  return [0, 1, 2].some((before) => {
    const text = Buffer.concat([Buffer.alloc(before), needle])
      .toString("base64")
      .replace(/=+$/, "");
    const whole = Math.floor((8 * (before + needle.length)) / 6);
    return base64.includes(text.slice(Math.ceil((8 * before) / 6), whole));
  });
}
