import { SW } from "../../apdu/status-word.ts";
import { type CommandHandler, ok, refuse } from "../card.ts";

/**
 * GET CHALLENGE: random bytes, up to 1024 at once (reference 02 section 2.10). They are what the next custodian signs: on a
 * genuine token 8 bytes, on a pico any 256, and there a new challenge makes every answer so far worthless.
 */
export const getChallenge: CommandHandler = (card, command) => {
  const { keyLogin } = card.session;
  const length = command.le ?? refuse(SW.wrongLength);
  if (card.profile.name === "genuine" && length > 1024) refuse(SW.wrongLength);
  const challenge = card.world.random(Math.min(length, card.profile.maxResponse));
  const answerable = card.profile.name === "genuine" ? length === 8 : length <= 256;
  if (answerable) keyLogin.challenge = challenge;
  if (card.profile.oneChallengeForAll) keyLogin.answered.clear();
  return ok(challenge);
};
