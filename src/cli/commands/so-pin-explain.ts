import { utf8Text } from "../../bytes/bytes.ts";
import { explainSoPin, type SoPinReading } from "../../services/pins/so-pin-explain.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { SecretReader } from "../secrets/secrets.ts";

/**
 * What a written SO-PIN means, byte by byte. Offline: no token is opened. The bytes are what was asked for, so this one
 * command prints a secret, also as JSON.
 */
export async function run(context: CommandContext): Promise<undefined> {
  const { output } = context;
  const { readings, warnings } = explainSoPin(await written(context));
  for (const warning of warnings) output.warn(warning);
  output.result({ readings, warnings }, readings.length === 0 ? ["no reading"] : readings.flatMap(lines));
}

async function written(context: CommandContext): Promise<string> {
  const word = context.args.text("TEXT");
  const option = context.args.text("so-pin");
  if (word !== undefined && option !== undefined) throw usage("OPTIONS_CONFLICT", "give TEXT or --so-pin, not both");
  if (word !== undefined) {
    context.output.note(
      "what stands on a command line is in the shell's history: `--so-pin prompt` asks for it instead",
    );
    return word;
  }
  const wish = { option: "so-pin", name: "SO-PIN", isNew: false, check: (bytes: Uint8Array) => bytes };
  const secret = await new SecretReader(context).open(wish);
  const text = utf8Text(await secret.value({ token: "explain", stake: "nothing is sent" }));
  if (text === null) throw usage("SO_PIN_MALFORMED", "the SO-PIN is no text");
  return text;
}

function lines({ hex, characters, meaning, userPinAfterInitToken }: SoPinReading): string[] {
  const shown = (value: { hex: string; characters: string | null }) =>
    `${value.hex.replace(/../g, "$& ").trim()}${value.characters === null ? "" : `  "${value.characters}"`}`;
  return [
    shown({ hex, characters }),
    `    ${meaning}`,
    `    typed for hsmadm, sc-hsm-tool and pkcs11-tool as ${hex}`,
    `    user PIN left by pkcs11-tool --init-token: ${shown(userPinAfterInitToken)}`,
  ];
}
