import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { PluginPipe } from "../../../src/crypto/age/plugin-ipc.ts";
import { encodeStanza, type Stanza } from "../../../src/crypto/age/stanza.ts";
import { refusalOf } from "../refusal.ts";
import { stanza } from "./arbitraries.ts";

const none = new Uint8Array(0);

function message(type: string, ...args: string[]): Stanza {
  return { type, args, body: none };
}

/** A pipe that reads this text in pieces of a size, and what it has written. */
function pipe(text: string, piece = 1000): { pipe: PluginPipe; written: () => string } {
  const written: Uint8Array[] = [];
  const input = utf8Bytes(text);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < input.length; at += piece) yield input.subarray(at, at + piece);
  }
  const into = (bytes: Uint8Array): void => void written.push(bytes);
  return { pipe: new PluginPipe(pieces(), into), written: () => new TextDecoder().decode(concat(...written)) };
}

describe("plugin protocol", () => {
  test("stanzas come through as they were sent, in pieces of any size", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stanza, { maxLength: 5 }), fc.integer({ min: 1, max: 300 }), async (stanzas, piece) => {
        const { pipe: reader } = pipe(stanzas.map(encodeStanza).join(""), piece);
        for (const sent of stanzas) expect(await reader.read()).toEqual(sent);
        expect(await reader.read()).toBeNull();
      }),
    );
  });

  test("what is sent is the text of the stanza", async () => {
    const { pipe: writer, written } = pipe("");
    await writer.send({ type: "file-key", args: ["0"], body: new Uint8Array(16) });
    await writer.send(message("done"));
    expect(written()).toBe("-> file-key 0\nAAAAAAAAAAAAAAAAAAAAAA\n-> done\n\n");
  });

  test("the first phase: known commands in their order, grease passed over, up to `done`", async () => {
    const text = [
      "-> grease-7x ~ !\nAAAA\n",
      "-> add-identity AGE-PLUGIN-HSMADM-1QQQQ\n\n",
      "-> recipient-stanza 0 X25519 abc\nAAAA\n",
      "-> ;;;\n\n",
      "-> recipient-stanza 0 p256tag d e\n\n",
      "-> done\n\n",
      "-> ok\n\n",
    ].join("");
    const { pipe: reader } = pipe(text, 11);
    const commands = await reader.readCommands(new Set(["add-identity", "recipient-stanza"]));
    expect(commands.map(({ type, args }) => [type, ...args].join(" "))).toEqual([
      "add-identity AGE-PLUGIN-HSMADM-1QQQQ",
      "recipient-stanza 0 X25519 abc",
      "recipient-stanza 0 p256tag d e",
    ]);
    expect(commands[1]?.body).toEqual(new Uint8Array(3));
    expect((await reader.read())?.type).toBe("ok");
  });

  test("the second phase: each command has its answer", async () => {
    const { pipe: plugin, written } = pipe("-> ok\nc2VjcmV0\n-> fail\n\n-> unsupported\n\n-> ok yes\n\n");
    const secret = await plugin.ask({ type: "request-secret", args: [], body: utf8Bytes("PIN") });
    expect([secret.type, new TextDecoder().decode(secret.body)]).toEqual(["ok", "secret"]);
    expect((await plugin.ask(message("msg"))).type).toBe("fail");
    expect((await plugin.ask(message("grease-q"))).type).toBe("unsupported");
    expect(await plugin.ask(message("confirm", "WWVz"))).toEqual({ type: "ok", args: ["yes"], body: none });
    expect(written()).toBe("-> request-secret\nUElO\n-> msg\n\n-> grease-q\n\n-> confirm WWVz\n\n");
  });

  test.each([
    ["a line that is no stanza", "hello\n", "neither"],
    ["a stanza that does not end", "-> a\n", "ended within a stanza"],
    ["a line that does not end", "-> a", "ended within a line"],
    ["a body that is no base64", "-> a\n$$\n", "not canonical base64"],
    ["CRLF", "-> a\r\n\r\n", "printable ASCII"],
  ])("%s: refused", async (_, text, problem) => {
    const error = await refusalOf(pipe(text).pipe.read());
    expect([error.code, error.kind]).toEqual(["AGE_PLUGIN_PROTOCOL", "service"]);
    expect(error.message).toContain(problem);
  });

  test("a client that goes away, or answers what is no answer, is refused", async () => {
    expect((await refusalOf(pipe("-> add-identity x\n\n").pipe.readCommands(new Set()))).message).toContain("`done`");
    expect((await refusalOf(pipe("").pipe.ask(message("msg")))).message).toContain("before it answered `msg`");
    expect((await refusalOf(pipe("-> done\n\n").pipe.ask(message("msg")))).message).toContain("with `done`");
  });

  test("a line without end is not read for ever", async () => {
    let pieces = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        pieces++;
        yield new Uint8Array(65536).fill(0x41);
      }
    }
    const reader = new PluginPipe(endless(), () => undefined);
    expect((await refusalOf(reader.read())).message).toContain("does not end");
    expect(pieces).toBeLessThan(20);
  });
});
