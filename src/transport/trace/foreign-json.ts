import { fromHex } from "../../bytes/hex.ts";
import { maxBytes } from "./masked-hex.ts";
import { type Trace, type TraceConnection, type TraceStep, traceInvalid, unmasked } from "./trace.ts";

/**
 * Reads the JSON in which other programs' sessions were recorded: `{session, atr, steps: [{cmd, exchange: [{c, r}]}]}`
 * (each step a process and so a connection) and `{session, atr, apdus: [{c, r} | {event}]}` (one connection).
 * Commands and answers are taken byte for byte. The command lines of the processes are left out, they hold PINs.
 * @param name of the file, for errors
 * @throws HsmError `TRACE_INVALID`
 */
export function readSharedJson(text: string, name: string): Trace {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw traceInvalid(name, null, "this is not JSON: the file is cut off or something else");
  }
  return new SharedJson(text, name).trace(json);
}

type Fields = Readonly<Record<string, unknown>>;

class SharedJson {
  readonly #name: string;
  readonly #lines: Iterator<number>;

  constructor(text: string, name: string) {
    this.#name = name;
    this.#lines = linesOfSteps(text);
  }

  trace(json: unknown): Trace {
    const root = this.#object(json, "the file");
    if (root["steps"] === undefined && root["apdus"] === undefined) {
      this.#refuse('neither `steps` nor `apdus` are there, so no APDUs (packets of "packets" are not read)');
    }
    const atr = root["atr"] === undefined ? new Uint8Array(0) : this.#hex(root["atr"], "atr");
    const header: Record<string, string> = {};
    for (const key of ["session", "about", "description", "tool", "card", "token", "reader"]) {
      if (root[key] !== undefined) header[key] = this.#string(root[key], key);
    }
    const where = header["reader"];
    const connections =
      root["steps"] === undefined
        ? [this.#connection(root["apdus"], "apdus", { where, atr, comments: [] })]
        : this.#array(root["steps"], "steps").map((value, i) => {
            const step = this.#object(value, `steps[${i}]`);
            const comments = step["note"] === undefined ? [] : [this.#string(step["note"], `steps[${i}].note`)];
            return this.#connection(step["exchange"], `steps[${i}].exchange`, { where, atr, comments });
          });
    return { version: 1, header, connections };
  }

  #connection(
    value: unknown,
    path: string,
    base: Pick<TraceConnection, "where" | "atr" | "comments">,
  ): TraceConnection {
    const steps: TraceStep[] = [];
    let line = 0;
    for (const [i, entry] of this.#array(value, path).entries()) {
      const fields = this.#object(entry, `${path}[${i}]`);
      const at = this.#lines.next().value ?? 0;
      if (i === 0) line = at;
      const step = this.#step(fields, `${path}[${i}]`, at);
      // What happened to the reader before the first command belongs to the connect.
      if (steps.length > 0 || step.kind === "exchange" || step.kind === "fault") steps.push(step);
    }
    return { line, ...base, steps };
  }

  #step(fields: Fields, path: string, line: number): TraceStep {
    if (fields["c"] !== undefined) {
      const command = unmasked(this.#hex(fields["c"], `${path}.c`));
      const answer = unmasked(this.#hex(fields["r"], `${path}.r`));
      return { kind: "exchange", line, comments: [], command, outcome: { kind: "answer", line, bytes: answer } };
    }
    const event = this.#string(fields["e"] ?? fields["event"], `${path}.e`).replaceAll("_", "-");
    switch (event) {
      case "reset":
        return { kind: "reset", power: "warm", line, comments: [] };
      case "power-on":
        return { kind: "reset", power: "cold", line, comments: [] };
      case "power-off":
        return { kind: "power-off", line, comments: [] };
      case "card-removed": {
        const message = "the card was taken out of the reader";
        const fault = { kind: "fault", line, fault: "CARD_REMOVED", message } as const;
        return { kind: "fault", line, comments: [], fault };
      }
      default:
        return this.#refuse(`${path}.e is not an event that is known`);
    }
  }

  #hex(value: unknown, path: string): Uint8Array {
    const text = this.#string(value, path);
    if (text.length > 2 * maxBytes) this.#refuse(`${path} is longer than any APDU`);
    try {
      return fromHex(text);
    } catch {
      return this.#refuse(`${path} is not hex`);
    }
  }

  #string(value: unknown, path: string): string {
    return typeof value === "string" ? value : this.#refuse(`${path} is not a text`);
  }

  #array(value: unknown, path: string): readonly unknown[] {
    return Array.isArray(value) ? value : this.#refuse(`${path} is not a list`);
  }

  #object(value: unknown, path: string): Fields {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
    return this.#refuse(`${path} is not an object`);
  }

  #refuse(problem: string): never {
    throw traceInvalid(this.#name, null, problem);
  }
}

/** JSON.parse does not tell lines, so they are counted: the keys `c`, `e` and `event` stand once in each step, and nowhere else. */
function* linesOfSteps(text: string): Generator<number, undefined> {
  let line = 1;
  let from = 0;
  for (const key of text.matchAll(/(?<!\\)"(?:c|e|event)"\s*:/g)) {
    for (let at = text.indexOf("\n", from); at !== -1 && at < key.index; at = text.indexOf("\n", from)) {
      line++;
      from = at + 1;
    }
    yield line;
  }
  return undefined;
}
