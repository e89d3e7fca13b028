import { SW } from "../../apdu/status-word.ts";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { ecdsaVerify } from "../../crypto/curves/ecdsa.ts";
import { type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { requireCurve } from "../ec-signing.ts";
import { keysComplete, pinIsWantedToo, requireKeyLogin } from "../public-key-login.ts";

/**
 * EXTERNAL AUTHENTICATE: a custodian's signature `r ‖ s` over this token's CHR and the last challenge. With enough of
 * them the token is logged in (reference 07 section 7.2).
 */
export const externalAuthenticate: CommandHandler = (card, command) => {
  if (command.p1 !== 0 || command.p2 !== 0) refuse(SW.wrongP1P2);
  const { keyLogin } = card.session;
  const index = keyLogin.answering ?? refuse(SW.referencedDataNotFound);
  const signature = dataOf(command);
  if (signature.length === 0) refuse(SW.wrongLength);
  const challenge = keyLogin.challenge ?? refuse(SW.conditionsNotSatisfied);
  const { registered } = requireKeyLogin(card);
  const key = registered[index] ?? refuse(SW.referencedDataNotFound);
  const device = card.state.device ?? refuse(SW.conditionsNotSatisfied);
  keyLogin.answered.delete(index);
  // Whether a genuine card takes a second answer to one challenge is not known: the simulated one does not.
  if (!card.profile.oneChallengeForAll) keyLogin.challenge = null;
  const signed = concat(utf8Bytes(device.chr), challenge);
  if (!ecdsaVerify(requireCurve(key.curve), key.point, signed, "sha256", signature)) {
    refuse(card.profile.sw.wrongAnswer);
  }
  keyLogin.answered.add(index);
  if (keysComplete(card)) {
    keyLogin.challenge = null;
    if (!pinIsWantedToo(card)) card.session.userLogin = true;
  }
  return ok();
};
