import { createHash } from "node:crypto";
import { equal, utf8Bytes } from "../../bytes/bytes.ts";
import { ByteReader } from "../../bytes/reader.ts";
import { HsmError } from "../../errors.ts";
import { type CborMap, decodeCborItem, invalidAnswer } from "./cbor.ts";
import { CborFields } from "./cbor-fields.ts";

/** Authenticator data (WebAuthn section 6.1): what the authenticator states about one ceremony. */
export interface AuthData {
  /** SHA-256 of the RP id. */
  readonly rpIdHash: Uint8Array;
  /** The user was present: touched it, put it on the reader. */
  readonly userPresent: boolean;
  /** The user was verified: PIN or finger. */
  readonly userVerified: boolean;
  /** May be copied by its provider, bit BE: then it is no single piece of hardware. */
  readonly backupEligible: boolean;
  readonly flags: number;
  readonly signCount: number;
  readonly credential: AttestedCredential | undefined;
  readonly extensions: CborMap;
}

export interface AttestedCredential {
  readonly aaguid: Uint8Array;
  readonly id: Uint8Array;
  /** COSE algorithm of its key. */
  readonly algorithm: number | undefined;
}

const flag = { userPresent: 0x01, userVerified: 0x04, backupEligible: 0x08, attested: 0x40, extensions: 0x80 } as const;

/** @throws HsmError `CTAP_ANSWER_INVALID`, `DATA_TRUNCATED` */
export function parseAuthData(bytes: Uint8Array): AuthData {
  const what = "the authenticator data";
  const reader = new ByteReader(bytes, what);
  const rpIdHash = reader.bytes(32);
  const flags = reader.byte();
  const signCount = reader.uint16() * 65_536 + reader.uint16();
  let credential: AttestedCredential | undefined;
  let rest = bytes.subarray(reader.offset);
  if ((flags & flag.attested) !== 0) {
    const aaguid = reader.bytes(16);
    const id = reader.bytes(reader.uint16());
    const [publicKey, behind] = decodeCborItem(reader.rest(), what);
    const algorithm = new CborFields(publicKey, what).optionalInteger(3);
    credential = { aaguid, id, algorithm };
    rest = behind;
  }
  let extensions: CborMap = new Map();
  if ((flags & flag.extensions) !== 0) {
    const [value, behind] = decodeCborItem(rest, what);
    if (!(value instanceof Map)) throw invalidAnswer(what, "the extensions are no map");
    extensions = value as CborMap;
    rest = behind;
  }
  if (rest.length > 0) throw invalidAnswer(what, `${rest.length} bytes are left over`);
  return {
    rpIdHash,
    userPresent: (flags & flag.userPresent) !== 0,
    userVerified: (flags & flag.userVerified) !== 0,
    backupEligible: (flags & flag.backupEligible) !== 0,
    flags,
    signCount,
    credential,
    extensions,
  };
}

/**
 * Checks that an answer is for the service asked for and was made under the conditions asked for. Which of a
 * credential's two secrets was used hangs on the user verification of that very request, so an answer under another
 * condition must not be taken for the right one.
 * @throws HsmError `FIDO_ANSWER_FOREIGN`, `FIDO_TOUCH_MISSING`, `FIDO_UV_MISMATCH` (check-failed)
 */
export function checkAuthData(
  data: AuthData,
  asked: { readonly token: string; readonly rpId: string; readonly uv: boolean },
): void {
  const { token, rpId, uv } = asked;
  if (!equal(data.rpIdHash, rpIdHash(rpId))) {
    throw new HsmError("FIDO_ANSWER_FOREIGN", "check-failed", `${token} answered for another service than ${rpId}`, {
      token,
    });
  }
  if (!data.userPresent) {
    throw new HsmError("FIDO_TOUCH_MISSING", "check-failed", `${token} answered without asking for a touch`, { token });
  }
  if (data.userVerified !== uv) {
    throw new HsmError(
      "FIDO_UV_MISMATCH",
      "check-failed",
      uv
        ? `${token} answered without verifying the user, so this is not the secret that goes with its PIN`
        : `${token} verified the user without being asked to, so this is not the secret that goes without its PIN`,
      {
        token,
        advice:
          "a credential has one secret with user verification and one without; it must be used as it was enrolled",
      },
    );
  }
}

export function rpIdHash(rpId: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(utf8Bytes(rpId)).digest());
}
