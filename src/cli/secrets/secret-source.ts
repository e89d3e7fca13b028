import type { HsmError } from "../../errors.ts";
import { usage } from "../failure.ts";

/** Where a secret comes from. Secrets are named on the command line, never given. */
export type SecretSource =
  | { readonly kind: "prompt" }
  | { readonly kind: "fd"; readonly fd: number }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "env"; readonly name: string }
  | { readonly kind: "cmd"; readonly helper: string }
  | { readonly kind: "literal"; readonly text: string };

export const sourceGrammar = "prompt, fd:N, file:PATH, env:NAME or cmd:HELPER";

/**
 * @param option as typed, `--pin`
 * @throws HsmError `SECRET_SOURCE_INVALID`, which never repeats the text: it may be the secret itself
 */
export function parseSecretSource(option: string, text: string): SecretSource {
  if (text === "prompt") return { kind: "prompt" };
  const colon = text.indexOf(":");
  const value = text.slice(colon + 1);
  switch (colon < 0 ? "" : text.slice(0, colon)) {
    case "fd":
      if (!/^\d{1,6}$/.test(value)) throw invalid(`${option} fd: wants a number`);
      if (value === "1" || value === "2")
        throw invalid(`${option} cannot be read from standard output or standard error`);
      return { kind: "fd", fd: Number(value) };
    case "file":
      if (value === "") throw invalid(`${option} file: wants a path`);
      return { kind: "file", path: value };
    case "env":
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) throw invalid(`${option} env: wants the name of a variable`);
      return { kind: "env", name: value };
    case "cmd":
      if (value === "") throw invalid(`${option} cmd: wants a command`);
      return { kind: "cmd", helper: value };
    case "literal":
      return { kind: "literal", text: value };
    default:
      throw invalid(`${option} names a source, it does not take the secret itself`);
  }
}

function invalid(message: string): HsmError {
  return usage("SECRET_SOURCE_INVALID", message, `give ${sourceGrammar}`);
}
