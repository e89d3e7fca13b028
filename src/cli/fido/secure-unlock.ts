import { unlockToken } from "../../services/pico-fido/lock.ts";
import { checkLockExists, checkPinIsSet } from "../../services/pico-fido/lock-errors.ts";
import type { CommandContext } from "../context.ts";
import { givenHostKey } from "./host-key-given.ts";
import { withPicoFido } from "./pico-session.ts";
import { picoWords } from "./pico-words.ts";

/** Unlocks the token until it is unplugged. No PIN is needed, and no host key is ever made here. */
export async function run(context: CommandContext): Promise<undefined> {
  const { globals, output } = context;
  const given = await givenHostKey(context, "the token to unlock");
  try {
    await withPicoFido(context, async ({ open, token, store, facts, document }) => {
      if (globals.dryRun) {
        checkLockExists(token);
        checkPinIsSet(token);
        const keys =
          given === undefined ? `${(await store.all()).length} host keys of this computer` : "the host key given";
        output.result({ ...document, dryRun: true }, [`would try ${keys} on ${open.name}; nothing was sent`]);
        return;
      }
      const { id, outcome } = await unlockToken(token, store, { given, facts });
      const was =
        id === null
          ? "it was unlocked already, with a host key that is not on this computer"
          : "it was unlocked already";
      output.result({ ...document, dryRun: false, hostKey: id, outcome }, [
        outcome === "unlocked"
          ? `${open.name} is unlocked with host key ${id}, until it is unplugged`
          : `${open.name}: ${was}`,
        ...(given !== undefined && id !== null ? ["The host key is kept on this computer now."] : []),
        picoWords.tied,
      ]);
    });
  } finally {
    given?.fill(0);
  }
}
