import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { missing } from "../support/needs.ts";
import { bin, describeBuilt, hsmadm, Running } from "./support/built.ts";
import { secretEnv, secrets } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const env = { ...secretEnv, HSMADM_HOME: world.home };
const shell = (script: string) =>
  new Running("/bin/sh", ["-c", script], { env: { ...process.env, ...env, NODE: process.execPath, BIN: bin } });
const command = '"$NODE" "$BIN"';

/** `script` gives the command a terminal of its own; what is written to stdin is typed. */
function onTerminal(words: string): Running {
  return new Running("script", ["-qec", `${process.execPath} ${bin} ${words}`, "/dev/null"], {
    env: { ...process.env, ...env },
  });
}
const noTerminal = missing("script");
if (noTerminal !== null) process.stderr.write(`left out: prompts on a terminal (${noTerminal})\n`);

describeBuilt("the built command", () => {
  test("--version and --help", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(await hsmadm(["--version"]).ended).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
    const help = await hsmadm(["--help"]).ended;
    expect(help.stdout).toBe((await world.run(["--help"])).stdout);
    expect((await hsmadm(["device", "status", "--version"]).ended).stdout).toBe(`${version}\n`);
  });

  test("initialise, status and exit codes, with a pipe as the source of secrets", async () => {
    const init = `${command} device init --device sim:b --label built --so-pin fd:3 --pin fd:0 --dkek-shares none 3<<EOF\n${secrets.soPin}\nEOF`;
    const running = shell(init);
    running.child.stdin.end(`${secrets.pin}\n`);
    expect(await running.ended).toMatchObject({ code: 0 });
    const status = await hsmadm(["device", "status", "--device", "sim:b", "--json"], env).ended;
    expect(JSON.parse(status.stdout)).toMatchObject({ ok: true, device: { label: "built", simulated: true } });
    expect((await hsmadm(["pin", "verify", "--device", "sim:b", "--pin", "env:WRONG"], env).ended).code).toBe(4);
    expect((await hsmadm(["pin", "verify", "--device", "sim:b"], env).ended).code).toBe(2);
    expect((await hsmadm(["nonsense"], env).ended).code).toBe(2);
  });

  test("an output nobody reads is no error: the work goes on to its end", async () => {
    const { code, stderr } = await shell(
      `${command} device info --device sim:b | true; ${command} device info --device sim:b | head -1`,
    ).ended;
    expect(stderr).not.toContain("EPIPE");
    expect(code).toBe(0);
  });

  test("Ctrl-C while a secret is awaited on a pipe: 130, nothing sent", async () => {
    const before = readFileSync(world.path("simulator/b.json"), "utf8");
    const running = hsmadm(["pin", "verify", "--device", "sim:b", "--pin", "cmd:echo waiting >&2; exec sleep 60"], env);
    await running.says(/waiting/);
    running.child.kill("SIGINT");
    const { code, stderr } = await running.ended;
    expect(code).toBe(130);
    expect(stderr).toContain("hsmadm: interrupted");
    expect(readFileSync(world.path("simulator/b.json"), "utf8")).toBe(before);
    expect(existsSync(world.path("simulator/b.json.lock"))).toBe(false);
  });

  test("Ctrl-C while standard input is awaited", async () => {
    const running = hsmadm(["pin", "verify", "--device", "sim:b", "--pin", "fd:0"], env);
    // The pipe stays open and silent. The command has its listener before it reads, and says nothing meanwhile.
    const tries = setInterval(() => running.child.kill("SIGINT"), 300);
    const { code, signal } = await running.ended;
    clearInterval(tries);
    expect(code ?? signal).toSatisfy((how: unknown) => how === 130 || how === "SIGINT");
  });

  test("simulator serve ends on Ctrl-C and gives its tokens back", async () => {
    const running = hsmadm(["simulator", "serve", "sim:served", "--port", "1"], env);
    await running.says(/no vpcd yet/);
    expect(running.stderr).toContain("sim:served (SIMULATED) on port 1");
    running.child.kill("SIGINT");
    expect((await running.ended).code).toBe(0);
    expect(existsSync(world.path("simulator/served.json.lock"))).toBe(false);
  });

  test.skipIf(noTerminal !== null)("a prompt on a terminal shows nothing of what is typed", async () => {
    const running = onTerminal("pin verify --device sim:b");
    await running.says(/user PIN \(.*\): $/);
    running.child.stdin.write(`${secrets.pin}x\u007f\r`);
    const { code, stdout } = await running.ended;
    expect(stdout).toContain("SIMULATED: user PIN (2 tries left, a wrong one costs one)");
    expect(stdout).toContain("is right");
    expect(stdout).not.toContain(secrets.pin.slice(0, 3));
    expect(code).toBe(0);
  });

  test.skipIf(noTerminal !== null)(
    "Ctrl-C at a prompt is 130, Ctrl-D is 10, and the terminal is as it was",
    async () => {
      for (const [key, code] of [
        ["\u0003", 130],
        ["\u0004", 10],
      ] as const) {
        const running = new Running(
          "script",
          ["-qec", `${process.execPath} ${bin} pin verify --device sim:b; echo "code $?"; stty -a`, "/dev/null"],
          {
            env: { ...process.env, ...env },
          },
        );
        await running.says(/user PIN \(.*\): $/);
        running.child.stdin.write(key);
        const { stdout } = await running.ended;
        expect(stdout).toContain(`code ${code}`);
        expect(stdout).toMatch(/ icanon/);
        expect(stdout).toMatch(/ echo /);
      }
    },
  );

  test.skipIf(noTerminal !== null)("device init on a terminal asks for everything that is missing", async () => {
    const running = onTerminal("device init --device sim:asked --label asked");
    for (const [question, answer] of [
      [/DKEK shares \[.*\]: $/, "none"],
      [/SO-PIN \(to set.*\): $/, secrets.soPin],
      [/SO-PIN, again: $/, secrets.soPin],
      [/user PIN to set \(.*\): $/, secrets.pin],
      [/user PIN to set, again: $/, secrets.pin],
    ] as const) {
      await running.says(question);
      running.child.stdin.write(`${answer}\r`);
    }
    const { code, stdout } = await running.ended;
    expect(code).toBe(0);
    for (const secret of [secrets.soPin, secrets.pin]) expect(stdout).not.toContain(secret);
    expect(stdout).toContain("operational");
  });

  test.skipIf(noTerminal !== null)("a narrow terminal: help, results and errors are broken between words", async () => {
    for (const columns of [40, 60]) {
      for (const words of [
        "--help",
        "device init --help",
        "device status --device sim:b",
        "pin verify --device sim:b --pin x",
      ]) {
        const script = `stty cols ${columns}; ${command} ${words}`;
        const running = new Running("script", ["-qec", `sh -c '${script}'`, "/dev/null"], {
          env: { ...process.env, ...env, NODE: process.execPath, BIN: bin },
        });
        const lines = (await running.ended).stdout.split(/\r?\n/);
        expect(lines.length, words).toBeGreaterThan(2);
        for (const line of lines) expect(line.length, `${words}: ${line}`).toBeLessThanOrEqual(columns);
      }
    }
  });

  test.skipIf(noTerminal !== null)("kill at a prompt is 130, and the terminal is as it was", async () => {
    for (const name of ["TERM", "HUP", "INT"]) {
      const script = `${command} pin verify --device sim:b & p=$!; while ! [ -e "$HSMADM_HOME/go" ]; do sleep 0.05; done; kill -${name} $p; wait $p; echo "code $?"; stty -a`;
      const running = new Running("script", ["-qec", `sh -c '${script}'`, "/dev/null"], {
        env: { ...process.env, ...env, NODE: process.execPath, BIN: bin },
      });
      await running.says(/user PIN \(.*\): $/);
      writeFileSync(world.path("go"), "");
      const { stdout } = await running.ended;
      rmSync(world.path("go"));
      expect(stdout, name).toContain("code 130");
      expect(stdout, name).toMatch(/ icanon[\s\S]* echo /);
    }
  });

  test.skipIf(noTerminal !== null)(
    "a terminal that is closed at a prompt: the token is given back, no core",
    async () => {
      // The shell does not pass the hangup on, as with `nohup`: the command notices by itself.
      const script = `trap "" HUP; ${command} pin verify --device sim:b; echo $? >"$HSMADM_HOME/ended.new"; mv "$HSMADM_HOME/ended.new" "$HSMADM_HOME/ended"`;
      const running = new Running("script", ["-qec", `sh -c '${script}'`, "/dev/null"], {
        env: { ...process.env, ...env, NODE: process.execPath, BIN: bin },
      });
      await running.says(/user PIN \(.*\): $/);
      running.child.kill("SIGKILL");
      await vi.waitFor(() => expect(existsSync(world.path("ended"))).toBe(true), 10_000);
      // 129: as a process ends whose terminal has hung up.
      expect(readFileSync(world.path("ended"), "utf8")).toBe("129\n");
      expect(existsSync(world.path("simulator/b.json.lock"))).toBe(false);
    },
  );
});
