import { checkEnable, enableLock } from "../../services/pico-fido/lock.ts";
import type { CommandContext } from "../context.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { fidoPinWishes } from "./fido-pin-wishes.ts";
import { ontoPaper, paperReady } from "./host-key-paper.ts";
import { askedPin, withPicoFido } from "./pico-session.ts";
import { picoWords } from "./pico-words.ts";

/** Enables the lock. The host key is kept and on paper before the token is sent anything that changes it. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const secret = await new SecretReader(context).open(fidoPinWishes.current);
  if (!globals.dryRun) await paperReady(context);
  await withPicoFido(context, async ({ open, token, store, facts, document }) => {
    const acceptKeyChange = args.flag("accept-key-change");
    if (globals.dryRun) {
      await checkEnable(token, acceptKeyChange);
      output.result({ ...document, dryRun: true }, [
        `would enable the lock of ${open.name}; no PIN was sent, nothing was changed`,
        picoWords.tied,
        picoWords.alternative,
      ]);
      return;
    }
    const { pin, wipe } = askedPin(secret, open);
    let words: string | null = null;
    try {
      const hostKey = await enableLock(token, store, {
        pin,
        facts,
        acceptKeyChange,
        handOver: async (key) => {
          words = await ontoPaper(context, key, open.name);
        },
      });
      output.result({ ...document, dryRun: false, hostKey, wordsOut: words, unlocked: true }, [
        `the lock of ${open.name} is enabled with host key ${hostKey}; it was proved, and is unlocked until it is unplugged`,
        ...(words === null ? [] : [`Words of the host key: ${words}; keep them away from this computer`]),
        picoWords.tied,
        "Next: `hsmadm fido backup save FILE`. Without backup and words the loss of this computer costs every credential.",
        picoWords.alternative,
      ]);
    } finally {
      wipe();
    }
  });
}
