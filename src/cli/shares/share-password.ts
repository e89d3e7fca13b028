import { checkSharePassword } from "../../crypto/shares/dkek-share-file.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { type Secret, SecretReader, type SecretWish } from "../secrets/secrets.ts";

/** The password of a share file that is there: any bytes. */
function current(option: string): SecretWish {
  return { option, name: "password of the DKEK share", isNew: false, check: wanted };
}

function wanted(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) throw usage("SHARE_PASSWORD_EMPTY", "the password of a DKEK share is not empty");
  return bytes;
}

function checked(bytes: Uint8Array): Uint8Array {
  checkSharePassword(bytes);
  return bytes;
}

/**
 * A password for each of the share files: one source for each, or one (or a prompt for each) for all. What can be read
 * without a person is read at once.
 */
export async function sharePasswords(context: CommandContext, option: string, files: number): Promise<Secret[]> {
  const sources = context.args.texts(option);
  if (sources.length <= 1) {
    const secret = await new SecretReader(context).open(current(option));
    return Array.from({ length: files }, () => secret);
  }
  if (sources.length !== files) {
    throw usage(
      "OPTIONS_CONFLICT",
      `${files} share ${files === 1 ? "file" : "files"} and ${sources.length} times --${option}`,
      `give --${option} once for all files, or once for each`,
    );
  }
  const reader = new SecretReader(context);
  const secrets: Secret[] = [];
  for (const source of sources) secrets.push(await reader.openFrom(current(option), source));
  return secrets;
}

/**
 * A password that a person chooses for a new file. A short one is told of.
 * @throws HsmError `SHARE_PASSWORD_SHORT` (usage)
 */
export async function newSharePassword(context: CommandContext, option: string): Promise<Secret> {
  const wish: SecretWish = { option, name: "new password of the DKEK share", isNew: true, check: checked };
  const secret = await new SecretReader(context).open(wish);
  return {
    async value(subject) {
      const password = await secret.value(subject);
      const warning = checkSharePassword(password);
      if (warning !== null) context.output.warn(warning);
      return password;
    },
  };
}
