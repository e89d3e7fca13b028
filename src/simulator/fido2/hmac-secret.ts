import { createHmac } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import type { RequestMap } from "./cbor.ts";
import { ctapStatus, refuseCtap } from "./ctap-status.ts";
import type { Device } from "./device.ts";
import { authenticates, type PinProtocol, pinProtocol, pointOf } from "./pin-protocol.ts";

/** What a platform sends with hmac-secret, opened. */
export interface HmacSecretInput {
  readonly protocol: PinProtocol;
  readonly sharedSecret: Uint8Array;
  /** One or two salts of 32 bytes, joined. */
  readonly salts: Uint8Array;
}

/**
 * Opens the extension's input (reference section 8.1).
 * @throws CtapRefusal 02 for a bad key or protocol, 03 for salts of another length; 33, or what the profile says, for a
 *   wrong saltAuth
 */
export function openHmacSecretInput(device: Device, input: RequestMap): HmacSecretInput {
  const protocol = pinProtocol(input.has(4) ? input.uint(4) : 1);
  const sharedSecret = protocol.sharedSecret(device.session.keyAgreement, pointOf(input.map(1)));
  const saltEnc = input.bytes(2);
  const length = saltEnc.length - protocol.ivLength;
  if (length !== 32 && length !== 64) refuseCtap(ctapStatus.invalidLength);
  if (!authenticates(protocol, sharedSecret, saltEnc, input.bytes(3))) refuseCtap(device.profile.status.wrongSaltAuth);
  const salts = protocol.decrypt(sharedSecret, saltEnc) ?? refuseCtap(ctapStatus.invalidLength);
  return { protocol, sharedSecret, salts };
}

/** The extension's output, encrypted for the platform. @param random the device's, for the IV of protocol 2 */
export function hmacSecretOutput(
  { protocol, sharedSecret, salts }: HmacSecretInput,
  credRandom: Uint8Array,
  random: (length: number) => Uint8Array,
): Uint8Array {
  const outputs: Uint8Array[] = [];
  for (let at = 0; at < salts.length; at += 32) {
    outputs.push(
      new Uint8Array(
        createHmac("sha256", credRandom)
          .update(salts.subarray(at, at + 32))
          .digest(),
      ),
    );
  }
  return protocol.encrypt(sharedSecret, concat(...outputs), random);
}
