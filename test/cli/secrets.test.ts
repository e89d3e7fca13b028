import { chmodSync, closeSync, openSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Bytes, utf8Text } from "../../src/bytes/bytes.ts";
import { CommandArguments } from "../../src/cli/arguments.ts";
import { type CommandContext, readGlobals } from "../../src/cli/context.ts";
import type { CliIo, Terminal } from "../../src/cli/io.ts";
import { Output } from "../../src/cli/output.ts";
import { pathsFor } from "../../src/cli/paths.ts";
import { askHelper, readSecretFd, withoutLineEnd } from "../../src/cli/secrets/secret-readers.ts";
import { parseSecretSource } from "../../src/cli/secrets/secret-source.ts";
import { SecretReader, type SecretWish } from "../../src/cli/secrets/secrets.ts";
import { HsmError } from "../../src/errors.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const planted = "918273645";
const calm = new AbortController().signal;

interface Situation {
  readonly values?: Record<string, unknown>;
  readonly env?: Record<string, string>;
  readonly person?: Terminal;
}

function situation({ values = {}, env = {}, person }: Situation): { context: CommandContext; printed: () => string } {
  let printed = "";
  const write = (text: string) => (printed += text);
  const io: CliIo = {
    env: { PATH: process.env["PATH"], ...env },
    stdout: { write },
    stderr: { write },
    terminal: () => person ?? null,
    onSignal: () => () => undefined,
    exitNow: () => undefined,
    version: () => "0",
    homeFolder: world.home,
    now: () => new Date(0),
    userId: process.getuid?.() ?? null,
  };
  const args = new CommandArguments(values);
  const globals = readGlobals(args, io.env, false);
  const context = {
    io,
    args,
    globals,
    output: new Output(io, globals),
    paths: pathsFor(io),
    signal: calm,
    handOverSignals: () => undefined,
  };
  return { context, printed: () => printed };
}

const wish = (over: Partial<SecretWish> = {}): SecretWish => ({
  option: "pin",
  name: "user PIN",
  isNew: false,
  check: (bytes) => bytes,
  ...over,
});
const subject = { token: "demo, UTSIM, SIMULATED", stake: "3 tries left" };

async function read(given: Situation, over: Partial<SecretWish> = {}): Promise<string | null> {
  const { context } = situation(given);
  return utf8Text(await (await new SecretReader(context).open(wish(over))).value(subject));
}

async function refused(work: Promise<unknown>): Promise<HsmError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HsmError);
  expect(`${(error as HsmError).message} ${(error as HsmError).advice}`).not.toContain(planted);
  return error as HsmError;
}

function secretFile(name: string, content: string, mode = 0o600): string {
  const path = world.path(name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

describe("source grammar", () => {
  test("a value that is no source is refused and never repeated", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4 }), (text) => {
        fc.pre(!/^(prompt$|fd:|file:|env:|cmd:|literal:)/.test(text));
        try {
          parseSecretSource("--pin", text);
          expect.unreachable();
        } catch (error) {
          expect(error).toMatchObject({ code: "SECRET_SOURCE_INVALID", kind: "usage" });
          const said =
            "--pin names a source, it does not take the secret itself; give prompt, fd:N, file:PATH, env:NAME or cmd:HELPER";
          expect(`${(error as HsmError).message}; ${(error as HsmError).advice}`).toBe(said);
        }
      }),
    );
  });

  test("malformed sources are refused without what follows the colon", () => {
    for (const text of [
      "fd:",
      "fd:x",
      "fd:1",
      "fd:2",
      "fd:-3",
      "file:",
      "env:",
      `env:${planted}`,
      `env:A B`,
      "cmd:",
      `pin:${planted}`,
      `FD:${planted}`,
    ]) {
      expect(() => parseSecretSource("--pin", text), text).toThrow(HsmError);
      expect(() => parseSecretSource("--pin", text), text).not.toThrow(planted);
    }
  });

  test("one trailing LF or CRLF goes, nothing else", () => {
    const text = (value: string) => utf8Text(withoutLineEnd(utf8Bytes(value)));
    expect(["a\n", "a\r\n", "a\n\n", "a\r", " a ", "", "\n"].map(text)).toEqual([
      "a",
      "a",
      "a\n",
      "a\r",
      " a ",
      "",
      "",
    ]);
  });
});

describe("file:", () => {
  test("the user's own file of mode 0600 or stricter", async () => {
    expect(await read({ values: { pin: `file:${secretFile("pin", `${planted}\n`)}` } })).toBe(planted);
    expect(await read({ values: { pin: `file:${secretFile("pin400", `${planted}\r\n`, 0o400)}` } })).toBe(planted);
  });

  test("a file others can read or write is refused, with the chmod that helps", async () => {
    for (const mode of [0o644, 0o640, 0o604, 0o620, 0o601]) {
      const path = secretFile("open", planted, mode);
      const error = await refused(read({ values: { pin: `file:${path}` } }));
      expect(error).toMatchObject({ code: "SECRET_FILE_OPEN_TO_OTHERS", kind: "usage", advice: `chmod 600 ${path}` });
    }
  });

  test("a file of another user, none, a folder, one too long", async () => {
    const { context } = situation({ values: { pin: `file:${secretFile("own", planted)}` } });
    const stranger = { ...context, io: { ...context.io, userId: (context.io.userId ?? 0) + 1 } };
    expect(await refused(new SecretReader(stranger).open(wish()))).toMatchObject({
      code: "SECRET_FILE_OPEN_TO_OTHERS",
    });
    expect((await refused(read({ values: { pin: `file:${world.path("none")}` } }))).code).toBe("SECRET_UNREADABLE");
    chmodSync(world.home, 0o700);
    expect((await refused(read({ values: { pin: `file:${world.home}` } }))).code).toBe("SECRET_UNREADABLE");
    const long = secretFile("long", "x".repeat(70_000));
    expect((await refused(read({ values: { pin: `file:${long}` } }))).code).toBe("SECRET_UNREADABLE");
  });
});

describe("env:, literal:, fd:", () => {
  test("env: is taken as it is, and must be set", async () => {
    expect(await read({ values: { pin: "env:PIN_HERE" }, env: { PIN_HERE: `${planted}\n` } })).toBe(`${planted}\n`);
    expect((await refused(read({ values: { pin: "env:NOT_SET" } }))).message).toContain("NOT_SET is not set");
  });

  test("literal: works and warns, without saying the secret again", async () => {
    const { context, printed } = situation({ values: { pin: `literal:${planted}` } });
    const secret = await new SecretReader(context).open(wish());
    expect(utf8Text(await secret.value(subject))).toBe(planted);
    expect(printed()).toMatch(/^hsmadm: warning: --pin literal: .*list of processes/);
    expect(printed()).not.toContain(planted);
  });

  test("fd: is read to its end, once", async () => {
    const fd = openSync(secretFile("fd", `${planted}\r\n`), "r");
    try {
      const { context } = situation({ values: { pin: `fd:${fd}`, "new-pin": `fd:${fd}` } });
      const secrets = new SecretReader(context);
      expect(utf8Text(await (await secrets.open(wish())).value(subject))).toBe(planted);
      expect((await refused(secrets.open(wish({ option: "new-pin" })))).code).toBe("SECRET_SOURCE_REUSED");
    } finally {
      closeSync(fd);
    }
    expect((await refused(readSecretFd("--pin", 999_999, calm))).message).toContain("999999 is not open");
  });
});

describe("cmd:", () => {
  const question = { message: "User PIN for demo", whom: "demo", isNew: true, again: true };
  const env = { PATH: process.env["PATH"] };

  test("the helper gets what TZPFMS_PASSPHRASE_HELPER gets", async () => {
    const seen = await askHelper("--pin", `printf '%s|' "$0" "$@"`, question, env, calm);
    expect(utf8Text(seen ?? new Uint8Array())).toBe(`printf '%s|' "$0" "$@"|User PIN for demo|demo|new|again|`);
    const plain = await askHelper(
      "--pin",
      `printf '%s|' "$3" "$4"`,
      { ...question, isNew: false, again: false },
      env,
      calm,
    );
    expect(utf8Text(plain ?? new Uint8Array())).toBe("||");
  });

  test("one line end goes; 127 means ask elsewhere; any other end is an error without the helper's text", async () => {
    expect(utf8Text((await askHelper("--pin", `echo ${planted}`, question, env, calm)) ?? new Uint8Array())).toBe(
      planted,
    );
    expect(await askHelper("--pin", "exit 127", question, env, calm)).toBeNull();
    for (const helper of [`: ${planted}; exit 3`, `: ${planted}; kill -9 $$`, `: ${planted}`]) {
      const error = await refused(askHelper("--pin", helper, question, env, calm));
      expect(error).toMatchObject({ code: "SECRET_HELPER_FAILED", kind: "cancelled" });
    }
  });

  test("after 127 the terminal is asked, and the helper not again", async () => {
    const count = world.path("asked");
    const person = new TypingPerson("first", "second", "second");
    const { context } = situation({
      values: { pin: `cmd:echo x >> ${count}; exit 127`, "new-pin": `cmd:echo x >> ${count}; exit 127` },
      person,
    });
    const secrets = new SecretReader(context);
    const one = await secrets.open(wish());
    const two = await secrets.open(wish({ option: "new-pin", name: "new user PIN", isNew: true }));
    expect(utf8Text(await one.value(subject))).toBe("first");
    expect(utf8Text(await two.value(subject))).toBe("second");
    const { readFileSync } = await import("node:fs");
    expect(readFileSync(count, "utf8")).toBe("x\n");
  });

  test("new secrets are asked for twice and must agree", async () => {
    const differing = `[ -n "$4" ] && echo two || echo one`;
    expect((await refused(read({ values: { pin: `cmd:${differing}` } }, { isNew: true }))).code).toBe("SECRETS_DIFFER");
    expect(await read({ values: { pin: "cmd:echo same" } }, { isNew: true })).toBe("same");
  });

  test("the environment's helper stands in for a prompt, not under --no-input", async () => {
    const env = { TZPFMS_PASSPHRASE_HELPER: "echo theirs", HSMADM_PASSPHRASE_HELPER: "echo ours" };
    expect(await read({ env })).toBe("ours");
    expect(await read({ env: { TZPFMS_PASSPHRASE_HELPER: "echo theirs", HSMADM_PASSPHRASE_HELPER: "" } })).toBe(
      "theirs",
    );
    expect((await refused(read({ env, values: { "no-input": true } }))).code).toBe("SECRET_MISSING");
  });

  test("Ctrl-C ends the wait for a helper", async () => {
    const stop = new AbortController();
    const waiting = askHelper("--pin", "exec sleep 60", question, env, stop.signal);
    stop.abort();
    expect((await refused(waiting)).kind).toBe("interrupted");
  });
});

describe("prompt", () => {
  test("says whose PIN, which one and what is at stake; a new one is asked for twice", async () => {
    const person = new TypingPerson(planted);
    expect(await read({ person })).toBe(planted);
    expect(person.prompts).toEqual(["demo, UTSIM, SIMULATED: user PIN (3 tries left): "]);
    const twice = new TypingPerson("abcdef", "abcdef");
    expect(await read({ person: twice, values: { pin: "prompt" } }, { isNew: true })).toBe("abcdef");
    expect(twice.prompts).toHaveLength(2);
    const differing = new TypingPerson(...Array.from({ length: 3 }, () => ["abcdef", "abcdeg"]).flat());
    expect((await refused(read({ person: differing }, { isNew: true }))).code).toBe("SECRETS_DIFFER");
    expect(differing.left).toBe(0);
  });

  test("never without a terminal, never under --no-input: usage error naming the option", async () => {
    for (const values of [{}, { pin: "prompt" }]) {
      const alone = await refused(read({ values }));
      expect(alone).toMatchObject({ code: "SECRET_MISSING", kind: "usage" });
      expect(alone.advice).toContain("--pin SOURCE");
      const person = new TypingPerson(planted);
      expect((await refused(read({ values: { ...values, "no-input": true }, person }))).code).toBe("SECRET_MISSING");
      expect(person.prompts).toEqual([]);
    }
  });

  test("a malformed value is refused when it is typed, and asked for again twice", async () => {
    const check = () => {
      throw new HsmError("PIN_MALFORMED", "usage", "too short");
    };
    const person = new TypingPerson(planted, planted, planted, planted);
    expect((await refused(read({ person }, { check }))).code).toBe("PIN_MALFORMED");
    expect(person.left).toBe(1);
  });

  test("Enter alone gives up", async () => {
    expect(await refused(read({ person: new TypingPerson("", planted) }))).toMatchObject({ kind: "cancelled" });
  });
});
