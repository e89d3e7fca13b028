import { utf8Bytes } from "../../bytes/bytes.ts";
import { hostKeyId } from "../../crypto/pico-fido/host-key.ts";
import { hostKeyWords } from "../../crypto/pico-fido/key-words.ts";
import { HsmError } from "../../errors.ts";
import { fileExists, fileTaken, writeNewFile } from "../../services/atomic-file.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { terminalOf } from "../secrets/secrets.ts";

/** Which words have to be typed back: the last one holds the checksum. */
const askedBack = [7, 16, 24];

/**
 * Whether the words have somewhere to go, before anything is made.
 * @throws HsmError `WORDS_OUT_MISSING` (usage) where nobody could write them down, `FILE_EXISTS` (conflict)
 */
export async function paperReady(context: CommandContext): Promise<void> {
  const { args, globals } = context;
  const path = args.text("words-out");
  if (path === undefined && terminalOf(context) === null) throw nowhere();
  if (path !== undefined && !globals.yes && (await fileExists(path))) throw fileTaken(path);
}

/** Gives the words of a host key away: into a file, or onto paper. @returns the file */
export async function ontoPaper(context: CommandContext, hostKey: Uint8Array, name: string): Promise<string | null> {
  const { args, globals, io } = context;
  const words = hostKeyWords(hostKey);
  const path = args.text("words-out");
  if (path !== undefined) {
    const text = [
      `# host key ${hostKeyId(hostKey)} of ${name}, 24 words of BIP-39`,
      `# written: ${io.now().toISOString()}`,
      "# with the backup file it makes another Pico FIDO answer for this one: keep them apart",
      words.join(" "),
      "",
    ].join("\n");
    const bytes = utf8Bytes(text);
    try {
      await writeNewFile(path, bytes, { overwrite: globals.yes, mode: 0o600 });
    } finally {
      bytes.fill(0);
    }
    return path;
  }
  const terminal = terminalOf(context);
  if (terminal === null) throw nowhere();
  const shown = [
    `The host key ${hostKeyId(hostKey)} of ${name} in 24 words. Whoever loses them and this computer loses the token's credentials.`,
    "Write them down:",
    "",
    ...[0, 6, 12, 18].map(
      (at) =>
        `    ${words
          .slice(at, at + 6)
          .map((word, i) => `${at + i + 1} ${word}`)
          .join("  ")}`,
    ),
    "",
    `To see that they were written down, type words ${askedBack.join(", ")} from the paper: `,
  ].join("\n");
  const typed = (await terminal.readLine(shown))
    .trim()
    .toLowerCase()
    .split(/[\s,]+/);
  const wanted = askedBack.map((number) => words[number - 1]);
  if (typed.length === wanted.length && typed.every((word, i) => word === wanted[i])) return null;
  throw new HsmError("WORDS_NOT_WRITTEN_DOWN", "cancelled", "these are not the words; nothing was sent to the token", {
    advice: "run the command again",
  });
}

function nowhere(): HsmError {
  return usage(
    "WORDS_OUT_MISSING",
    "the words of the host key have nowhere to go: nobody can write them down",
    "give --words-out FILE",
  );
}
