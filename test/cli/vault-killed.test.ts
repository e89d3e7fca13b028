import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/needs.ts";
import { bin, describeBuilt, type Ended, hsmadm, Running } from "./support/built.ts";

/** The built command, killed in the midst of writes and writing to a full disk: the old vault or the new one, never neither. */

const root = mkdtempSync(join(tmpdir(), "hsmadm-vault-killed-"));
const env = { HSMADM_HOME: join(root, "home") };
const values = { old: "kept before", new: "kept since", next: "kept by the next one" } as const;
afterAll(() => rmSync(root, { recursive: true }));

function recovery(file: string): string[] {
  return ["--recovery", `file:${file}.recovery`];
}

function strays(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".tmp") || name.includes(".lock"));
}

async function done(words: readonly string[]): Promise<Ended> {
  const ended = await hsmadm(words, env).ended;
  expect(ended.code, `${words.join(" ")}\n${ended.stderr}`).toBe(0);
  return ended;
}

describeBuilt("vault set, by the command itself", () => {
  beforeAll(() => {
    for (const [name, value] of Object.entries(values)) writeFileSync(join(root, name), value);
  });

  test("killed with SIGKILL at one moment after the other", { timeout: 180_000 }, async () => {
    const folder = join(root, "killed");
    mkdirSync(folder);
    const file = join(folder, "v.vault");
    await done(["vault", "create", file, "--slot", "recovery", "--recovery-out", `${file}.recovery`]);
    const set = (name: keyof typeof values) => ["vault", "set", file, "name", "--in", join(root, name)];
    const ends = new Set<string>();
    let finished = 0;
    for (let moment = 1; moment <= 40 && finished < 2; moment++) {
      await done([...set("old"), ...recovery(file)]);
      const before = readFileSync(file);
      const ended = await killedAt(moment, folder, [...set("new"), ...recovery(file)]);
      if (ended.signal === null) finished++;
      // Reading takes no lock and asks nothing of what was left behind.
      const { stdout } = await done(["vault", "get", file, "name", "--raw", ...recovery(file)]);
      if (stdout === values.old) expect(readFileSync(file), `moment ${moment}`).toEqual(before);
      else expect(stdout, `moment ${moment}`).toBe(values.new);
      ends.add(stdout);
      // The next one writes without being told, and clears away what was left.
      await done([...set("next"), ...recovery(file)]);
      expect(strays(folder), `moment ${moment}`).toEqual([]);
    }
    expect(finished).toBe(2);
    // How early the first ones die is up to the machine; vault-writing.test.ts dies at each step by its number.
    expect(ends).toContain(values.new);
  });

  describeWith(["root", "unshare", "mount", "bash"], "on a full disk", () => {
    test("the old file stays whole, the message says why, and with room the same command works", async () => {
      const story = `
        mount -t tmpfs -o size=64k tmpfs "$DISK" && cd "$DISK" || exit 90
        hsmadm() { "$NODE" "$BIN" "$@"; }
        hsmadm vault create v.vault --slot recovery --recovery-out "$ROOT/full.recovery" --quiet >&2 || exit 91
        hsmadm vault set v.vault name --in "$ROOT/old" --recovery "file:$ROOT/full.recovery" --quiet >&2 || exit 92
        sum=$(cksum <v.vault)
        cat /dev/zero >filler 2>/dev/null
        hsmadm vault set v.vault name --in "$ROOT/new" --recovery "file:$ROOT/full.recovery"; echo "full: $?"
        [ "$sum" = "$(cksum <v.vault)" ] && echo untouched
        ls -A | grep -v filler | tr '\\n' ' '; echo
        hsmadm vault create second.vault --slot recovery --recovery-out "$ROOT/second.recovery" >/dev/null; echo "create: $?"
        [ -e second.vault ] || echo "no half vault"
        hsmadm vault get v.vault name --raw --recovery "file:$ROOT/full.recovery"; echo
        rm filler
        hsmadm vault set v.vault name --in "$ROOT/new" --recovery "file:$ROOT/full.recovery" --quiet; echo "room: $?"
        hsmadm vault get v.vault name --raw --recovery "file:$ROOT/full.recovery"; echo`;
      const disk = join(root, "disk");
      mkdirSync(disk);
      const all = { ...process.env, ...env, DISK: disk, ROOT: root, NODE: process.execPath, BIN: bin };
      const { stdout, stderr } = await new Running("unshare", ["-m", "bash", "-c", story], { env: all }).ended;
      expect(stdout.split("\n").filter(Boolean), stderr).toEqual([
        "full: 11",
        "untouched",
        "v.vault v.vault.bak ",
        "create: 11",
        "no half vault",
        values.old,
        expect.stringContaining("generation 3"),
        "room: 0",
        values.new,
      ]);
      expect(stderr).toMatch(/v\.vault (could not be written|cannot be locked): .*ENOSPC/);
      expect(existsSync(join(disk, "v.vault"))).toBe(false);
    }, 60_000);
  });
});

/** Runs the command and kills it when so many things have happened in the folder; a later moment than its last lets it end. */
async function killedAt(moment: number, folder: string, words: readonly string[]): Promise<Ended> {
  let seen = 0;
  const running = hsmadm(words, env);
  const watcher = watch(folder, () => {
    seen++;
    if (seen === moment) running.child.kill("SIGKILL");
  });
  try {
    return await running.ended;
  } finally {
    watcher.close();
  }
}
