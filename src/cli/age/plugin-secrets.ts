import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import type { Terminal } from "../io.ts";
import { type Secret, SecretReader, type SecretWish } from "../secrets/secrets.ts";
import type { AgeTalk } from "./age-talk.ts";

const notAsked = "AGE_CANNOT_ASK";

/** Whom the plugin asks: age itself has the terminal. */
export function ageTerminal(talk: AgeTalk): Terminal {
  const read = async (prompt: string): Promise<Uint8Array> => {
    const typed = await talk.secret(prompt.replace(/:\s*$/, ""));
    if (typed === null) throw new HsmError(notAsked, "cancelled", "age could not ask for it");
    return typed;
  };
  return { readSecret: read, readLine: async (prompt) => new TextDecoder().decode(await read(prompt)) };
}

/**
 * Secrets in the plugin: what was given beforehand; else age is asked, then the helper of the environment. No try is
 * spent by a question that nobody answers, and other slots may still open the file.
 */
export class PluginSecrets extends SecretReader {
  readonly #helper: SecretReader;

  constructor(context: CommandContext) {
    const { HSMADM_PASSPHRASE_HELPER: _own, TZPFMS_PASSPHRASE_HELPER: _other, ...env } = context.io.env;
    super({ ...context, io: { ...context.io, env } });
    this.#helper = new SecretReader({ ...context, io: { ...context.io, terminal: () => null } });
  }

  override async openFrom(wish: SecretWish, text: string | undefined): Promise<Secret> {
    const asking = await super.openFrom(wish, text);
    return {
      value: async (subject) => {
        try {
          return await asking.value(subject);
        } catch (error) {
          if (!(error instanceof HsmError) || error.code !== notAsked) throw error;
          return this.#byHelper(wish, subject);
        }
      },
    };
  }

  async #byHelper(wish: SecretWish, subject: Parameters<Secret["value"]>[0]): Promise<Uint8Array> {
    try {
      return await (await this.#helper.openFrom(wish, undefined)).value(subject);
    } catch (error) {
      if (!(error instanceof HsmError) || error.code !== "SECRET_MISSING") throw error;
      throw new HsmError("SECRET_MISSING", "usage", `no ${wish.name} for ${subject.token}: age could not ask for it`, {
        advice: "run age on a terminal, or set HSMADM_PASSPHRASE_HELPER, HSMADM_PIN or HSMADM_FIDO_PIN",
      });
    }
  }
}
