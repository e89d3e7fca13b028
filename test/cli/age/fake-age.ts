import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { runPlugin } from "../../../src/cli/age/plugin.ts";
import type { CliIo } from "../../../src/cli/io.ts";
import { encodeStanza, type Stanza, StanzaParser } from "../../../src/crypto/age/stanza.ts";
import { secretEnv } from "../support/officer.ts";
import type { TestWorld } from "../support/test-io.ts";

export function stanza(type: string, args: readonly string[] = [], body: Uint8Array | string = ""): Stanza {
  return { type, args, body: typeof body === "string" ? utf8Bytes(body) : body };
}

/** How the client takes what the plugin says; `null`: it goes away. */
export type Answers = Readonly<Record<string, (command: Stanza) => Stanza | null>>;

export interface Conversation {
  readonly code: number;
  /** What the plugin sent, `done` at the end left out. */
  readonly commands: readonly Stanza[];
  readonly done: boolean;
  /** `msg`, `error` and prompts as text. */
  readonly said: (type: string) => string[];
  readonly stderr: string;
  readonly stdout: string;
}

/** A client of the plugin protocol in this process, which answers `ok` where nothing else is said. */
export async function converse(
  world: TestWorld,
  phase: string,
  commands: readonly Stanza[],
  options: { env?: Record<string, string>; answers?: Answers; argv?: readonly string[] } = {},
): Promise<Conversation> {
  const queue = [...commands, stanza("done")].map((one) => utf8Bytes(encodeStanza(one)));
  let wake: () => void = () => undefined;
  let ended = false;
  async function* input(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  const heard: Stanza[] = [];
  const parser = new StanzaParser();
  let done = false;
  const write = async (bytes: Uint8Array): Promise<void> => {
    for (const line of new TextDecoder().decode(bytes).split("\n").slice(0, -1)) {
      const command = parser.line(line);
      if (command === undefined) continue;
      if (command.type === "done") {
        done = true;
        continue;
      }
      heard.push(command);
      // A client answers one command at a time; what comes in between it would take for part of the talk's next step.
      if (queue.length > 0) throw new Error(`${command.type} came before the last answer was read`);
      const answer = (options.answers?.[command.type] ?? (() => stanza("ok")))(command);
      if (answer === null) ended = true;
      else queue.push(utf8Bytes(encodeStanza(answer)));
      wake();
    }
  };
  let [stdout, stderr] = ["", ""];
  const io: CliIo = {
    env: { HSMADM_HOME: world.home, PATH: process.env["PATH"], ...secretEnv, ...options.env },
    stdout: { write: (text: string | Uint8Array) => (stdout += text) },
    stderr: { write: (text: string | Uint8Array) => (stderr += text) },
    terminal: () => null,
    onSignal: () => () => undefined,
    exitNow: () => undefined,
    version: () => "0.0.0-test",
    homeFolder: world.home,
    now: () => new Date("2026-11-20T12:00:00Z"),
    userId: process.getuid?.() ?? null,
  };
  const code = await runPlugin({ argv: options.argv ?? [`--age-plugin=${phase}`], io, input: input(), write });
  const said = (type: string) =>
    heard
      .filter((command) => command.type === type)
      .map(({ args, body }) => [...args, new TextDecoder().decode(body)].join(" "));
  world.printed += stdout + stderr + ["msg", "error", "request-secret"].flatMap(said).join("\n");
  return { code, commands: heard, done, said, stderr, stdout };
}

/** `recipient-stanza` commands for one file. */
export function fileOf(stanzas: readonly Stanza[], file = 0): Stanza[] {
  return stanzas.map(({ type, args, body }) => stanza("recipient-stanza", [String(file), type, ...args], body));
}

/** What the plugin made of a file key, as stanzas of a header. */
export function stanzasOf({ commands }: Conversation, file = 0): Stanza[] {
  return commands
    .filter(({ type, args }) => type === "recipient-stanza" && args[0] === String(file))
    .map(({ args: [, type = "", ...args], body }) => ({ type, args, body }));
}
