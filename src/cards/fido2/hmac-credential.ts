import { HsmError } from "../../errors.ts";
import { type AuthData, checkAuthData } from "./auth-data.ts";
import { cborMap, invalidAnswer } from "./cbor.ts";
import { permissions } from "./client-pin.ts";
import { type CredentialUser, makeCredential } from "./credential-commands.ts";
import { ctapError, ctapStatus } from "./ctap-status.ts";
import type { Fido2Session, Waiting } from "./fido2-session.ts";
import { alwaysVerifies, withoutSecret } from "./hmac-errors.ts";
import { hmacSecretExtension } from "./hmac-secret.ts";
import type { FidoPin, PinGate } from "./pin-gate.ts";
import { preflight } from "./preflight.ts";
import { type Verified, verified } from "./user-verification.ts";

/** When a credential may be found and used without verifying the user: 1 always, 2 by whoever knows its id, 3 never. */
export type CredProtect = 1 | 2 | 3;

export interface HmacCredentialRequest extends Waiting {
  readonly rpId: string;
  readonly user: CredentialUser;
  /** Credentials that are enrolled already: the token that holds one refuses. */
  readonly excludeIds?: readonly Uint8Array[] | undefined;
  readonly credProtect?: CredProtect | undefined;
  /** Which of its two secrets will be used: the one that takes the PIN (or a finger), or the one that does not. */
  readonly uv: boolean;
  /** Also needed without `uv`, where the token makes no credential without its PIN. */
  readonly pin?: FidoPin | undefined;
}

/** What has to be kept to get the same secrets again, besides RP id and salt. Nothing of it is secret. */
export interface HmacCredential {
  readonly id: Uint8Array;
  readonly aaguid: Uint8Array;
  readonly uv: boolean;
  readonly credProtect: CredProtect;
  /** COSE algorithm of its key. */
  readonly alg: number;
}

const credProtectExtension = "credProtect";
/** ES256: every token has it. The key itself is never used. */
const algorithms = [-7];

/**
 * Makes a credential with hmac-secret and checks that it is what was asked for: a token may leave out an extension
 * without a word.
 * @throws HsmError `FIDO_ALREADY_ENROLLED` (conflict), `FIDO_NOT_SUPPORTED`, `FIDO_CREDENTIAL_UNFIT` (check-failed)
 */
export async function enrol(
  session: Fido2Session,
  gate: PinGate,
  request: HmacCredentialRequest,
): Promise<HmacCredential> {
  const { rpId, user, credProtect = 1, uv, pin, excludeIds = [], ...waiting } = request;
  const { extensions, maxCredentialCountInList, maxCredentialIdLength = Number.POSITIVE_INFINITY } = session.info;
  if (!extensions.includes(hmacSecretExtension)) throw session.notSupported("offers no hmac-secret");
  if (credProtect > 1 && !extensions.includes(credProtectExtension)) {
    throw session.notSupported("cannot protect a credential by its PIN (no credProtect)");
  }
  if (!uv && session.option("alwaysUv") === true) throw alwaysVerifies(session.token);
  const { clientDataHash } = session.random;
  const excluded = excludeIds.filter(({ length }) => length > 0 && length <= maxCredentialIdLength);
  if (excluded.length > maxCredentialCountInList) await refuseEnrolled(session, rpId, excluded);
  const make = async ({ prove, options }: Pick<Verified, "prove" | "options">): Promise<AuthData> => {
    const auth = prove(clientDataHash);
    const command = makeCredential({
      clientDataHash,
      rp: { id: rpId },
      user,
      algorithms,
      excludeIds: excluded.length === 0 ? undefined : excluded.slice(0, maxCredentialCountInList),
      extensions: cborMap(
        [credProtectExtension, credProtect === 1 ? undefined : credProtect],
        [hmacSecretExtension, true],
      ),
      options,
      auth,
    });
    const authData = await session.call(command, waiting);
    checkAuthData(authData, { token: session.token, rpId, uv: auth !== undefined || options?.["uv"] === true });
    return authData;
  };
  const byUser = uv || (session.option("clientPin") === true && session.option("makeCredUvNotRqd") !== true);
  const need = { permissions: permissions.makeCredential, rpId, pin, ...waiting };
  const authData = byUser
    ? await verified(session, gate, need, make)
    : await make({ prove: () => undefined, options: undefined });
  return credentialIn(authData, session.token, uv, credProtect);
}

function credentialIn(data: AuthData, token: string, uv: boolean, credProtect: CredProtect): HmacCredential {
  const { credential, extensions } = data;
  if (credential === undefined) throw invalidAnswer("the answer to authenticatorMakeCredential", "no credential in it");
  if (extensions.get(hmacSecretExtension) !== true) throw withoutSecret(token);
  if (data.backupEligible) {
    throw unfit(token, "keeps its credentials where they can be copied, in an account or a cloud");
  }
  const level = extensions.get(credProtectExtension) ?? 1;
  if (level !== 1 && level !== 2 && level !== 3) throw unfit(token, "set a protection level that is not known");
  if (level < credProtect) throw unfit(token, `did not set the protection level ${credProtect} that was asked for`);
  return { id: credential.id, aaguid: credential.aaguid, uv, credProtect: level, alg: credential.algorithm ?? -7 };
}

async function refuseEnrolled(session: Fido2Session, rpId: string, ids: readonly Uint8Array[]): Promise<void> {
  const { status } = await preflight(session, rpId, ids);
  if (status !== "here") return;
  throw ctapError(ctapStatus.credentialExcluded, "authenticatorMakeCredential", { token: session.token });
}

function unfit(token: string, what: string): HsmError {
  return new HsmError("FIDO_CREDENTIAL_UNFIT", "check-failed", `${token} ${what}`, {
    token,
    advice: "the credential was made but is not used: take another token",
  });
}
