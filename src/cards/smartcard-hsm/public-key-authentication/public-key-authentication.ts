import { concat, utf8Bytes } from "../../../bytes/bytes.ts";
import { readTlv } from "../../../bytes/tlv.ts";
import type { AuthenticatedRequest, Cvc } from "../../../crypto/cvc/cvc.ts";
import { HsmError } from "../../../errors.ts";
import type { Session } from "../session.ts";
import {
  type AuthenticationStatus,
  externalAuthenticate,
  getAuthenticationChallenge,
  keyAt,
  queryAuthentication,
  type RegisteredKey,
  registerKey,
  selectAuthenticationKey,
  selectVerificationKey,
  verifyCertificate,
} from "./authentication-commands.ts";

/** What vouches for a custodian's key: issuer first, then the token it is on. A self-signed token has no issuer. */
export interface CustodianCredentials {
  /** Object 67 with its tag. */
  readonly requestBytes: Uint8Array;
  readonly request: AuthenticatedRequest;
  /** Certificates from the one below the root down to the device's. */
  readonly certificates: readonly Cvc[];
}

/** Genuine cards allow 90 keys; Pico HSM 8. */
const mostKeys = 90;

/**
 * Login by n of m custodians (reference 07, sections 7.1 and 7.2). It lasts as long as this session: SELECT and a reset
 * end it, so the work is done on the same connection.
 */
export class PublicKeyAuthentication {
  readonly #session: Session;
  readonly #identity: () => Promise<{ readonly chr: string }>;

  /** @internal Not for callers: a token has it. */
  constructor(session: Session, identity: () => Promise<{ readonly chr: string }>) {
    this.#session = session;
    this.#identity = identity;
  }

  /** `null` where the token was not initialised for it. */
  async status(): Promise<AuthenticationStatus | null> {
    return this.#session.send(queryAuthentication(this.#session.token));
  }

  /** The registered keys, where the token tells them (Pico HSM, newer cards); `null` where it does not. */
  async keys(total: number): Promise<readonly RegisteredKey[] | null> {
    const found: RegisteredKey[] = [];
    for (let index = 0; index < Math.min(total, mostKeys); index++) {
      const key = await this.#session.send(keyAt(index, this.#session.token));
      if (key === "beyond") return index === 0 ? null : found;
      if (key !== null) found.push(key);
    }
    return found;
  }

  /**
   * Has the token verify the custodian's token from the top down, then registers the key. Certificates that the token
   * knows already are not sent again. Pico HSM wants a login for it.
   * @throws HsmError `PKA_ISSUER_UNKNOWN` (conflict): no root of the token issued the custodian's; and others
   */
  async register({ requestBytes, request, certificates }: CustodianCredentials): Promise<AuthenticationStatus> {
    const { token, application } = this.#session;
    // Pico HSM keeps any request it is given by who is logged in, and knows no issuer of other tokens.
    const verified = application.profile === "pico" ? [] : certificates;
    for (const certificate of verified) {
      if (await this.#session.send(selectVerificationKey(certificate.chr, token))) continue;
      await this.#needVerificationKey(certificate.car);
      await this.#session.send(verifyCertificate(readTlv(certificate.raw, "certificate").value, token));
    }
    if (verified.length > 0) await this.#needVerificationKey(request.outerCar);
    return this.#session.send(registerKey(readTlv(requestBytes, "request").value, token));
  }

  async #needVerificationKey(chr: string): Promise<void> {
    const { token } = this.#session;
    if (await this.#session.send(selectVerificationKey(chr, token))) return;
    throw unknownIssuer(token, chr);
  }

  /** Whether the token has a key of this holder, and whether it has signed already. Takes part in {@link authenticate}. */
  async select(chr: string): Promise<"known" | "unknown" | "done"> {
    return this.#session.send(selectAuthenticationKey(chr, this.#session.token));
  }

  /** A new challenge: the one before counts no more, and on a Pico HSM neither do the signatures so far. */
  async challenge(): Promise<Uint8Array> {
    return this.#session.send(getAuthenticationChallenge(this.#session.token));
  }

  /** What a custodian signs: who is to be opened, and its challenge. */
  async signedData(challenge: Uint8Array): Promise<Uint8Array> {
    return custodianMessage((await this.#identity()).chr, challenge);
  }

  /**
   * Presents a custodian's signature over the last challenge; the key was named by {@link select}.
   * @param signature plain, `r ‖ s`
   * @throws HsmError `PKA_SIGNATURE_REFUSED` (authentication)
   */
  async authenticate(signature: Uint8Array): Promise<void> {
    await this.#session.send(externalAuthenticate(signature, this.#session.token), "login");
  }

  /** As many have signed as it takes: from now on this session counts as logged in. */
  noteLogin(): void {
    this.#session.noteLogin("public-keys");
  }
}

function unknownIssuer(token: string, chr: string): HsmError {
  return new HsmError(
    "PKA_ISSUER_UNKNOWN",
    "conflict",
    `${token} does not know "${chr}", which is to vouch for the custodian's key`,
    {
      advice: "a genuine token takes the keys of genuine tokens only, a simulated one those of simulated tokens",
      token,
    },
  );
}

/** `deviceCHR ‖ challenge`, the CHR as ASCII without an end (reference 07, section 7.2). */
export function custodianMessage(deviceChr: string, challenge: Uint8Array): Uint8Array {
  return concat(utf8Bytes(deviceChr), challenge);
}
