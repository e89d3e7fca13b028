import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test, vi } from "vitest";
import { encodeArmor } from "../../src/crypto/age/armor.ts";
import { missing } from "../support/needs.ts";
import { bin, describeBuilt, Running } from "./support/built.ts";
import { secretEnv } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";
import { VaultOfficer } from "./support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
const env = { ...process.env, ...secretEnv, HSMADM_HOME: world.home, NODE: process.execPath, BIN: bin };
const content = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 9)) & 0xff);
const whole = content(3_000_000);
let vault = "";
let plain = "";
let sealed = "";

beforeAll(async () => {
  await officer.token("one");
  vault = await officer.vault("v", "one");
  plain = officer.file("plain", whole);
  sealed = world.path("sealed");
  await officer.gets(0, `vault seal ${vault} --in ${plain} --out ${sealed} --recovery file:${vault}.recovery`);
});

const words = (verb: "seal" | "unseal", ...more: string[]) => [
  bin,
  "vault",
  verb,
  vault,
  "--recovery",
  `file:${vault}.recovery`,
  ...more,
];
/** `$SEAL` and `$UNSEAL` in a shell of their own, in the world's folder. */
const shell = (script: string) =>
  new Running("/bin/sh", ["-c", script], {
    cwd: world.home,
    env: {
      ...env,
      SEAL: [process.execPath, ...words("seal")].join(" "),
      UNSEAL: [process.execPath, ...words("unseal")].join(" "),
    },
  });
const bytesOf = (name: string) => new Uint8Array(readFileSync(world.path(name)));
const same = (name: string, expected: Uint8Array) => expect(Buffer.compare(bytesOf(name), expected), name).toBe(0);
/** Temporary files that were left behind. */
const remains = () => readdirSync(world.home).filter((name) => name.endsWith(".tmp"));

function ended(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = "";
  child.stderr?.on("data", (text) => {
    stderr += text;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stderr })));
}

describeBuilt("what is sealed and unsealed", () => {
  test("comes out as it went in, through files and pipes in every pairing", async () => {
    const { code, stderr } = await shell(`set -e
      $SEAL < plain > s1; $UNSEAL < s1 > p1
      cat plain | $SEAL | cat > s2; cat s2 | $UNSEAL | cat > p2
      cat plain | $SEAL > s3; $UNSEAL < s3 | cat > p3
      $SEAL < plain --out s4 > said; cat s4 | $UNSEAL --out p4 >> said
      : | $SEAL > s5; $UNSEAL < s5 > p5`).ended;
    expect(stderr).toBe("");
    expect(code).toBe(0);
    for (const name of ["p1", "p2", "p3", "p4"]) same(name, whole);
    same("p5", new Uint8Array());
    expect(readFileSync(world.path("said"), "utf8")).toBe(
      `s4: ${bytesOf("s4").length} bytes\np4: ${whole.length} bytes\n`,
    );
    expect(remains()).toEqual([]);
  });

  test("begins where standard input stands, and is put behind what standard output has", async () => {
    const script =
      "(dd bs=1000 count=1 of=/dev/null 2>/dev/null; $SEAL) < plain > s6; printf begin > p6; $UNSEAL < s6 >> p6";
    expect(await shell(script).ended).toMatchObject({ code: 0, stderr: "" });
    same("p6", Uint8Array.from([...new TextEncoder().encode("begin"), ...whole.subarray(1000)]));
  });

  test("may come a few bytes at a time, and is given on before the end has come", async () => {
    const child = spawn(process.execPath, words("unseal"), { env, stdio: "pipe" });
    const end = ended(child);
    const given: Buffer[] = [];
    child.stdout.on("data", (piece: Buffer) => given.push(piece));
    const all = bytesOf("sealed");
    for (let at = 0; at < 700; at += 13) child.stdin.write(all.subarray(at, Math.min(at + 13, 700)));
    child.stdin.write(all.subarray(700, 100_000));
    // One chunk is complete and authenticated: nobody waits for a mebibyte, or for the end.
    await vi.waitFor(() => expect(Buffer.concat(given).length).toBe(65_536), { timeout: 20_000 });
    child.stdin.end(all.subarray(100_000));
    expect(await end).toEqual({ code: 0, stderr: "" });
    expect(Buffer.compare(Buffer.concat(given), whole)).toBe(0);
  });

  test("may come from a pipe with a name, or out of an armor", async () => {
    writeFileSync(world.path("armored"), encodeArmor(bytesOf("sealed")));
    const script = `set -e; mkfifo -m 600 named; cat armored > named & $UNSEAL --in named > p7; wait
      $UNSEAL < armored > p8; cat armored | $UNSEAL --out p9 > /dev/null`;
    expect(await shell(script).ended).toMatchObject({ code: 0, stderr: "" });
    for (const name of ["p7", "p8", "p9"]) same(name, whole);
    writeFileSync(world.path("cut"), bytesOf("armored").subarray(0, 2_000_000));
    const { code, stderr } = await shell("$UNSEAL < cut > p10").ended;
    expect(code).toBe(9);
    expect(stderr).toContain("does not end with its last line");
    same("p10", whole.subarray(0, bytesOf("p10").length));
  });

  test("damaged in the middle: what came before is given on, --out has no file", async () => {
    const bad = bytesOf("sealed");
    bad[2_000_000] = (bad[2_000_000] ?? 0) ^ 1;
    writeFileSync(world.path("bad"), bad);
    for (const feed of ["$UNSEAL < bad > p11", "cat bad | $UNSEAL > p11"]) {
      const { code, stderr } = await shell(feed).ended;
      expect(code).toBe(9);
      expect(stderr).toContain("hsmadm: error: the payload cannot be decrypted");
      const given = bytesOf("p11");
      expect(given.length).toBe(Math.floor((2_000_000 - 200) / 65_552) * 65_536);
      same("p11", whole.subarray(0, given.length));
    }
    expect((await shell("cat bad | $UNSEAL --out never").ended).code).toBe(9);
    expect(existsSync(world.path("never"))).toBe(false);
    expect(remains()).toEqual([]);
  });

  test("takes no more memory when there is more of it", async () => {
    const script = "head -c 268435456 /dev/zero | $SEAL | $NODE --require ./witness.cjs $BIN $REST | wc -c";
    writeFileSync(
      world.path("witness.cjs"),
      'process.on("exit", () => require("node:fs").writeFileSync("peak", String(process.resourceUsage().maxRSS)));',
    );
    const { code, stdout } = await shell(script.replace("$REST", words("unseal").slice(1).join(" "))).ended;
    expect(code).toBe(0);
    expect(Number(stdout)).toBe(268_435_456);
    // KiB. Node alone takes 60,000 to 90,000 of them.
    expect(Number(readFileSync(world.path("peak"), "utf8"))).toBeLessThan(180_000);
  });
});

describeBuilt("somebody goes away", () => {
  test("nobody reads any more: it ends, also where the input never would, and says that not all was given out", async () => {
    const { code, stdout, stderr } = await shell("{ $SEAL < /dev/zero; echo ended $? >&2; } | head -c 100 | wc -c")
      .ended;
    expect(stdout.trim()).toBe("100");
    expect(stderr).toContain("hsmadm: error: nobody reads standard output any more");
    expect(stderr).not.toMatch(/EPIPE|at .*:\d+/);
    expect(stderr).toContain("ended 13");
    expect(code).toBe(0);
  });

  test("the disk is full: exit 11, in words", async () => {
    const { code, stderr } = await shell("$SEAL < plain > /dev/full").ended;
    expect(stderr).toContain("hsmadm: error: standard output cannot be written: ENOSPC");
    expect(code).toBe(11);
  });

  test("Ctrl-C while nobody writes: 130 at once", async () => {
    const child = spawn(process.execPath, words("seal"), { env, stdio: "pipe" });
    const end = ended(child);
    child.stdin.write(content(200_000));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.stdout.resume();
    child.kill("SIGINT");
    expect(await end).toEqual({ code: 130, stderr: expect.stringContaining("hsmadm: interrupted") });
  });

  test("Ctrl-C while nobody reads: 130 at once", async () => {
    const input = openSync("/dev/zero", "r");
    const child = spawn(process.execPath, words("seal"), { env, stdio: [input, "pipe", "pipe"] });
    closeSync(input);
    const end = new Promise((resolve) => child.once("exit", resolve));
    // It has begun, and more than the pipe takes is waiting: nothing of it is read.
    await new Promise((resolve) => child.stdout?.once("readable", resolve));
    child.kill("SIGINT");
    expect(await end).toBe(130);
    child.stdout?.destroy();
  });

  test("Ctrl-C while --out is written: 130, no file, nothing left behind", async () => {
    const input = openSync("/dev/zero", "r");
    const stdio = [input, "pipe", "pipe"] as const;
    const child = spawn(process.execPath, words("seal", "--out", world.path("never")), { env, stdio: [...stdio] });
    closeSync(input);
    const end = ended(child);
    await vi.waitFor(() => expect(remains()).toHaveLength(1), { timeout: 20_000 });
    child.kill("SIGINT");
    expect(await end).toEqual({ code: 130, stderr: expect.stringContaining("hsmadm: interrupted") });
    expect(existsSync(world.path("never"))).toBe(false);
    expect(remains()).toEqual([]);
  });
});

const noTerminal = missing("script");
if (noTerminal !== null) process.stderr.write(`left out: sealing what is typed (${noTerminal})\n`);

describeBuilt("a terminal", () => {
  const onTerminal = (script: string) =>
    new Running("script", ["-qec", script, "/dev/null"], { cwd: world.home, env: { ...env, SHELL: "/bin/sh" } });
  const seal = () => [process.execPath, ...words("seal")].join(" ");
  const unseal = () => [process.execPath, ...words("unseal")].join(" ");

  test.skipIf(noTerminal !== null)("gives what is typed, up to Ctrl-D", async () => {
    const running = onTerminal(`echo ready; ${seal()} > typed; echo over; ${unseal()} < typed > back`);
    await running.says(/ready/);
    running.child.stdin.write("first line\n");
    running.child.stdin.write("second\n\u0004");
    expect((await running.ended).code).toBe(0);
    same("back", new TextEncoder().encode("first line\nsecond\n"));
  });

  test.skipIf(noTerminal !== null)("Ctrl-C while it is typed: 130, and nobody waits for the line's end", async () => {
    const running = onTerminal(`trap : INT; ${seal()} > half; echo "code $?"`);
    // The header goes out before anything is read: from here on Ctrl-C is the command's.
    await vi.waitFor(() => expect(bytesOf("half").length).toBeGreaterThan(0), { timeout: 20_000 });
    running.child.stdin.write("half a line\u0003");
    expect((await running.ended).stdout).toContain("code 130");
  });

  test.skipIf(noTerminal !== null)("takes no sealed bytes", async () => {
    const { code, stdout } = await onTerminal(`${seal()} < plain`).ended;
    expect(code).toBe(2);
    expect(stdout).toContain("the bytes could upset the terminal");
    expect(stdout).not.toContain("age-encryption.org");
  });
});
