import { HsmError } from "../../errors.ts";
import { tryWithout } from "../newcomer.ts";
import { allSettled } from "../several/settled.ts";

/** A reader as PC/SC lists it. */
export interface ReaderWithState {
  readonly name: string;
  readonly state: "empty" | "present" | "mute" | "in-use";
}

/** What a look at a card told; `null` fields were not asked for. */
interface SeenToken {
  readonly serial: string;
  readonly chr: string;
  readonly label: string | null;
  /** A simulated token behind a virtual reader. */
  readonly simulated: boolean;
}

export type Look = { readonly token: SeenToken } | { readonly problem: HsmError };

export interface ChosenReader {
  readonly reader: string;
  /** How the operator's word led here. */
  readonly by: "only-card" | "only-token" | "reader" | "serial" | "label";
  /** What was seen on the way, so that an exchanged card is noticed. */
  readonly token?: SeenToken;
}

/**
 * Which reader did the operator mean. A reader's name wins over a serial, a serial over a label; a card is only looked
 * into where that decides something, and then into all at once.
 * @param name the operator's word, or `null` for "the one that is there"
 * @throws HsmError of kind `device`: none, several, or the matching one cannot be used
 */
export async function chooseReader(
  readers: readonly ReaderWithState[],
  name: string | null,
  look: (reader: string) => Promise<Look>,
): Promise<ChosenReader> {
  const named = name === null ? undefined : readers.find((reader) => reader.name === name);
  if (named !== undefined) return { reader: named.name, by: "reader" };
  const cards = readers.filter((reader) => reader.state !== "empty");
  const [first, ...more] = cards;
  if (first === undefined) throw nothingThere(readers, name);
  if (name === null && more.length === 0) return { reader: first.name, by: "only-card" };

  const tokens: { reader: string; token: SeenToken }[] = [];
  const problems: { reader: string; problem: HsmError }[] = [];
  const looks = await allSettled(cards.map(async ({ name: reader }) => ({ reader, seen: await look(reader) })));
  for (const { reader, seen } of looks) {
    if ("token" in seen) tokens.push({ reader, token: seen.token });
    else problems.push({ reader, problem: seen.problem });
  }
  const matches = (fits: (token: SeenToken) => boolean) => tokens.filter(({ token }) => fits(token));
  const bySerial = name === null ? [] : matches((token) => token.serial === name || token.chr === name);
  const byLabel = name === null ? [] : matches((token) => token.label === name);
  const [by, found] =
    name === null
      ? (["only-token", tokens] as const)
      : bySerial.length > 0
        ? (["serial", bySerial] as const)
        : (["label", byLabel] as const);
  const [match, ...others] = found;
  if (match === undefined) throw noMatch(name, tokens, problems);
  if (others.length > 0) throw ambiguous(name, found);
  return { reader: match.reader, by, token: match.token };
}

export function nothingThere(readers: readonly ReaderWithState[], name: string | null): HsmError {
  const wanted = name === null ? "" : `, so no token is "${name}"`;
  if (readers.length === 0) {
    return new HsmError("NO_READER", "device", `no reader is connected${wanted}`, {
      advice: `connect a reader or token; \`hsmadm doctor\` tells why one does not show\n${tryWithout}`,
    });
  }
  const where = readers.length === 1 ? `the reader "${readers[0]?.name}"` : `any of the ${readers.length} readers`;
  return new HsmError("NO_CARD", "device", `no card is in ${where}${wanted}`, {
    advice: `insert a card\n${tryWithout}`,
  });
}

function noMatch(
  name: string | null,
  tokens: readonly { reader: string; token: SeenToken }[],
  problems: readonly { reader: string; problem: HsmError }[],
): HsmError {
  const seen = [
    ...tokens.map(({ reader, token }) => describeToken(token, reader)),
    ...problems.map(({ reader, problem }) => `reader "${reader}": ${problem.message}`),
  ];
  const message = name === null ? "no reader holds a token that can be used" : `no token or reader is "${name}"`;
  const kind = tokens.length === 0 && problems.length === 1 ? (problems[0]?.problem.kind ?? "device") : "device";
  return new HsmError("DEVICE_NOT_FOUND", name === null ? kind : "device", message, {
    advice: ["there are:", ...seen.map((line) => `  ${line}`)].join("\n"),
    details: { tokens: tokens.map(({ reader, token }) => ({ reader, ...token })) },
  });
}

function ambiguous(name: string | null, found: readonly { reader: string; token: SeenToken }[]): HsmError {
  const message = name === null ? `${found.length} tokens are there` : `${found.length} tokens are "${name}"`;
  return new HsmError("DEVICE_AMBIGUOUS", "device", `${message}, say which`, {
    advice: [
      'give one with --device SERIAL or --device "READER NAME":',
      ...found.map(({ reader, token }) => `  ${describeToken(token, reader)}`),
    ].join("\n"),
    details: { tokens: found.map(({ reader, token }) => ({ reader, ...token })) },
  });
}

function describeToken(token: SeenToken, reader: string): string {
  return `${token.serial}${token.label === null ? "" : ` "${token.label}"`} in reader "${reader}"${token.simulated ? " (SIMULATED)" : ""}`;
}
