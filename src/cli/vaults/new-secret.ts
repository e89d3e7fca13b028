import { equal } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { readWhole } from "../keys/key-files.ts";
import { terminalOf } from "../secrets/secrets.ts";

/**
 * The secret to keep: a file or what standard input gives, as it is; where standard input is the keyboard it is asked
 * for twice, and what is typed is not shown.
 * @throws HsmError `SECRET_EMPTY`, `SECRET_TYPED_DIFFERENTLY` (usage)
 */
export async function newSecretValue(context: CommandContext, name: string): Promise<Uint8Array> {
  const file = context.args.text("in");
  if (file === undefined && context.io.typedInput?.() === true) return typed(context, name);
  const value = await readWhole(context, file ?? "-");
  if (value.length > 0) return value;
  throw usage(
    "SECRET_EMPTY",
    `${file ?? "standard input"} gave nothing to keep`,
    "send the secret: `hsmadm vault set FILE NAME < secret`",
  );
}

async function typed(context: CommandContext, name: string): Promise<Uint8Array> {
  const terminal = terminalOf(context);
  if (terminal === null) {
    throw usage(
      "SECRET_EMPTY",
      "standard input is a terminal, and nobody may be asked",
      "send the secret: `hsmadm vault set FILE NAME < secret`",
    );
  }
  const value = await terminal.readSecret(`${name}: the secret to keep (one line, not shown): `);
  if (value.length === 0) throw new HsmError("CANCELLED", "cancelled", "nothing was typed, nothing was kept");
  const again = await terminal.readSecret(`${name}, again: `);
  try {
    if (equal(value, again)) return value;
    value.fill(0);
    throw usage("SECRET_TYPED_DIFFERENTLY", "the two were not the same, nothing was kept", "type it again");
  } finally {
    again.fill(0);
  }
}
