import { checkDisable, disableLock } from "../../services/pico-fido/lock.ts";
import type { CommandContext } from "../context.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { fidoPinWishes } from "./fido-pin-wishes.ts";
import { askedPin, withPicoFido } from "./pico-session.ts";
import { picoWords } from "./pico-words.ts";

/** Disables the lock the safe way: nothing is disabled before the right key was put into the token's memory again. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const secret = await new SecretReader(context).open(fidoPinWishes.current);
  await withPicoFido(context, async ({ open, token, store, document }) => {
    const acceptKeyChange = args.flag("accept-key-change");
    checkDisable(token, acceptKeyChange);
    if (globals.dryRun) {
      output.result({ ...document, dryRun: true }, [`would disable the lock of ${open.name}; nothing was sent`]);
      return;
    }
    if (token.firmware.lock !== "keeps") {
      const exact = globals.device === open.device;
      const losses = [`the credentials that were made on ${open.name} while its lock was enabled`];
      await confirmDestruction(context, { losses, serial: open.device, exact });
    }
    const { pin, wipe } = askedPin(secret, open);
    try {
      const hostKey = await disableLock(token, store, { pin, acceptKeyChange });
      output.result({ ...document, dryRun: false, hostKey, unplugNow: true }, [
        `the lock of ${open.name} is disabled; its device key was proved first`,
        picoWords.unplugNow,
        `The host key ${hostKey} stays on this computer: a backup file made with it still needs it.`,
      ]);
    } finally {
      wipe();
    }
  });
}
