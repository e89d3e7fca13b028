import { curveByName } from "../../../crypto/curves/curves.ts";
import { HsmError } from "../../../errors.ts";
import type { Session } from "../session.ts";
import { algorithmIds } from "./algorithms.ts";
import { badAnswer, badInput, needKind, permitted, useKey } from "./key-use.ts";
import { isOnCurve } from "./public-key.ts";
import type { KeyInUse } from "./token-key.ts";

/**
 * ECDH with a key on the token. Needs a login.
 * @param point the other public key, uncompressed; it is checked to be on the curve of the key before it is sent: one
 *   that is not would give away the private key piece by piece to a card that does not check
 * @returns the shared secret, the X coordinate, as long as the field. It is a secret: hash it into keys
 * @throws HsmError `KEY_INPUT_INVALID` (usage), `KEY_CURVE_UNKNOWN` (check-failed), before anything is sent
 */
export async function deriveEcdh(session: Session, key: KeyInUse, point: Uint8Array): Promise<Uint8Array> {
  needKind(session, key, "ec", "ECDH");
  const curve = key.curve === null ? undefined : curveByName(key.curve);
  if (curve === undefined) {
    throw new HsmError(
      "KEY_CURVE_UNKNOWN",
      "check-failed",
      `key ${key.ref} on ${session.token} does not tell its curve`,
      {
        advice: "its certificate is missing or damaged, so the other key cannot be checked; nothing was sent",
        token: session.token,
      },
    );
  }
  if (!isOnCurve(curve, point)) throw badInput(`the other public key is no point of ${curve.name}`);
  const algorithm = permitted(session, key, [algorithmIds.ecdh]);
  const answer = await session.send(useKey("ECDH", key, algorithm, point, session), "login");
  // 04 ‖ X ‖ Y from genuine cards, 04 ‖ X from Pico HSM.
  const { fieldBytes } = curve;
  const known = answer.length === 1 + fieldBytes || answer.length === 1 + 2 * fieldBytes;
  if (!known || answer[0] !== 0x04)
    throw badAnswer(session, key, `${answer.length} bytes are no point of ${curve.name}`);
  return answer.slice(1, 1 + fieldBytes);
}
