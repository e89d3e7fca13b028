import { SW } from "../../apdu/status-word.ts";
import { type CommandHandler, ok, refuse } from "../card.ts";

/** GET CHALLENGE: random bytes, up to 1024 at once (reference 02 section 2.10). */
export const getChallenge: CommandHandler = (card, command) => {
  const length = command.le ?? refuse(SW.wrongLength);
  if (card.profile.name === "genuine" && length > 1024) refuse(SW.wrongLength);
  return ok(card.world.random(Math.min(length, card.profile.maxResponse)));
};
