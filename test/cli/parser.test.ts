import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { renderHelp } from "../../src/cli/main.ts";
import { parseCommandLine } from "../../src/cli/parser.ts";
import { HsmError } from "../../src/errors.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();

async function refusal(...argv: string[]): Promise<HsmError> {
  const error = await parseCommandLine(argv).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error, argv.join(" ")).toBeInstanceOf(HsmError);
  return error as HsmError;
}

async function command(...argv: string[]) {
  const line = await parseCommandLine(argv);
  if (line.kind !== "command") throw new Error(`${argv.join(" ")}: ${line.kind}`);
  return line;
}

describe("command line", () => {
  test("options stand before or after noun and verb", async () => {
    for (const argv of [
      ["--json", "--device", "sim:a", "device", "status"],
      ["device", "--json", "status", "--device=sim:a"],
      ["device", "status", "--device", "sim:a", "--json"],
    ]) {
      const { spec, args } = await command(...argv);
      expect(spec.words).toEqual(["device", "status"]);
      expect(args.flag("json")).toBe(true);
      expect(args.text("device")).toBe("sim:a");
    }
  });

  test("every command of the table is reached by its words", async () => {
    for (const spec of commands) {
      const { required, second, third } = spec.positional ?? {};
      const word = required ? ["word", ...[second, third].flatMap((more) => (more === undefined ? [] : ["word"]))] : [];
      const line = await command(...spec.words, ...word);
      expect(line.spec).toBe(spec);
    }
  });

  test("--no-… options are options of their own, not negations", async () => {
    const { args } = await command("device", "init", "--no-input", "--no-ledger", "--no-pin-reset");
    expect([args.flag("no-input"), args.flag("no-ledger"), args.flag("no-pin-reset")]).toEqual([true, true, true]);
    expect((await refusal("device", "init", "--no-json")).code).toBe("OPTION_UNKNOWN");
  });

  test("numbers stay text: a label may be 0012", async () => {
    expect((await command("device", "label", "0012")).args.text("NAME")).toBe("0012");
    expect((await command("device", "init", "--label", "1e3")).args.text("label")).toBe("1e3");
  });

  test("what stands after -- belongs to the guarded command", async () => {
    const { args } = await command("guard", "--json", "--", "cryptsetup", "--device", "x", "--", "--json");
    expect(args.rest).toEqual(["cryptsetup", "--device", "x", "--", "--json"]);
    expect((await refusal("device", "status", "--", "ls")).kind).toBe("usage");
  });

  test("unknown words and options are usage errors with the nearest known one", async () => {
    expect((await refusal("devise", "status")).advice).toBe("did you mean `device`?");
    expect((await refusal("device", "stauts")).advice).toBe("did you mean `device status`?");
    expect((await refusal("pin", "verify", "--pni", "fd:3")).advice).toBe("did you mean --pin?");
    expect((await refusal("device")).message).toBe("`device` wants a verb");
    expect((await refusal("device", "status", "--retries", "3")).code).toBe("OPTION_UNKNOWN");
    expect((await refusal("device", "label")).code).toBe("ARGUMENT_MISSING");
    expect((await refusal("pin", "verify", "--pin")).message).toBe("--pin wants a value");
  });

  test("words in the wrong place are not repeated: they may be a PIN", async () => {
    for (const argv of [
      ["pin", "verify", "918273"],
      ["918273"],
      ["pin", "918273"],
      ["pin", "verify", "--918273"],
      ["pin", "verify", "--pin", "prompt", "--pin", "918273"],
      ["pin", "verify", "--", "918273"],
      ["guard", "--refused-exit", "918273"],
      ["pin", "verify", "--pin", "918273"],
      ["--timeout", "918273x", "pin", "verify"],
    ]) {
      for (const json of [[], ["--json"]]) {
        const { code, stdout, stderr } = await world.run([...json, ...argv]);
        expect(code, argv.join(" ")).toBe(2);
        expect(stdout + stderr, argv.join(" ")).not.toContain("918273");
      }
    }
  });

  test("values of options are checked before anything is opened", async () => {
    for (const extra of [
      "--driver x",
      "--timeout 0",
      "--timeout -1",
      "--timeout 1e9",
      "--min-tries -1",
      "--min-so-tries 16",
      "--min-tries 1.5",
    ]) {
      const [name = "", value] = extra.split(" ");
      const { code, stderr } = await world.run(["pin", "status", "--device", "sim:unopened", `${name}=${value}`]);
      expect(code, extra).toBe(2);
      expect(stderr, extra).toContain(name);
    }
    expect(
      (await world.run(["pin", "status", "--device", "sim:opened", "--driver", "pcsc-mini", "--timeout", "0.5"])).code,
    ).toBe(0);
    expect((await world.run(["simulator", "list"])).stdout).not.toContain("unopened");
  });

  test("an option given twice is refused", async () => {
    const { stderr, code } = await world.run(["pin", "status", "--device", "sim:a", "--device", "sim:b"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--device was given more than once");
  });

  test("any words end as a command, a help text or a usage error", async () => {
    const word = fc.oneof(
      fc.constantFrom("device", "status", "pin", "--json", "--", "-h", "--pin", "--device=", "-"),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (argv) => {
        try {
          await parseCommandLine(argv);
        } catch (error) {
          expect(error).toBeInstanceOf(HsmError);
          expect((error as HsmError).kind).toBe("usage");
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("help and version", () => {
  test("renderHelp is what --help, -h and no words at all print", async () => {
    const help = await renderHelp();
    for (const argv of [["--help"], ["-h"], []]) {
      expect(await world.run(argv)).toMatchObject({ code: 0, stdout: help, stderr: "" });
    }
    expect(Math.max(...help.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const noun of new Set(commands.map((spec) => spec.words[0]))) expect(help).toContain(noun);
  });

  test("every command explains itself with its options", async () => {
    for (const spec of commands) {
      const line = await parseCommandLine([...spec.words, "--help"]);
      const text = line.kind === "help" ? line.text : "";
      expect(text).toContain(`hsmadm ${spec.words.join(" ")}`);
      for (const option of spec.options ?? []) expect(text).toContain(`--${option.name}`);
    }
    expect((await world.run(["device", "--help"])).stdout).toContain("status");
  });

  test("--version", async () => {
    expect(await world.run(["--version"])).toMatchObject({ code: 0, stdout: "0.0.0-test\n", stderr: "" });
    expect((await world.run(["--json", "--version"])).stdout).toBe("0.0.0-test\n");
  });
});
