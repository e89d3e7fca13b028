import { SW } from "../../apdu/status-word.ts";
import { encodeTlv } from "../../bytes/tlv.ts";
import { cvcTags } from "../../crypto/cvc/cvc.ts";
import { type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { addCertificate } from "../certificate-holders.ts";

/** PSO VERIFY CERTIFICATE: the contents of a 7F21, signed by the holder that MSE B6 selected (reference 02 section 2.18). */
export const verifyCertificate: CommandHandler = (card, command) => {
  if (command.p1 !== 0x00 || command.p2 !== 0xbe) refuse(SW.wrongP1P2);
  const data = dataOf(command);
  if (data.length === 0) refuse(SW.wrongLength);
  const signer = card.session.keyLogin.signer ?? refuse(SW.referencedDataNotFound);
  const whole = data[0] === 0x7f && data[1] === 0x21 && card.profile.name === "pico";
  addCertificate(card, signer, whole ? data : encodeTlv(cvcTags.certificate, data));
  return ok();
};
