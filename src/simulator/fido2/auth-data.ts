import { bigEndian, concat } from "../../bytes/bytes.ts";
import { type CborMap, encodeCbor } from "./cbor.ts";

/** Bits of the flags in authenticator data. */
const flag = { userPresent: 0x01, userVerified: 0x04, attested: 0x40, extensions: 0x80 } as const;

export interface AuthData {
  readonly rpIdHash: Uint8Array;
  readonly userPresent: boolean;
  readonly userVerified: boolean;
  readonly signatures: number;
  /** The credential that was made, where one was. */
  readonly attested?: { readonly aaguid: Uint8Array; readonly id: Uint8Array; readonly publicKey: CborMap } | undefined;
  /** Left out of the bytes when empty. */
  readonly extensions: CborMap;
}

/** authenticatorData of WebAuthn (reference section 7). */
export function encodeAuthData(data: AuthData): Uint8Array {
  const { attested, extensions } = data;
  const flags =
    (data.userPresent ? flag.userPresent : 0) |
    (data.userVerified ? flag.userVerified : 0) |
    (attested === undefined ? 0 : flag.attested) |
    (extensions.size === 0 ? 0 : flag.extensions);
  const parts = [data.rpIdHash, Uint8Array.of(flags), bigEndian(data.signatures, 4)];
  if (attested !== undefined) {
    parts.push(attested.aaguid, bigEndian(attested.id.length, 2), attested.id, encodeCbor(attested.publicKey));
  }
  if (extensions.size > 0) parts.push(encodeCbor(extensions));
  return concat(...parts);
}
