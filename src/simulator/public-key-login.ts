import { encodeTlv } from "../bytes/tlv.ts";
import { ecdsaVerify } from "../crypto/curves/ecdsa.ts";
import { type Cvc, cvcTags, parseAuthenticatedRequest } from "../crypto/cvc/cvc.ts";
import { type Card, refuse } from "./card.ts";
import type { KeyHolder } from "./certificate-holders.ts";
import { requireCurve } from "./ec-signing.ts";
import { options, type PublicKeyLogin, type RegisteredKey } from "./token-state.ts";

/** What public key authentication (reference 07) remembers until SELECT of the applet. */
export interface KeyLogin {
  /** Holders of certificates that were verified in this session, by CHR. */
  readonly verified: Map<string, KeyHolder>;
  /** Whose key the next certificate or registration is checked with (MSE B6). */
  signer: KeyHolder | null;
  /** Index of the registered key that answers next (MSE A4). */
  answering: number | null;
  challenge: Uint8Array | null;
  /** Indexes of the registered keys that have answered. */
  readonly answered: Set<number>;
}

export function newKeyLogin(): KeyLogin {
  return { verified: new Map(), signer: null, answering: null, challenge: null, answered: new Set() };
}

/** @throws Refusal when the token was initialised without tag 93 */
export function requireKeyLogin(card: Card, sw: number = card.profile.sw.publicKeysNotConfigured): PublicKeyLogin {
  return card.state.publicKeys ?? refuse(sw);
}

/** Whether enough custodians have answered. */
export function keysComplete({ state, session }: Card): boolean {
  return state.publicKeys !== null && session.keyLogin.answered.size >= state.publicKeys.required;
}

/** Whether the PIN is wanted besides the keys. A pico takes the option and never looks at it again. */
export function pinIsWantedToo({ state, profile }: Card): boolean {
  return profile.name === "genuine" && (state.options & options.combined) !== 0;
}

/** Total, still to be registered, required, authenticated in this session. */
export function keyLoginStatus(card: Card, { total, required, registered }: PublicKeyLogin): Uint8Array {
  return Uint8Array.of(total, total - registered.length, required, card.session.keyLogin.answered.size);
}

/** The key in a request as it is sent for registration: the contents of tag 67. */
export function keyToRegister(card: Card, contents: Uint8Array): RegisteredKey {
  const { request, outerCar, outerSignature, signedPart } = parsed(card, contents);
  const key = request.publicKey;
  if (key.kind !== "ec" || key.curve === undefined) return refuse(card.profile.sw.malformed);
  // A pico keeps whatever it is given: its owner was logged in (its source, cmd_puk_auth.c).
  if (card.profile.checksRegisteredKeys) {
    const { signer } = card.session.keyLogin;
    if (signer === null || signer.chr !== outerCar) return refuse(card.profile.sw.noSigner);
    const vouched =
      signer.role === 0x00 &&
      ecdsaVerify(requireCurve(signer.curve), signer.point, signedPart, "sha256", outerSignature);
    if (!vouched || !signedByItself(request, key.curve, key.point)) refuse(card.profile.sw.wrongSignature);
  }
  return { chr: request.chr, curve: key.curve, point: key.point.slice() };
}

function parsed(card: Card, contents: Uint8Array) {
  try {
    return parseAuthenticatedRequest(encodeTlv(cvcTags.authenticatedRequest, contents));
  } catch {
    return refuse(card.profile.sw.malformed);
  }
}

function signedByItself(request: Cvc, curve: string, point: Uint8Array): boolean {
  return ecdsaVerify(requireCurve(curve), point, request.body, "sha256", request.signature);
}
