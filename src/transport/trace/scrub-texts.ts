import { asciiText } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import type { MaskedBytes, Trace, TraceConnection, TraceFault, TraceStep } from "./trace.ts";

/** So many bytes of a secret in a row give it away; of a shorter one, all of it. A PIN of hsmadm's cards has 6 and more. */
const tellingBytes = 6;
const fewestBytes = 4;
/** Longer secrets are key shares and messages; what people copy into a comment is a PIN. */
const longestSecret = 64;
const hidden = "***";

/**
 * Takes secrets out of the words of a trace: a person who writes "he types 648219 here" above a VERIFY, or names the
 * PIN in a header, must not undo the redaction. What {@link redacted} hides of a command is searched in every text, as
 * characters and as hex in any spelling.
 * @param original the trace before redaction
 * @param redacted the same after it
 * @returns `redacted` with `***` in place of such words
 */
export function scrubTexts(original: Trace, redacted: Trace): Trace {
  const pieces = piecesOf(original, redacted);
  if (pieces.hex.size === 0) return redacted;
  const clean = (text: string): string => cleanText(text, pieces);
  return {
    ...redacted,
    header: Object.fromEntries(Object.entries(redacted.header).map(([key, text]) => [key, clean(text)])),
    connections: redacted.connections.map((connection) => cleanConnection(connection, clean)),
    trailer: redacted.trailer?.map(clean),
  };
}

interface Pieces {
  readonly plain: ReadonlySet<string>;
  /** Upper-case hex without separators. */
  readonly hex: ReadonlySet<string>;
}

function piecesOf(original: Trace, redacted: Trace): Pieces {
  const plain = new Set<string>();
  const hex = new Set<string>();
  redacted.connections.forEach((connection, c) => {
    connection.steps.forEach((step, s) => {
      const before = original.connections[c]?.steps[s];
      if (step.kind !== "exchange" || before?.kind !== "exchange") return;
      for (const secret of newlyHidden(before.command, step.command)) addPieces(secret, plain, hex);
    });
  });
  return { plain, hex };
}

/** The bytes that the redaction took: known before, hidden after. */
function newlyHidden(before: MaskedBytes, after: MaskedBytes): Uint8Array[] {
  return after.masked
    .filter(({ start, end }) => end - start <= longestSecret)
    .filter(({ start, end }) => !before.masked.some((range) => range.start < end && start < range.end))
    .map(({ start, end }) => before.bytes.subarray(start, end));
}

function addPieces(secret: Uint8Array, plain: Set<string>, hex: Set<string>): void {
  const length = Math.min(secret.length, tellingBytes);
  if (length < fewestBytes) return;
  for (let at = 0; at + length <= secret.length; at++) {
    const piece = secret.subarray(at, at + length);
    hex.add(toHex(piece));
    const text = asciiText(piece);
    if (text !== null) plain.add(text);
  }
}

function cleanText(text: string, { plain, hex }: Pieces): string {
  const whole = text.replace(/(?:[0-9A-Fa-f]{2}[ :,-]?){4,}/g, (run) => {
    const digits = run.replace(/[^0-9A-Fa-f]/g, "").toUpperCase();
    return holds(digits, hex, 2) ? `${hidden}${/[ :,-]$/.exec(run)?.[0] ?? ""}` : run;
  });
  return whole.replace(/\S{4,}/g, (word) => (holds(word, plain, 1) ? hidden : word));
}

/** @param bytes characters that stand for one byte */
function holds(text: string, pieces: ReadonlySet<string>, bytes: number): boolean {
  for (let length = fewestBytes * bytes; length <= tellingBytes * bytes; length += bytes) {
    for (let at = 0; at + length <= text.length; at++) if (pieces.has(text.slice(at, at + length))) return true;
  }
  return false;
}

function cleanConnection(connection: TraceConnection, clean: (text: string) => string): TraceConnection {
  return {
    ...connection,
    comments: connection.comments.map(clean),
    where: connection.where === undefined ? undefined : clean(connection.where),
    fault: cleanFault(connection.fault, clean),
    steps: connection.steps.map((step) => cleanStep(step, clean)),
  };
}

function cleanStep(step: TraceStep, clean: (text: string) => string): TraceStep {
  const comments = step.comments.map(clean);
  switch (step.kind) {
    case "exchange": {
      const { outcome } = step;
      const note = step.note === undefined ? undefined : clean(step.note);
      if (outcome.kind === "fault") return { ...step, comments, note, outcome: cleanFault(outcome, clean) };
      const said = outcome.note === undefined ? undefined : clean(outcome.note);
      return { ...step, comments, note, outcome: { ...outcome, note: said } };
    }
    case "fault":
      return { ...step, comments, fault: cleanFault(step.fault, clean) };
    case "reset":
    case "close":
      return { ...step, comments, fault: cleanFault(step.fault, clean) };
    case "power-off":
      return { ...step, comments };
  }
}

function cleanFault<Fault extends TraceFault | undefined>(fault: Fault, clean: (text: string) => string): Fault {
  if (fault === undefined) return fault;
  const optional = (text: string | undefined): string | undefined => (text === undefined ? undefined : clean(text));
  const { message, advice, layer, token } = fault;
  return {
    ...fault,
    message: clean(message),
    advice: optional(advice),
    layer: optional(layer),
    token: optional(token),
  };
}
