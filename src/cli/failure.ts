import { exitCodes, HsmError, messageOf } from "../errors.ts";
import { isInterruption } from "./interruption.ts";
import type { CliIo } from "./io.ts";
import { type Document, printLine, schemaVersion } from "./output.ts";

/** The one place that turns anything thrown into an {@link HsmError}. */
export function asHsmError(error: unknown): HsmError {
  if (error instanceof HsmError) return error;
  return new HsmError("UNEXPECTED", "unexpected", `unexpected: ${messageOf(error)}`, {
    advice: "this is a fault of hsmadm; please report it with the output of `hsmadm doctor`",
    cause: error,
  });
}

/** `error` of the JSON document; see docs/json.md. */
export function errorDocument(error: HsmError, exitCode: number): Document {
  return {
    kind: error.kind,
    exitCode,
    code: error.code,
    message: error.message,
    advice: error.advice ?? null,
    token: error.token ?? null,
    triesLeft: error.triesLeft ?? null,
    which: error.which ?? null,
    ...(error.details === undefined ? {} : { details: error.details }),
  };
}

export interface Failure {
  readonly error: HsmError;
  /** The error's own, unless the command was told another (`guard --refused-exit`). */
  readonly exitCode: number;
  /** `device status`, where the command line got that far. */
  readonly command?: string | undefined;
}

/** How a command that threw this ends. */
export function failureOf(error: unknown, command?: string): Failure {
  const known = asHsmError(error);
  if (isInterruption(known)) return { error: interruptedFrom(known), exitCode: exitCodes.interrupted, command };
  const told = known.details?.["exitCode"];
  return { error: known, exitCode: typeof told === "number" ? told : known.exitCode, command };
}

/** Ctrl-C in the middle of several steps is 130 all the same, with what was done so far in its message. */
function interruptedFrom(error: HsmError): HsmError {
  if (error.kind === "interrupted") return error;
  const { message, advice, token, details, cause } = error;
  return new HsmError("INTERRUPTED", "interrupted", message, { advice, token, details, cause });
}

/** Prints the error: two lines for people on standard error, with `--json` also the one document on standard output. */
export function reportFailure(io: CliIo, failure: Failure, json: boolean | "json-line"): void {
  const { error, exitCode, command } = failure;
  if (json) {
    const document = {
      schemaVersion,
      ok: false,
      ...(command === undefined ? {} : { command }),
      error: errorDocument(error, exitCode),
    };
    io.stdout.write(`${JSON.stringify(document, null, json === "json-line" ? undefined : 2)}\n`);
  }
  for (const line of headLines(error)) printLine(io.stderr, line);
  for (const hint of error.advice?.split("\n") ?? []) printLine(io.stderr, `hsmadm: hint: ${hint}`);
  if (io.env["HSMADM_DEBUG"]) io.stderr.write(`${causes(error)}\n`);
}

/** What happened. A guard's refusal has its own words, one line for each token and reason: scripts look for them. */
function headLines({ code, kind, message, details }: HsmError): string[] {
  const reasons = code === "GUARD_REFUSED" ? details?.["reasons"] : undefined;
  if (Array.isArray(reasons)) return reasons.map((reason) => `guard: refused: ${reason}`);
  if (kind !== "interrupted") return [`hsmadm: error: ${message}`];
  return [message === kind ? "hsmadm: interrupted" : `hsmadm: interrupted: ${message}`];
}

/** The chain of causes with their stacks. Messages carry no secrets, so neither does this. */
function causes(error: unknown): string {
  const parts: string[] = [];
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++)
    parts.push(at.stack ?? at.message);
  return parts.join("\ncaused by ");
}

export function usage(code: string, message: string, advice?: string): HsmError {
  return new HsmError(code, "usage", message, advice === undefined ? {} : { advice });
}
