import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

/** A command that leaves a mark and ends with a code. */
function marking(name: string, code: number): string[] {
  return ["--", "/bin/sh", "-c", `echo ran >> ${world.path(name)}; exit ${code}`];
}

async function guard(argv: string, command: string[]) {
  return world.run([...argv.split(" "), ...command]);
}

describe("guard", () => {
  test("gives COMMAND's own exit code, whatever it is", async () => {
    await officer.initialised("fit");
    for (const code of [0, 1, 5, 77, 130]) {
      expect((await guard("guard --device sim:fit", marking("fit", code))).code).toBe(code);
    }
    expect(readFileSync(world.path("fit"), "utf8")).toBe("ran\n".repeat(5));
  });

  test("a COMMAND that is not there is 127, one killed is 128 and the signal", async () => {
    expect((await guard("guard --device sim:fit", ["--", "/no/such/command"])).code).toBe(127);
    expect((await guard("guard --device sim:fit", ["--", "/bin/sh", "-c", "kill -9 $$"])).code).toBe(128 + 9);
  });

  test("without COMMAND it only judges", async () => {
    expect((await officer.gets(0, "guard --device sim:fit")).stdout).toContain("allowed");
    expect(await officer.document(0, "guard --device sim:fit")).toMatchObject({
      ok: true,
      allowed: true,
      floors: { userPinTries: 2, soPinTries: 4 },
      userPin: { triesLeft: 3 },
    });
  });

  test("below a floor COMMAND is not run: 5 or --refused-exit, and the reason on stderr", async () => {
    await officer.initialised("few");
    await officer.gets(4, "pin verify --device sim:few --pin env:WRONG");
    expect((await guard("guard --device sim:few", marking("few", 0))).code).toBe(0);
    await officer.gets(4, "pin verify --device sim:few --pin env:WRONG2");
    for (const [extra, code] of [
      ["", 5],
      [" --refused-exit 42", 42],
    ] as const) {
      const outcome = await guard(`guard --device sim:few${extra}`, marking("few", 0));
      expect(outcome.code).toBe(code);
      expect(outcome.stderr).toContain("guard: refused: the user PIN has 1 try left, the floor is 2\n");
      expect(outcome.stdout).toBe("");
    }
    expect(readFileSync(world.path("few"), "utf8")).toBe("ran\n");
    expect((await guard("guard --user-pin-tries 1 --device sim:few", marking("few", 0))).code).toBe(0);
    const document = await officer.document(42, "guard --device sim:few --refused-exit 42");
    expect(document).toMatchObject({ ok: false, error: { kind: "refused", exitCode: 42, code: "GUARD_REFUSED" } });
  });

  test("uninitialised, blocked, transport PIN, absent, unreadable, other than told: never 0, COMMAND never run", async () => {
    await officer.initialised("blocked");
    for (const pin of ["WRONG", "WRONG2", "PIN"]) {
      const env = pin === "PIN" ? { PIN: "another wrong" } : {};
      await officer.does(`pin verify --device sim:blocked --pin env:${pin} --min-tries 0`, { env });
    }
    await officer.gets(
      0,
      "device init --device sim:transport --so-pin env:SO --pin env:PIN --transport-pin --dkek-shares none",
    );
    await officer.initialised("so");
    const { writeFileSync } = await import("node:fs");
    writeFileSync(world.path("simulator/broken.json"), "{}");
    for (const device of [
      "sim:new",
      "sim:blocked",
      "sim:transport",
      "sim:broken",
      `trace:${world.path("none.apdu")}`,
    ]) {
      const outcome = await guard(`guard --device ${device} --user-pin-tries 0 --so-pin-tries 0`, marking("never", 0));
      expect(outcome.code, device).not.toBe(0);
      if (!device.startsWith("trace:")) {
        expect(outcome.code, device).toBe(5);
        expect(outcome.stderr, device).toMatch(/^guard: refused: ./m);
      }
    }
    expect(existsSync(world.path("never"))).toBe(false);
  });

  test("a refusal can never be 0", async () => {
    for (const exit of ["0", "256", "-1", "x"]) {
      expect((await guard(`guard --device sim:few --refused-exit=${exit}`, marking("never", 0))).code).toBe(2);
    }
    expect(existsSync(world.path("never"))).toBe(false);
  });

  test("holds no lock while COMMAND runs", async () => {
    const lock = world.path("simulator/fit.json.lock");
    const outcome = await guard("guard --device sim:fit", ["--", "/bin/sh", "-c", `test ! -e ${lock}`]);
    expect(outcome.code).toBe(0);
  });

  test("hands signals on to COMMAND", async () => {
    const running = guard("guard --device sim:fit", [
      "--",
      "/bin/sh",
      "-c",
      `trap 'exit 9' TERM; echo > ${world.path("up")}; while :; do sleep 0.05; done`,
    ]);
    while (!existsSync(world.path("up"))) await new Promise((resolve) => setTimeout(resolve, 10));
    world.signal("SIGTERM");
    expect((await running).code).toBe(9);
    expect(world.listening("SIGTERM") + world.listening("SIGINT")).toBe(0);
  });

  test("--dry-run judges and runs nothing; the trace is complete before COMMAND starts", async () => {
    expect((await guard("guard --dry-run --device sim:fit", marking("dry", 3))).code).toBe(0);
    expect(existsSync(world.path("dry"))).toBe(false);
    const trace = world.path("guard.apdu");
    expect((await guard(`guard --trace ${trace} --device sim:fit`, ["--", "grep", "-q", "close", trace])).code).toBe(0);
  });
});
