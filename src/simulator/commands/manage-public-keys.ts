import { SW } from "../../apdu/status-word.ts";
import { type CommandHandler, dataOf, ok, refuse } from "../card.ts";

/** MANAGE PKA: only the status query; registering keys is for a later version (reference 02 section 2.18). */
export const managePublicKeys: CommandHandler = (card, command) => {
  const { publicKeys } = card.state;
  if (publicKeys === null) return refuse(card.profile.sw.publicKeysNotConfigured);
  if (command.p1 !== 0 || dataOf(command).length > 0) refuse(SW.insNotSupported);
  // Total, still to be registered, required, authenticated in this session.
  return ok(Uint8Array.of(publicKeys.total, publicKeys.total, publicKeys.required, 0));
};
