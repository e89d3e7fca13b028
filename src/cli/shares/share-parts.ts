import { asciiText } from "../../bytes/bytes.ts";
import { checkPart, type TypedPart } from "../../crypto/shares/password-split.ts";
import { type ReadParts, readSplitCards, typedValue } from "../../crypto/shares/split-card.ts";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { Terminal } from "../io.ts";
import { readSecretFile } from "../secrets/secret-readers.ts";
import { terminalOf } from "../secrets/secrets.ts";

const option = "--share-parts";
const attempts = 3;
const mostParts = 255;

export type PartSource = (file: string) => Promise<ReadParts>;

/**
 * The parts of a split password: typed by their custodians one after the other, or read from files of cards.
 * Files are read and checked at once.
 * @throws HsmError of kind `usage`; `SPLIT_PART_MISTYPED` (check-failed) names the custodian
 */
export async function shareParts(context: CommandContext): Promise<PartSource> {
  const sources = context.args.texts("share-parts");
  if (sources.length === 1 && sources[0] === "prompt") {
    const terminal = terminalOf(context);
    if (terminal === null) {
      throw usage("SECRET_MISSING", "the custodians cannot be asked here", `give ${option} file:PATH`);
    }
    return (file) => typedParts(context, terminal, file);
  }
  const texts: string[] = [];
  for (const source of sources) {
    if (!source.startsWith("file:") || source.length === 5) {
      throw usage("SECRET_SOURCE_INVALID", `${option} takes prompt or file:PATH`, "a file holds one card or several");
    }
    const bytes = await readSecretFile(option, source.slice(5), context.io.userId);
    texts.push(new TextDecoder().decode(bytes));
    bytes.fill(0);
  }
  const read = refuseRepeated(readSplitCards(texts.join("\n")));
  tellUnchecked(context, read);
  return async () => read;
}

function refuseRepeated(read: ReadParts): ReadParts {
  const ids = read.parts.map(({ id }) => id);
  const again = ids.find((id, i) => ids.indexOf(id) !== i);
  if (again !== undefined) throw usage("SPLIT_PARTS_INVALID", `part ${again} was given twice`);
  return read;
}

function tellUnchecked({ output }: CommandContext, { unchecked }: ReadParts): void {
  if (unchecked.length === 0) return;
  output.note(
    `${unchecked.length === 1 ? "part" : "parts"} ${unchecked.join(", ")} without a check figure: a slip there shows as a wrong password only`,
  );
}

async function typedParts(context: CommandContext, terminal: Terminal, file: string): Promise<ReadParts> {
  const { output } = context;
  output.say(`${file}: its password is split. Each custodian types the card; Enter at the number ends.`);
  const prime = await again(context, async () =>
    typedValue(await terminal.readLine("Prime, the same on every card: "), "the prime"),
  );
  const parts: TypedPart[] = [];
  const unchecked: string[] = [];
  while (parts.length < mostParts) {
    const id = (await terminal.readLine(`Custodian ${parts.length + 1}, Share ID [Enter: no more]: `)).trim();
    if (id === "") break;
    if (!/^[0-9A-Fa-f]{1,3}$/.test(id) || parts.some((part) => part.id === id)) {
      output.say(
        `hsmadm: ${parts.some((part) => part.id === id) ? "that part was typed already" : "that is no part's number"}`,
      );
      continue;
    }
    const part = await again(context, async () => {
      const typed = asciiText(await terminal.readSecret(`Share value of part ${id} (not shown): `));
      const value = typedValue(typed ?? "", `the value of part ${id}`);
      const check = (await terminal.readLine(`Check of part ${id} [Enter: the card has none]: `)).trim();
      if (check === "") unchecked.push(id);
      else checkPart(prime, { id: Number.parseInt(id, 10), value }, check);
      return { id, value };
    });
    parts.push(part);
  }
  if (parts.length < 2) {
    throw new HsmError("CANCELLED", "cancelled", "fewer than two parts were typed, nothing was done");
  }
  const read = { prime, parts, unchecked };
  tellUnchecked(context, read);
  return read;
}

/** A slip is named and typed again; it has cost nothing yet. */
async function again<T>({ output }: CommandContext, ask: () => Promise<T>): Promise<T> {
  for (let left = attempts; ; left--) {
    try {
      return await ask();
    } catch (error) {
      const slip = error instanceof HsmError && (error.kind === "usage" || error.code === "SPLIT_PART_MISTYPED");
      if (!slip || left <= 1) throw error;
      output.say(`hsmadm: ${error.message}; once more:`);
    }
  }
}
