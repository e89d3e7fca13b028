import { randomBytes } from "node:crypto";
import type { HmacCredential } from "../../../cards/fido2/hmac-credential.ts";
import type { FidoLeaf } from "../../../crypto/vault/leaf.ts";
import { fidoRelyingParty } from "../../../crypto/vault/names.ts";
import { HsmError } from "../../../errors.ts";
import type { Enrolment } from "./enrolment.ts";
import { credentialPair, type FidoSourceOptions, fidoSource, type VaultAuthenticator } from "./fido-source.ts";

export interface FidoEnrolmentOptions extends FidoSourceOptions {
  /** Credentials that open the vault already: the device must hold none of them. */
  readonly excludeIds: readonly Uint8Array[];
  /** `undefined`: required where the device has a PIN or another way to verify its user. */
  readonly uv?: "required" | "none" | undefined;
  /** What the device's own list of credentials shows, where it keeps one. */
  readonly userName: string;
  readonly random?: (length: number) => Uint8Array;
}

/**
 * Makes a credential for the vault (a touch) and asks for its secret (another): the leaf holds the public half of what it
 * gives. The proof, one touch more, asks again and compares: a device that gives another secret each time is found before
 * anything depends on it.
 * @throws HsmError `VAULT_OPENER_ENROLLED` (conflict) for a device that holds one of the vault's credentials
 */
export async function enrolCredential(
  authenticator: VaultAuthenticator,
  options: FidoEnrolmentOptions,
): Promise<Enrolment> {
  const { excludeIds, pin, title } = options;
  const random = options.random ?? ((length) => new Uint8Array(randomBytes(length)));
  await refuseEnrolled(authenticator, excludeIds, title);
  const verifies = verifiesUser(authenticator);
  if (options.uv === "required" && !verifies) {
    throw new HsmError("FIDO_NOT_SUPPORTED", "not-supported", `${title} has no PIN and cannot verify its user`, {
      advice: "set one with `hsmadm fido pin set`, or give `--fido-uv none`: a touch is then enough to open the vault",
      token: title,
    });
  }
  const uv = options.uv === undefined ? verifies : options.uv === "required";
  const made = await make(authenticator, options, uv, random);
  const salt = random(32);
  const credential = { ...made, rpId: fidoRelyingParty, salt, uv };
  const pair = await credentialPair(authenticator, credential, pin);
  pair.secret.fill(0);
  const leaf: FidoLeaf = { kind: "fido2", publicKey: pair.publicKey, credential };
  const warnings = uv ? [] : [`${title} opens the vault with a touch alone: whoever has it needs no PIN`];
  return { leaf, warnings, source: fidoSource(authenticator, { title, pin }) };
}

async function make(
  authenticator: VaultAuthenticator,
  { excludeIds, pin, userName, title }: FidoEnrolmentOptions,
  uv: boolean,
  random: (length: number) => Uint8Array,
): Promise<Pick<HmacCredential, "id" | "aaguid" | "credProtect" | "alg">> {
  try {
    const { id, aaguid, credProtect, alg } = await authenticator.makeHmacCredential({
      rpId: fidoRelyingParty,
      user: { id: random(16), name: userName, displayName: userName },
      excludeIds,
      // Level 2 still answers whoever knows its id without the PIN: that is how it is found without a touch.
      credProtect: authenticator.info.extensions.includes("credProtect") ? 2 : 1,
      uv,
      pin,
    });
    return { id, aaguid, credProtect, alg };
  } catch (error) {
    if (error instanceof HsmError && error.code === "FIDO_ALREADY_ENROLLED") throw enrolled(title, error);
    throw error;
  }
}

/** Asked without a touch first: nobody is to be made to touch a device that is refused then. */
async function refuseEnrolled(
  authenticator: VaultAuthenticator,
  ids: readonly Uint8Array[],
  title: string,
): Promise<void> {
  if (ids.length === 0) return;
  const { status } = await authenticator.holds(fidoRelyingParty, ids);
  if (status === "here") throw enrolled(title);
}

function enrolled(title: string, cause?: unknown): HsmError {
  return new HsmError("VAULT_OPENER_ENROLLED", "conflict", `${title} opens the vault already`, {
    advice: "a backup is another device: attach one that is not enrolled yet",
    token: title,
    cause,
  });
}

function verifiesUser({ info }: VaultAuthenticator): boolean {
  return info.options["clientPin"] === true || info.options["uv"] === true;
}
