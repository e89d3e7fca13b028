import { type AuthData, parseAuthData } from "./auth-data.ts";
import { type CborMap, type CborValue, cborMap } from "./cbor.ts";
import { CborFields } from "./cbor-fields.ts";
import { type CtapCommand, ctapCommands, ctapMessage, touchPatienceMs } from "./ctap-command.ts";

/** Proof that a PIN or a finger stands behind a request: authenticate(pinUvAuthToken, clientDataHash). */
export interface PinUvAuth {
  readonly param: Uint8Array;
  readonly protocol: 1 | 2;
}

/** `rk`, `up`, `uv`; an option that is left out keeps the authenticator's default. */
export type RequestOptions = Readonly<Record<string, boolean>>;

export interface MakeCredentialRequest {
  readonly clientDataHash: Uint8Array;
  readonly rp: { readonly id: string; readonly name?: string | undefined };
  readonly user: CredentialUser;
  /** COSE algorithms, the preferred one first. */
  readonly algorithms: readonly number[];
  readonly excludeIds?: readonly Uint8Array[] | undefined;
  readonly extensions?: CborMap | undefined;
  readonly options?: RequestOptions | undefined;
  readonly auth?: PinUvAuth | undefined;
}

export interface CredentialUser {
  /** 1-64 bytes, nothing that identifies a person. */
  readonly id: Uint8Array;
  readonly name?: string | undefined;
  readonly displayName?: string | undefined;
}

/** authenticatorMakeCredential (CTAP 2.1 section 6.1). The attestation is not looked at: the sealed data prove the token. */
export function makeCredential(request: MakeCredentialRequest): CtapCommand<AuthData> {
  const { clientDataHash, rp, user, algorithms, excludeIds, extensions, options, auth } = request;
  const name = "authenticatorMakeCredential";
  return {
    name,
    message: ctapMessage(
      ctapCommands.makeCredential,
      cborMap(
        [0x01, clientDataHash],
        [0x02, cborMap(["id", rp.id], ["name", rp.name])],
        [0x03, cborMap(["id", user.id], ["name", user.name], ["displayName", user.displayName])],
        [0x04, algorithms.map((alg) => cborMap(["alg", alg], ["type", "public-key"]))],
        [0x05, excludeIds === undefined ? undefined : descriptors(excludeIds)],
        [0x06, extensions],
        [0x07, optionMap(options)],
        [0x08, auth?.param],
        [0x09, auth?.protocol],
      ),
    ),
    patienceMs: touchPatienceMs,
    parse: (answer) => parseAuthData(new CborFields(answer, `the answer to ${name}`).bytes(0x02)),
  };
}

export interface GetAssertionRequest {
  readonly rpId: string;
  readonly clientDataHash: Uint8Array;
  /** `undefined`: the discoverable ones. */
  readonly allowIds?: readonly Uint8Array[] | undefined;
  readonly extensions?: CborMap | undefined;
  readonly options?: RequestOptions | undefined;
  readonly auth?: PinUvAuth | undefined;
}

export interface Assertion {
  /** May be left out when one credential was listed. */
  readonly credentialId: Uint8Array | undefined;
  readonly authData: AuthData;
}

/** authenticatorGetAssertion (CTAP 2.1 section 6.2). The signature is not looked at: what is wanted is the extension. */
export function getAssertion(request: GetAssertionRequest): CtapCommand<Assertion> {
  const { rpId, clientDataHash, allowIds, extensions, options, auth } = request;
  const name = "authenticatorGetAssertion";
  return {
    name,
    message: ctapMessage(
      ctapCommands.getAssertion,
      cborMap(
        [0x01, rpId],
        [0x02, clientDataHash],
        [0x03, allowIds === undefined ? undefined : descriptors(allowIds)],
        [0x04, extensions],
        [0x05, optionMap(options)],
        [0x06, auth?.param],
        [0x07, auth?.protocol],
      ),
    ),
    patienceMs: touchPatienceMs,
    parse(answer) {
      const what = `the answer to ${name}`;
      const fields = new CborFields(answer, what);
      const credential = fields.optionalMap(0x01);
      return {
        credentialId: credential === undefined ? undefined : new CborFields(credential, what).optionalBytes("id"),
        authData: parseAuthData(fields.bytes(0x02)),
      };
    },
  };
}

function descriptors(ids: readonly Uint8Array[]): CborValue {
  return ids.map((id) => cborMap(["id", id], ["type", "public-key"]));
}

function optionMap(options: RequestOptions | undefined): CborMap | undefined {
  return options === undefined ? undefined : new Map(Object.entries(options));
}
