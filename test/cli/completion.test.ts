import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commands, nouns } from "../../src/cli/commands.ts";
import { complete } from "../../src/cli/completion/completion.ts";
import { answerCompletion } from "../../src/cli/completion/completion-request.ts";
import { answerLines, shells, splitBashLine } from "../../src/cli/completion/completion-shells.ts";
import type { CompletionSources } from "../../src/cli/completion/completion-values.ts";
import type { CliIo } from "../../src/cli/io.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const breaks = " \t\n\"'><=;|&(:";

const sources: CompletionSources = {
  devices: () => [
    { serial: "DENK0105213", label: "my token", reader: "ACS ACR39U 00 00" },
    { serial: "DENK0105214", label: null, reader: "ACS ACR39U 00 00" },
  ],
  simulated: () => ["demo"],
  authenticators: () => ["key"],
  paths: (begin) => ["so.pin", "sub/"].filter((path) => path.startsWith(begin)),
  variables: () => ["PIN", "PATH"],
};

function values(...words: string[]): string[] {
  const completion = complete(words, sources);
  return completion.kind === "candidates" ? completion.candidates.map(({ value }) => value) : [":command"];
}

describe("what may stand at the cursor", () => {
  test("nouns, verbs and options come from the command table", () => {
    expect(values("")).toEqual(Object.keys(nouns));
    for (const noun of Object.keys(nouns)) {
      const behind = commands.flatMap(({ words: [first, second] }) => (first === noun && second ? [second] : []));
      const verbs = [...new Set(behind)];
      if (verbs.length > 0) expect(values(noun, "")).toEqual(verbs);
    }
    for (const spec of commands) {
      const offered = values(...spec.words, "--");
      for (const { name } of spec.options ?? []) expect(offered).toContain(`--${name}`);
      expect(offered).toEqual(expect.arrayContaining(["--json", "--device", "--help"]));
    }
  });

  test("only what begins as typed, and no option twice", () => {
    expect(values("dev")).toEqual(["device"]);
    expect(values("device", "st")).toEqual(["status"]);
    expect(values("pin", "verify", "--json", "--j")).toEqual([]);
    expect(values("nonsense", "")).toEqual([]);
  });

  test("with nothing typed, the device and the options of this very command", () => {
    expect(values("pin", "change", "")).toEqual(["--pin", "--new-pin", "--device"]);
    expect(values("pin", "status", "")).toEqual(["--device"]);
    expect(values("pin", "status", "--device", "auto", "")).toEqual([]);
    expect(values("simulator", "serve", "--device", "sim:x", "--dev")).toEqual(["--device"]);
    expect(values("device", "label", "")).toEqual([]);
  });

  test("devices of a command about authenticators: those, readers and recordings", () => {
    const offered = values("fido", "info", "--device", "");
    expect(offered).toEqual([
      "ACS ACR39U 00 00",
      "sim-fido:key",
      "sim-fido:",
      "fido:",
      "trace:",
      "pcsc:",
      "auto",
      "none",
    ]);
    expect(values("fido", "pin", "")).toEqual(["retries", "set", "change"]);
    expect(values("fido", "list", "--device", "sim-fido:key,sim-f")).toEqual(["sim-fido:key,sim-fido:"]);
    expect(values("pin", "status", "--device", "sim-")).toEqual([]);
    expect(values("simulator", "reset", "sim-")).toEqual(["sim-fido:key"]);
  });

  test("devices: serials, labels, readers, simulated tokens and prefixes", () => {
    const offered = values("device", "status", "--device", "");
    expect(offered.slice(0, 5)).toEqual(["DENK0105213", "DENK0105214", "my token", "ACS ACR39U 00 00", "sim:demo"]);
    expect(offered).toEqual(expect.arrayContaining(["auto", "none", "sim:", "trace:", "pcsc:"]));
    expect(values("--device", "sim:d")).toEqual(["sim:demo"]);
    expect(values("device", "status", "--device=DENK0105214")).toEqual(["--device=DENK0105214"]);
    expect(values("pin", "status", "--device", "pcsc:A")).toEqual(["pcsc:ACS ACR39U 00 00"]);
    expect(values("device", "status", "--device", "trace:so")).toEqual(["trace:so.pin"]);
  });

  test("several devices behind commas where a command takes them", () => {
    expect(values("simulator", "serve", "--device", "DENK0105213,sim:d")).toEqual(["DENK0105213,sim:demo"]);
    expect(values("simulator", "serve", "--device", "sim:demo,sim:d")).toEqual([]);
    expect(values("pin", "status", "--device", "DENK0105213,sim:d")).toEqual([]);
  });

  test("values of options: secret sources, files, words", () => {
    expect(values("pin", "verify", "--pin", "")).toEqual(["prompt", "file:", "fd:", "env:", "cmd:"]);
    expect(values("pin", "verify", "--pin", "file:s")).toEqual(["file:so.pin", "file:sub/"]);
    expect(values("pin", "verify", "--pin", "env:PI")).toEqual(["env:PIN"]);
    expect(values("device", "init", "--dkek-shares", "")).toEqual(["random", "none"]);
    expect(values("simulator", "create", "--profile", "p")).toEqual(["pico"]);
    expect(values("device", "status", "--trace", "su")).toEqual(["sub/"]);
    expect(values("device", "status", "--driver=pcsc-")).toEqual(["--driver=pcsc-mini"]);
    expect(values("device", "status", "--timeout", "")).toEqual([]);
    expect(values("simulator", "reset", "")).toEqual(["sim:demo", "sim-fido:key"]);
    expect(values("completion", "")).toEqual([...shells]);
  });

  test("no value that is a secret is ever offered", () => {
    expect(JSON.stringify(complete(["pin", "verify", "--pin", ""], sources))).not.toContain("literal");
  });

  test("behind -- another command begins, where the verb takes one", () => {
    expect(complete(["guard", "--json", "--", "cryptsetup", "o"], sources)).toEqual({ kind: "command", from: 3 });
    expect(complete(["device", "status", "--", ""], sources)).toEqual({ kind: "candidates", candidates: [] });
  });

  test("any words give an answer of whole words", () => {
    const word = fc.oneof(fc.constantFrom("device", "guard", "--", "--device", "--pin=", "--device=", ""), fc.string());
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        const completion = complete(words, sources);
        if (completion.kind === "command") return completion.from <= words.length;
        return completion.candidates.every(({ value }) => value.startsWith(words.at(-1) ?? ""));
      }),
    );
  });
});

describe("bash splits words of its own", () => {
  test.each([
    ["hsmadm dev", ["dev"], { text: "dev", quote: "", kept: 0 }],
    ["hsmadm device ", ["device", ""], { text: "", quote: "", kept: 0 }],
    ["hsmadm --device sim:d", ["--device", "sim:d"], { text: "sim:d", quote: "", kept: 4 }],
    ["hsmadm --device=my\\ to", ["--device=my to"], { text: "--device=my to", quote: "", kept: 9 }],
    ['hsmadm --device "AC S:', ["--device", "AC S:"], { text: "AC S:", quote: '"', kept: 0 }],
    ["hsmadm 'a\"b' c", ['a"b', "c"], { text: "c", quote: "", kept: 0 }],
    ["hsmadm '' ", ["", ""], { text: "", quote: "", kept: 0 }],
  ] as const)("%s", (line, words, last) => {
    expect(splitBashLine(line, breaks)).toEqual({ words, last });
  });

  test("any line is split", () => {
    fc.assert(fc.property(fc.string(), (line) => splitBashLine(line, breaks).last.text.length <= line.length));
  });

  test("names are escaped as the place wants it; a control character is never offered", () => {
    const completion = (value: string) => ({ kind: "candidates", candidates: [{ value }] }) as const;
    const at = (quote: "" | "'" | '"', kept = 0) => ({ text: "", quote, kept });
    expect(answerLines("bash", completion("my $(tok)"), at(""))).toEqual(["my\\ \\$\\(tok\\)"]);
    expect(answerLines("bash", completion("my $tok"), at('"'))).toEqual(["my \\$tok"]);
    expect(answerLines("bash", completion("sim:demo"), at("", 4))).toEqual(["demo"]);
    for (const shell of shells) expect(answerLines(shell, completion("a\nb"), at(""))).toEqual([]);
  });
});

describe("__complete", () => {
  const io = (env: Record<string, string>): CliIo => ({
    env,
    stdout: { write: () => undefined },
    stderr: { write: () => undefined },
    terminal: () => null,
    onSignal: () => () => undefined,
    exitNow: () => undefined,
    version: () => "0",
    homeFolder: world.home,
    now: () => new Date(0),
    userId: null,
  });

  test("names come from the cache and the folder of simulated tokens", () => {
    const home = world.path("filled");
    mkdirSync(join(home, "simulator"), { recursive: true });
    writeFileSync(join(home, "simulator", "rack.json"), "not even JSON: it is not read");
    writeFileSync(
      join(home, "devices.json"),
      JSON.stringify({ version: 1, devices: [{ serial: "S1", label: "l", reader: "R" }] }),
    );
    const answer = answerCompletion(["fish", "device", "status", "--device", ""], io({ HSMADM_HOME: home }));
    expect(answer).toContain('S1\t"l", last in R\n');
    expect(answer).toContain("sim:rack\t");
  });

  test("nothing is offered and nothing is said when things are wrong", () => {
    const home = world.path("nowhere");
    for (const argv of [[], ["tcsh", "x"], ["bash"], ["zsh"]]) answerCompletion(argv, io({ HSMADM_HOME: home }));
    expect(answerCompletion(["zsh", "device", ""], io({ HSMADM_HOME: "relative" }))).toBe("");
    expect(answerCompletion(["fish", "--trace", "/nonexistent/"], io({ HSMADM_HOME: home }))).toBe("");
  });

  test("nothing it loads could touch a card or a token's state", () => {
    const src = fileURLToPath(new URL("../../src/", import.meta.url));
    const seen = new Set<string>();
    const follow = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      const text = readFileSync(file, "utf8").replace(/^import type .*$/gm, "");
      for (const [, target = ""] of text.matchAll(/^(?:import|export) [^;]*?from "(\.[^"]+)"/gm)) {
        follow(join(dirname(file), target));
      }
    };
    follow(join(src, "cli/completion/completion-request.ts"));
    // A table of two names, which imports nothing.
    seen.delete(join(src, "transport/pcsc/driver-name.ts"));
    const rooms = new Set([...seen].map((file) => file.slice(src.length).split("/")[0]));
    expect([...rooms].sort()).toEqual(["cli", "errors.ts"]);
  });
});

describe("hsmadm completion", () => {
  test("prints the script of each shell, and refuses others", async () => {
    for (const shell of shells) {
      const { code, stdout } = await world.run(["completion", shell]);
      expect(code).toBe(0);
      expect(stdout).toContain(`__complete ${shell}`);
      expect(stdout).not.toMatch(/[^\x20-\x7e\n]/);
    }
    const refused = await world.run(["completion", "tcsh"]);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("bash, zsh, fish");
    expect((await world.run(["completion"])).stderr).toContain("`completion` wants SHELL");
  });
});
