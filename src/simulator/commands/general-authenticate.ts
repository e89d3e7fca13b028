import { createHash } from "node:crypto";
import { SW } from "../../apdu/status-word.ts";
import { concat } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv, findTlv, readTlv, readTlvs } from "../../bytes/tlv.ts";
import { aesCmac } from "../../crypto/aes-cmac.ts";
import { multiplyPoint } from "../../crypto/curves/ec-keys.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { requireCurve } from "../ec-signing.ts";
import { chipAuthenticationAes } from "./manage-security-environment.ts";

/** Counter behind secret and nonce: the key that makes MACs, not the one that encrypts. */
const macKey = Uint8Array.of(0, 0, 0, 2);

/**
 * GENERAL AUTHENTICATE: the token shows that it holds the private half of its device certificate (chip authentication,
 * reference 07 section 7.4). The secure messaging that may follow is not simulated; plain commands go on as before.
 */
export const generalAuthenticate: CommandHandler = (card, command) => {
  if (command.p1 !== 0 || command.p2 !== 0) refuse(SW.wrongP1P2);
  if (!card.session.chipAuthentication) refuse(SW.conditionsNotSatisfied);
  const device = card.state.device ?? refuse(SW.conditionsNotSatisfied);
  const template = readTlv(dataOf(command), "GENERAL AUTHENTICATE");
  if (template.tag !== 0x7c) refuse(card.profile.sw.malformed);
  const ephemeral = findTlv(readTlvs(template.value, "GENERAL AUTHENTICATE"), 0x80)?.value;
  if (ephemeral === undefined) return refuse(card.profile.sw.malformed);
  const curve = requireCurve(device.curve);
  const product = agreed(card, () => multiplyPoint(curve, device.scalar, ephemeral));
  const secret = product.subarray(1, 1 + curve.fieldBytes);
  const nonce = card.world.random(8);
  const key = createHash("sha1")
    .update(concat(secret, nonce, macKey))
    .digest()
    .subarray(0, 16);
  const signed = encodeTlv(0x7f49, encodeTlv(0x06, fromHex(chipAuthenticationAes)), encodeTlv(0x86, ephemeral));
  const token = aesCmac(key, signed).subarray(0, 8);
  return ok(encodeTlv(0x7c, encodeTlv(0x81, nonce), encodeTlv(0x82, token)));
};

function agreed(card: Card, agree: () => Uint8Array): Uint8Array {
  try {
    return agree();
  } catch {
    return refuse(card.profile.name === "pico" ? SW.referenceDataNotUsable : SW.wrongData);
  }
}
