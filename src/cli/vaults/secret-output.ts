import { utf8Text } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { type ByteOutput, openByteOutput } from "../keys/key-files.ts";
import { printable } from "../terminal/printable.ts";

export type SecretForm = "raw" | "hex" | "base64" | "text";

/** How a secret leaves, and where to; decided and checked before a device is asked for anything. */
export interface SecretOutput {
  readonly path: string | null;
  /** `null`: as its type says, on a terminal. */
  readonly form: SecretForm | null;
  write(secret: Uint8Array, isText: boolean): Promise<void>;
}

/**
 * Where `get` and `derive` put what they found: standard output, or `--out` with mode 0600.
 * @throws HsmError `OPTIONS_CONFLICT` (usage) for several forms, or `--json` without `--out`; `RAW_ON_TERMINAL` (usage)
 */
export function openSecret(context: CommandContext, forms: readonly SecretForm[]): SecretOutput {
  const { args, globals, io } = context;
  const wanted = forms.filter((form) => args.flag(form));
  if (wanted.length > 1) {
    throw usage("OPTIONS_CONFLICT", "a secret has one form", `give one of --${forms.join(", --")}`);
  }
  const path = args.text("out");
  if (path === undefined && globals.json) {
    throw usage("OPTIONS_CONFLICT", "a secret is no part of a JSON document", "give --out FILE");
  }
  const terminal = path === undefined && io.stdout.isTTY === true;
  const form = wanted[0] ?? (terminal ? null : "raw");
  if (terminal && form === "raw") throw rawOnTerminal();
  const target: ByteOutput =
    path === undefined
      ? { path: null, write: async (bytes) => context.output.raw(bytes) }
      : openByteOutput(context, path, true);
  return {
    path: target.path,
    form,
    async write(secret, isText) {
      const as = form ?? (isText ? "text" : "hex");
      const bytes = encoded(secret, as);
      if (terminal && as === "text") refuseControls(bytes);
      try {
        await target.write(terminal && as !== "text" ? withLineFeed(bytes) : bytes);
      } finally {
        if (bytes !== secret) bytes.fill(0);
      }
    },
  };
}

/** `--text` alone ends in a line feed: what a program reads must be the secret and nothing else. */
function encoded(secret: Uint8Array, form: SecretForm): Uint8Array {
  switch (form) {
    case "raw":
      return secret;
    case "hex":
      return new TextEncoder().encode(toHex(secret).toLowerCase());
    case "base64":
      return new TextEncoder().encode(Buffer.from(secret.buffer, secret.byteOffset, secret.length).toString("base64"));
    case "text":
      if (utf8Text(secret) === null)
        throw usage("SECRET_NOT_TEXT", "the secret is no text", "give --hex, --base64 or --raw");
      return secret.at(-1) === 0x0a ? secret : withLineFeed(secret);
  }
}

function withLineFeed(bytes: Uint8Array): Uint8Array {
  const line = new Uint8Array(bytes.length + 1);
  line.set(bytes);
  line[bytes.length] = 0x0a;
  return line;
}

function refuseControls(line: Uint8Array): void {
  const text = utf8Text(line.subarray(0, -1));
  if (text === null || printable(text) !== text) throw rawOnTerminal();
}

function rawOnTerminal(): Error {
  return usage(
    "RAW_ON_TERMINAL",
    "the bytes of a secret could upset the terminal and are not shown on one",
    "give --hex or --base64, or send the output to a file or program",
  );
}
