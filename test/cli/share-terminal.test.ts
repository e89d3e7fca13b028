import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { describeWith, missing } from "../support/needs.ts";
import { bin, describeBuilt, Running } from "./support/built.ts";

const home = mkdtempSync(join(tmpdir(), "hsmadm-share-terminal-"));
afterAll(() => rmSync(home, { recursive: true }));

/** `script` gives the command a terminal of its own; what is written to stdin is typed. */
function onTerminal(words: string): Running {
  return new Running("script", ["-qec", `${process.execPath} ${bin} ${words}`, "/dev/null"], {
    cwd: home,
    env: { ...process.env, HSMADM_HOME: home, PW: "correct-horse-74kX91qz" },
  });
}

const suite =
  missing("script") === null ? describeBuilt : (name: string, body: () => void) => describeWith(["script"], name, body);

suite("share create on a real terminal", () => {
  test("four custodians read their cards back", { timeout: 60_000 }, async () => {
    const running = onTerminal("share create split.pbe --split 2-of-4");
    const last = (name: string) =>
      [...running.stdout.matchAll(new RegExp(`^${name} *: (\\S+)\\r$`, "gm"))].at(-1)?.[1] ?? "";
    const times = (text: string, count: number) => running.says(new RegExp(`(?:${text}[\\s\\S]*?){${count}}`));
    for (let custodian = 1; custodian <= 4; custodian++) {
      await times("Enter: show the card", custodian);
      running.child.stdin.write("\r");
      await times("Enter: clear the screen", custodian);
      running.child.stdin.write("\r");
      await times("not shown\\): ", custodian);
      running.child.stdin.write(`${last("Share value")}\r`);
      await running.says(new RegExp(`(?:^Check: [\\s\\S]*?){${custodian}}`, "m"));
      running.child.stdin.write(`${last("Check {7}")}\r`);
    }
    const { code, stdout } = await running.ended;
    expect(code, stdout).toBe(0);
    expect(stdout).toContain("every custodian has read back the card");
    expect(stdout).toContain("] 100 % sealing split.pbe\r\u001B[K");
    expect(stdout).not.toContain("Warning");
    expect(statSync(join(home, "split.pbe")).mode & 0o777).toBe(0o600);
    // Each value stands on its card and nowhere else: what is typed is not shown.
    expect(stdout.split(last("Share value"))).toHaveLength(2);
  });

  test("Ctrl-C under the bar is 130, and there is no file", { timeout: 60_000 }, async () => {
    const running = onTerminal("share create stopped.pbe --password env:PW");
    await running.says(/\] +\d+ % sealing/);
    running.child.stdin.write("\u0003");
    const { code, stdout } = await running.ended;
    expect(code).toBe(130);
    expect(stdout).toContain("nothing was written or sent");
    expect(stdout).not.toContain("100 %");
    expect(existsSync(join(home, "stopped.pbe"))).toBe(false);
  });
});
