import { createPublicKey } from "node:crypto";
import { utf8Text } from "../../bytes/bytes.ts";
import { parsePublicKeyInfo } from "../../cards/smartcard-hsm/keys/public-key.ts";
import type { PublicKey } from "../../crypto/keys/public-key-formats.ts";
import { HsmError, messageOf } from "../../errors.ts";

/**
 * A public key out of a file: PEM or DER (SubjectPublicKeyInfo or X.509 certificate), or a JWK.
 * @throws HsmError `PUBLIC_KEY_INVALID` (check-failed)
 */
export function readPublicKey(content: Uint8Array, name: string): PublicKey {
  try {
    return parsePublicKeyInfo(derOf(content));
  } catch (cause) {
    throw new HsmError("PUBLIC_KEY_INVALID", "check-failed", `${name} is no usable public key: ${messageOf(cause)}`, {
      advice: "it may be PEM or DER (public key or X.509 certificate) or a JWK, of RSA or of a curve of the token",
      cause,
    });
  }
}

function derOf(content: Uint8Array): Uint8Array {
  const text = utf8Text(content);
  const [, body] = /-----BEGIN (?:PUBLIC KEY|CERTIFICATE)-----([^-]*)-----END/.exec(text ?? "") ?? [];
  if (body !== undefined) return Uint8Array.from(atob(body.replace(/\s+/g, "")), (letter) => letter.charCodeAt(0));
  if (text?.trimStart().startsWith("{") === true) {
    const key = createPublicKey({ key: JSON.parse(text) as Record<string, string>, format: "jwk" });
    return new Uint8Array(key.export({ format: "der", type: "spki" }));
  }
  return content;
}
