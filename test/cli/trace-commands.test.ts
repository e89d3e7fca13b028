import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigEndian, utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { Narrator } from "../../src/cards/smartcard-hsm/narrator.ts";
import { withoutSecrets } from "../../src/cli/traces/trace-files.ts";
import { readAnyTrace, type TraceFormat } from "../../src/transport/trace/foreign/any-trace.ts";
import { formatTrace, parseTrace } from "../../src/transport/trace/trace-file.ts";
import { type Said, traceOf, writers } from "../transport/trace/foreign-writers.ts";
import { violations } from "./support/json-schema.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const recordings = join(root, "test/transport/trace/recordings");
const fixture = (card: string, story: string) => join(root, `apdu-fixtures/simulated-${card}/${story}.apdu`);
const foreign = (file: string) => join(recordings, "foreign", file);
const world = new TestWorld();
const officer = new Officer(world);

const pin = "Zq7-planted";
const newPin = "Wx9+planted";
const soPin = "A1B2C3D4E5F60718";

/** A session with a PIN in every command that takes one. */
function sessionWithPins(): Said[] {
  const data = (hex: string, value: Uint8Array) =>
    fromHex(`${hex}${toHex(Uint8Array.of(value.length))}${toHex(value)}`);
  const [user, next, so] = [utf8Bytes(pin), utf8Bytes(newPin), fromHex(soPin)];
  const init = fromHex(`80020001 81${toHex(Uint8Array.of(user.length))}${toHex(user)} 8208${soPin} 910103`);
  const commands: [Uint8Array, string][] = [
    [fromHex("00A404000BE82B0601040181C31F020100"), "6F0A820178850500010004019000"],
    [data("80500000", init), "9000"],
    [data("00200081", user), "63C2"],
    [data("00240081", Uint8Array.of(...user, ...next)), "9000"],
    [data("00200088", so), "63CE"],
    [data("002C0081", Uint8Array.of(...so, ...next)), "9000"],
    // Chained: the parts of a PIN.
    [data("10200081", user.subarray(0, 6)), "9000"],
    [data("00200081", user.subarray(6)), "9000"],
  ];
  return commands.map(([command, sw]) => ({ command, answer: fromHex(sw) }));
}

/** No part of a planted PIN, in characters or in hex of any spelling. */
function expectNoPin(text: string): void {
  const compact = text.replace(/[^0-9A-Za-z]/g, "").toUpperCase();
  expect(text).not.toContain(pin.slice(0, 6));
  expect(text).not.toContain(newPin.slice(0, 6));
  for (const value of [pin, newPin].map((each) => toHex(utf8Bytes(each))))
    expect(compact).not.toContain(value.slice(0, 12));
  expect(compact).not.toContain(soPin);
  expect(compact).not.toContain(toHex(fromHex(soPin)).slice(0, 12));
}

describe("a planted PIN", () => {
  const files = Object.entries(writers).map(([format, write]) => {
    const file = world.path(`planted-${format}`);
    writeFileSync(file, write(sessionWithPins()));
    return { format, file };
  });
  const ours = world.path("planted.apdu");
  const comments = `# he types ${pin} here, SO-PIN ${soPin.toLowerCase()}, (${newPin}) or ${toHex(utf8Bytes(pin), ":")}\n`;
  writeFileSync(
    ours,
    formatTrace(traceOf(sessionWithPins()))
      .replace("# hsmadm trace 1\n", `# hsmadm trace 1\n# card: ${pin}\n`)
      .replace("! connect", `${comments}! connect at ${pin}`)
      .replace("\n< 63 C2", `   VERIFY ${pin}\n< 63 C2`) + comments,
  );
  files.push({ format: "hsmadm", file: ours });

  test.each(files)("is in no output of any command: $format", async ({ format, file }) => {
    const before = world.printed.length;
    const out = world.path(`out-${format}.apdu`);
    const good = world.path(`good-${format}.apdu`);
    await officer.gets(0, `trace redact ${file} --out ${out}`);
    await officer.gets(0, `trace convert ${file} --from ${format} --out ${good}`);
    for (const command of ["show", "show --hex", "redact", "convert", "replay"]) {
      await officer.gets(0, `trace ${command} ${file}`);
      await officer.gets(0, `trace ${command} ${file} --json`);
    }
    await officer.gets(0, `trace diff ${file} ${file}`);
    await officer.does(`trace diff ${file} ${fixture("pico", "first-status")} --json`);
    expectNoPin(world.printed.slice(before));
    for (const path of [out, good]) expectNoPin(readFileSync(path, "utf8"));
    expect(readFileSync(good, "utf8")).toBe(readFileSync(out, "utf8"));
    expect(readFileSync(out, "utf8")).toContain("00 20 00 81 0B ** ** ** ** ** ** ** ** ** ** **");
  });

  test("nor is it when the log is damaged", async () => {
    for (const { file } of files) {
      const cut = `${file}-cut`;
      const text = readFileSync(file, "utf8");
      for (const at of [0.3, 0.5, 0.7, 0.9]) {
        writeFileSync(cut, text.slice(0, Math.floor(text.length * at)));
        const before = world.printed.length;
        await officer.does(`trace show ${cut} --hex`);
        expectNoPin(world.printed.slice(before));
      }
    }
  });
});

describe("trace convert", () => {
  test.each(["opensc-0.23.0.log", "ledger.txt", "apdu4j.dump", "apdu4j.log", "cardpeek.clf"])("%s", async (file) => {
    const out = world.path(`${file}.apdu`);
    await officer.gets(0, `trace convert ${foreign(file)} --out ${out}`);
    const text = readFileSync(out, "utf8");
    expect(formatTrace(parseTrace(text, out))).toBe(text);
    expect(text).not.toMatch(/36 34 38 32 31 39|648219|31 31 31 31 31 31|111111|57621880|35 37 36 32/);
    expect(text).toContain("00 20 00 81 06 ** ** ** ** ** **");
    expect((await officer.gets(0, `trace convert ${foreign(file)}`)).stdout).toBe(text);
    await officer.gets(0, `trace replay ${out}`);
  });

  test("what is converted runs as a device", async () => {
    const out = world.path("status.apdu");
    writeFileSync(world.path("status.json"), JSON.stringify({ ...statusSession() }));
    await officer.gets(0, `trace convert ${world.path("status.json")} --out ${out}`);
    const { stdout } = await officer.gets(0, `device status --device trace:${out}`);
    expect(stdout).toContain("UTSIMHZT9XX");
  });

  test("a file that exists is left as it is, unless --yes", async () => {
    const out = world.path("taken.apdu");
    writeFileSync(out, "mine\n");
    for (const command of ["convert", "redact"]) {
      const { stderr } = await officer.gets(8, `trace ${command} ${foreign("ledger.txt")} --out ${out}`);
      expect(stderr).toContain("exists and is left as it is");
    }
    expect(readFileSync(out, "utf8")).toBe("mine\n");
    await officer.gets(0, `trace convert ${foreign("ledger.txt")} --out ${out} --yes`);
    expect(readFileSync(out, "utf8")).toContain("# tool: Ledger RecordStore");
    await officer.gets(11, `trace convert ${foreign("ledger.txt")} --out ${world.path("no/such/folder")}`);
    await officer.gets(0, `trace convert ${foreign("ledger.txt")} --out ${world.path("dry.apdu")} --dry-run`);
    expect(existsSync(world.path("dry.apdu"))).toBe(false);
  });

  test("files that are none", async () => {
    const bad: [string, string, RegExp][] = [
      ["empty", "", /the file is empty/],
      ["words", "hello world\n", /no APDU in it/],
      ["cut.apdu", "# hsmadm trace 1\n> 00 20 00", /cut off/],
      ["cut.json", '{"steps":[', /not JSON/],
      ["later.apdu", "# hsmadm trace 2\n", /version 2, not 1/],
      ["binary", "\u0000\u0001", /not a text file/],
    ];
    for (const [name, text, message] of bad) {
      writeFileSync(world.path(name), text);
      for (const command of ["show", "redact", "convert"]) {
        const { stderr } = await officer.gets(2, `trace ${command} ${world.path(name)}`);
        expect(stderr, name).toMatch(message);
      }
      await officer.gets(9, `trace replay ${world.path(name)}`);
    }
    await officer.gets(2, `trace show ${world.path("nowhere")}`);
    await officer.gets(2, `trace show ${world.home}`);
    await officer.gets(2, `trace show ${foreign("ledger.txt")} --from morse`);
    await officer.gets(2, `trace show ${foreign("ledger.txt")} --from cardpeek`);
    await officer.gets(2, "trace show");
    const { stderr } = await officer.gets(2, `trace show ${foreign("ledger.txt")} --trace ${world.path("never.apdu")}`);
    expect(stderr).toContain("this speaks to none");
    expect(existsSync(world.path("never.apdu"))).toBe(false);
    await officer.gets(2, `trace diff ${foreign("ledger.txt")}`);
    await officer.gets(2, `trace show ${foreign("ledger.txt")} ${foreign("ledger.txt")}`);
  });

  test("CRLF is read", async () => {
    const text = readFileSync(fixture("genuine", "first-status"), "utf8");
    writeFileSync(world.path("crlf.apdu"), text.replaceAll("\n", "\r\n"));
    expect((await officer.gets(0, `trace redact ${world.path("crlf.apdu")}`)).stdout).toBe(text);
  });
});

describe("trace redact", () => {
  test("a published fixture stays as it is, and twice is once", async () => {
    for (const card of ["genuine", "pico"]) {
      for (const file of readdirSync(join(root, `apdu-fixtures/simulated-${card}`))) {
        const path = join(root, `apdu-fixtures/simulated-${card}`, file);
        expect((await officer.gets(0, `trace redact ${path}`)).stdout, file).toBe(readFileSync(path, "utf8"));
      }
    }
  });

  test("holds for any session: known bytes shrink, nothing else changes", () => {
    const said = fc.array(
      fc.record({
        command: fc
          .tuple(
            fc.constantFrom("0020", "0024", "002C", "8050", "00B1", "1020", "80FF"),
            fc.uint8Array({ maxLength: 40 }),
          )
          .map(([head, rest]) => fromHex(`${head}0081${toHex(Uint8Array.of(rest.length))}${toHex(rest)}`)),
        answer: fc.uint8Array({ minLength: 2, maxLength: 20 }),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(said, (session) => {
        const once = withoutSecrets(traceOf(session));
        expect(formatTrace(withoutSecrets(once))).toBe(formatTrace(once));
        once.connections[0]?.steps.forEach((step, i) => {
          if (step.kind !== "exchange") return;
          expect(step.command.bytes).toHaveLength(session[i]?.command.length ?? 0);
          for (const [at, byte] of step.command.bytes.entries()) expect([0, session[i]?.command[at]]).toContain(byte);
        });
      }),
    );
  });
});

describe("trace show", () => {
  test("tells an uninitialised token, a wrong PIN and a card pulled out in words", async () => {
    const shown = async (card: string, story: string) =>
      (await officer.gets(0, `trace show ${fixture(card, story)}`)).stdout;
    expect(await shown("genuine", "uninitialised")).toMatch(
      /VERIFY: state of SO-PIN +6A88 not set, the token was never initialised/,
    );
    const wrong = await shown("genuine", "wrong-pin-to-blocked-to-unblocked");
    expect(wrong).toMatch(/VERIFY user PIN +63C2 wrong user PIN, 2 tries left/);
    expect(wrong).toMatch(/63C0 wrong user PIN, and now it is blocked/);
    expect(wrong).toMatch(/< serial +UTSIMKHRMG6/);
    expect(await shown("genuine", "initialise")).toMatch(/> DKEK +2 shares/);
    expect(await shown("pico", "first-status")).toMatch(/< version +6.6/);
    expect(await shown("genuine", "card-removed-while-the-pin-changes")).toMatch(
      /no answer, card removed: the card was taken out/,
    );
  });

  test("fits 80 columns without --hex, names aside, and cuts nothing with it", async () => {
    const { stdout } = await officer.gets(0, `trace show ${foreign("opensc-0.23.0.log")}`);
    for (const line of stdout.split("\n").filter((line) => /^ +[<>]/.test(line)))
      expect(line.length).toBeLessThanOrEqual(80);
    const whole = await officer.gets(0, `trace show ${foreign("opensc-0.23.0.log")} --hex`);
    expect(whole.stdout).toContain("> 00 A4 04 00 0B E8 2B 06 01 04 01 81 C3 1F 02 01 00");
  });

  test("an answer in parts is looked into when it is whole", async () => {
    const json = join(recordings, "opensc-0.27.1-pico-hsm/23-raw-dkek-status.json");
    const { stdout } = await officer.gets(0, `trace show ${json}`);
    expect(stdout).toMatch(/GET RESPONSE/);
    expect(stdout).toMatch(/< serial +ESPICOHSMTR/);
  });

  test("every recording there is can be told, and the narrator stumbles over no bytes", async () => {
    for (const folder of ["opensc-0.23.0-pico-hsm", "opensc-0.27.1-pico-hsm", "fido2-pcsc"]) {
      for (const file of readdirSync(join(recordings, folder)))
        await officer.gets(0, `trace show ${join(recordings, folder, file)}`);
    }
    const header = fc.constantFrom(
      "00A4040C",
      "00B12F02",
      "80520000",
      "80580000",
      "00460100",
      "80500000",
      "00D72F03",
      "80680110",
    );
    const command = fc
      .tuple(header, fc.uint8Array({ maxLength: 30 }))
      .map(([head, rest]) => fromHex(`${head}${toHex(Uint8Array.of(rest.length))}${toHex(rest)}`));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(command, fc.uint8Array()), fc.uint8Array())), (exchanges) => {
        const narrator = new Narrator();
        narrator.narrate({
          command: fromHex("00A404000BE82B0601040181C31F0201"),
          hidden: [],
          answer: fromHex("9000"),
          answerHidden: [],
        });
        for (const [bytes, answer] of exchanges)
          narrator.narrate({ command: bytes, hidden: [], answer, answerHidden: [] });
      }),
    );
  });
});

describe("trace diff", () => {
  const story = "wrong-pin-to-blocked-to-unblocked";

  test("a recording is the same as itself", async () => {
    const { stdout } = await officer.gets(0, `trace diff ${fixture("pico", story)} ${fixture("pico", story)}`);
    expect(stdout).toMatch(/0 differ, 0 only in A, 0 only in B/);
  });

  test("two firmwares: status words, fields, commands that only one has; serials do not count", async () => {
    const { stdout } = await officer.gets(9, `trace diff ${fixture("genuine", story)} ${fixture("pico", story)}`);
    expect(stdout).toMatch(/answer, version:\n +A +4.1\n +B +6.6/);
    expect(stdout).toMatch(/A +63C0 wrong user PIN, and now it is blocked\n +B +6983 the user PIN is blocked/);
    expect(stdout).toMatch(/~ answer, serial:\n +A +UTSIMKHRMG6\n +B +ESPICOHSMTR/);
    expect(stdout).toContain("only in A: state of key domain 1");
    expect(stdout).toContain("only in B: SELECT application");
  });

  test("the same on another token is the same: certificate and serial alone do not count", async () => {
    for (const name of ["a", "b"]) {
      await officer.initialised(`diff-${name}`);
      await officer.gets(0, `device status --device sim:diff-${name} --trace ${world.path(`${name}.apdu`)}`);
    }
    const { stdout } = await officer.gets(0, `trace diff ${world.path("a.apdu")} ${world.path("b.apdu")}`);
    expect(stdout).toContain("~ answer, serial:");
  });

  test("the same fault at another reader is the same fault, another fault is not", async () => {
    const path = fixture("genuine", "card-removed-while-the-pin-changes");
    const text = readFileSync(path, "utf8");
    writeFileSync(world.path("reader.apdu"), text.replaceAll("sim:genuine", "another reader"));
    await officer.gets(0, `trace diff ${path} ${world.path("reader.apdu")}`);
    writeFileSync(world.path("mute.apdu"), text.replace("! card removed", "! card mute"));
    const { stdout } = await officer.gets(9, `trace diff ${path} ${world.path("mute.apdu")}`);
    expect(stdout).toMatch(/A +no answer, card removed\n +B +no answer, card mute/);
  });

  test("thousands of steps with nothing in common are told, thousands in common are compared", async () => {
    const read = (offset: number) => `> 00 B1 C4 01 04 54 02 ${toHex(bigEndian(offset, 2), " ")} 00\n< 90 00\n`;
    const story = (first: number) => {
      const reads = Array.from({ length: 5000 }, (_, i) => read(first + i)).join("");
      return `# hsmadm trace 1\n> 00 A4 04 00 0B E8 2B 06 01 04 01 81 C3 1F 02 01 00\n< 90 00\n${reads}`;
    };
    for (const first of [0, 10_000]) writeFileSync(world.path(`long-${first}.apdu`), story(first));
    const { stderr } = await officer.gets(
      2,
      `trace diff ${world.path("long-0.apdu")} ${world.path("long-10000.apdu")}`,
    );
    expect(stderr).toContain("too long and too different");
    await officer.gets(0, `trace diff ${world.path("long-0.apdu")} ${world.path("long-0.apdu")}`);
  });

  test("one status word is enough", async () => {
    const text = readFileSync(fixture("genuine", "first-status"), "utf8");
    writeFileSync(world.path("changed.apdu"), text.replace("< 63 C3", "< 63 C2"));
    const { stdout } = await officer.gets(
      9,
      `trace diff ${fixture("genuine", "first-status")} ${world.path("changed.apdu")}`,
    );
    expect(stdout).toMatch(/A +63C3 3 tries left\n +B +63C2 2 tries left/);
  });
});

describe("trace replay", () => {
  const fixtures = ["genuine", "pico"].flatMap((card) =>
    readdirSync(join(root, `apdu-fixtures/simulated-${card}`)).map((file) =>
      join(root, `apdu-fixtures/simulated-${card}`, file),
    ),
  );

  test("every fixture and OpenSC's 46 sessions pass", async () => {
    const sessions = ["opensc-0.23.0-pico-hsm", "opensc-0.27.1-pico-hsm"].flatMap((folder) =>
      readdirSync(join(recordings, folder)).map((file) => join(recordings, folder, file)),
    );
    const { stdout } = await officer.gets(0, `trace replay ${[...fixtures, ...sessions].join(" ")}`);
    expect(stdout).toContain(`${fixtures.length + 46} of ${fixtures.length + 46} pass`);
    expect(stdout).toContain("status of UTSIMHZT9XX: operational");
  });

  test("an answer that the driver cannot read fails, with its line; the other files are looked at", async () => {
    const text = readFileSync(fixture("genuine", "first-status"), "utf8");
    const broken: [string, string, string][] = [
      ["a status word without meaning", "< 63 C3", "< 6F 42"],
      ["a certificate whose signature is broken", "5F 37 40 0B", "5F 37 40 0C"],
      ["a SELECT without version", "< 6F 0A 82 01 78 85", "< 6F 0A 82 01 78 86"],
    ];
    for (const [name, from, to] of broken) {
      const file = world.path("broken.apdu");
      writeFileSync(file, text.replace(from, to));
      expect(readFileSync(file, "utf8"), name).not.toBe(text);
      const document = await officer.document(9, `trace replay ${file} ${fixture("pico", "first-status")}`);
      expect(document, name).toMatchObject({ ok: false, passed: 1, failed: 1 });
    }
  });
});

describe("--json", () => {
  const lines: [number, string][] = [
    [0, `trace show ${fixture("genuine", "initialise")}`],
    [0, `trace show ${fixture("genuine", "card-reset-by-another-program")}`],
    [0, `trace redact ${foreign("ledger.txt")}`],
    [0, `trace redact ${foreign("ledger.txt")} --out ${world.path("json.apdu")}`],
    [0, `trace convert ${foreign("apdu4j.log")}`],
    [0, `trace diff ${fixture("genuine", "initialise")} ${fixture("genuine", "initialise")}`],
    [9, `trace diff ${fixture("genuine", "initialise")} ${fixture("pico", "initialise")}`],
    [0, `trace replay ${fixture("genuine", "initialise")}`],
    [9, `trace replay ${foreign("ledger.txt")} ${world.path("nowhere")}`],
  ];
  test.each(lines)("%i %s", async (code, line) => {
    const schema = `${line.split(" ").slice(0, 2).join("-")}.json`;
    const document = await officer.document(code, line);
    expect(document["ok"]).toBe(code === 0);
    expect(violations(JSON.parse(readFileSync(join(root, "docs/schema", schema), "utf8")), document)).toEqual([]);
  });
});

/** The fixture `first-status` as JSON of another program. */
function statusSession(): object {
  const { trace } = readAnyTrace(
    readFileSync(fixture("genuine", "first-status"), "utf8"),
    "x",
    "hsmadm" satisfies TraceFormat,
  );
  const [connection] = trace.connections;
  const exchange = (connection?.steps ?? []).flatMap((step) =>
    step.kind === "exchange" && step.outcome.kind === "answer"
      ? [{ c: toHex(step.command.bytes), r: toHex(step.outcome.bytes.bytes) }]
      : [],
  );
  return { session: "status", atr: toHex(connection?.atr ?? new Uint8Array(0)), steps: [{ exchange }] };
}
