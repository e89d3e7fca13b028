import { concat, equal } from "../../../bytes/bytes.ts";
import { encodeAuthData } from "../auth-data.ts";
import { type CborValue, encodeCbor, RequestMap } from "../cbor.ts";
import { type Credential, credRandom, hasSilentTag, openCredential, rpIdHash } from "../credential.ts";
import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { Device } from "../device.ts";
import { type HmacSecretInput, hmacSecretOutput, openHmacSecretInput } from "../hmac-secret.ts";
import { signEs256 } from "../p256.ts";
import { clientDataHash, credentialIds, onlyTouch, requestOptions } from "../parameters.ts";
import { permission, readAuthParam, spendToken, useToken } from "../pin-token.ts";

/** authenticatorGetAssertion (02), reference section 8. */
export async function getAssertion(device: Device, request: RequestMap): Promise<Uint8Array> {
  const { profile, session, state } = device;
  const auth = readAuthParam(request, { param: 6, protocol: 7 });
  if (auth?.param.length === 0) return onlyTouch(device);
  const rpId = request.text(1);
  const hash = clientDataHash(request, 2);
  const { rk, up = true, uv } = requestOptions(request, 5);
  if (rk !== undefined) refuseCtap(profile.status.rkInAssertion);
  if (uv === true && auth === null && profile.refusesUvOption) refuseCtap(ctapStatus.invalidOption);
  if (state.alwaysUv && auth === null && (up || profile.alwaysUvForPreflight)) refuseCtap(ctapStatus.tokenRequired);
  if (auth !== null) useToken(device, auth, hash, { permission: permission.getAssertion, rpId });
  const userVerified = auth !== null;

  const ids = credentialIds(device, request, 3);
  const found = ids === null ? discovered(device, rpId, userVerified) : listed(device, rpId, ids, userVerified);
  const [first, ...rest] = found;
  if (first === undefined) {
    const silent = request.has(5) ? !up : true;
    if (!silent || ids?.some((id) => hasSilentTag(device, rpId, id)) !== true) refuseCtap(ctapStatus.noCredentials);
    if (up) await device.touch({ why: "use", rpId });
    return emptyAssertion(device, rpId, { userPresent: up, userVerified });
  }
  const hmacSecret = readHmacSecret(device, request, up);
  if (up) {
    await device.touch({ why: "use", rpId });
    spendToken(device);
  }
  const one = (credential: Credential, others?: number): Uint8Array =>
    assertion(device, {
      credential,
      hash,
      userPresent: up,
      userVerified,
      hmacSecret,
      others,
      discovered: ids === null,
    });
  if (rest.length > 0) session.pending = { rest, answer: async (credential) => one(credential) };
  return one(first, rest.length === 0 ? undefined : found.length);
}

/** authenticatorGetNextAssertion (08). @throws CtapRefusal 30 when there is none */
export async function getNextAssertion({ session }: Device): Promise<Uint8Array> {
  const [next, ...rest] = session.pending?.rest ?? [];
  if (next === undefined || session.pending === null) return refuseCtap(ctapStatus.notAllowed);
  const { answer } = session.pending;
  session.pending = { rest, answer };
  return answer(next);
}

/** @returns the first of the list that may be used, or none: an authenticator does not tell how many it knows */
function listed(device: Device, rpId: string, ids: readonly Uint8Array[], userVerified: boolean): Credential[] {
  for (const id of ids) {
    const credential = openCredential(device, rpId, id);
    if (credential !== null && (userVerified || credential.protection !== 3)) return [credential];
  }
  return [];
}

/** Newest first. */
function discovered(device: Device, rpId: string, userVerified: boolean): Credential[] {
  const mine = device.state.residents.filter((resident) => resident.rpId === rpId).toReversed();
  return mine
    .map(({ id }) => openCredential(device, rpId, id))
    .filter((credential) => credential !== null)
    .filter(({ protection }) => userVerified || protection === 1);
}

/** @throws CtapRefusal 2B for a secret without presence */
function readHmacSecret(device: Device, request: RequestMap, up: boolean): HmacSecretInput | null {
  const extensions = request.has(4) ? request.map(4) : new RequestMap(new Map());
  if (!extensions.has("hmac-secret")) return null;
  if (!up && device.profile.hmacSecretIsStrict) refuseCtap(ctapStatus.unsupportedOption);
  return openHmacSecretInput(device, extensions.map("hmac-secret"));
}

/** What Pico FIDO answers where only the silent tag was looked at: an id of nothing and a signature of nothing. */
function emptyAssertion(
  { state }: Device,
  rpId: string,
  user: { readonly userPresent: boolean; readonly userVerified: boolean },
): Uint8Array {
  const id = Uint8Array.from({ length: 16 }, (_, i) => i % 2);
  const authData = { rpIdHash: rpIdHash(rpId), ...user, signatures: state.signatures, extensions: new Map() };
  return encodeCbor(
    new Map<number, CborValue>([
      [1, credentialDescriptor(id)],
      [2, encodeAuthData(authData)],
      [3, new Uint8Array(64).fill(0x0b)],
    ]),
  );
}

function credentialDescriptor(id: Uint8Array): Map<string, CborValue> {
  return new Map<string, CborValue>([
    ["id", id],
    ["type", "public-key"],
  ]);
}

interface Assertion {
  readonly credential: Credential;
  readonly hash: Uint8Array;
  readonly userPresent: boolean;
  readonly userVerified: boolean;
  readonly hmacSecret: HmacSecretInput | null;
  /** numberOfCredentials, where there are several. */
  readonly others: number | undefined;
  readonly discovered: boolean;
}

function assertion(device: Device, asked: Assertion): Uint8Array {
  const { profile, state, world } = device;
  const { credential, userPresent, userVerified, hmacSecret } = asked;
  const extensions = new Map<string, CborValue>();
  if (hmacSecret !== null && (credential.hmacSecret || !profile.hmacSecretIsStrict)) {
    const secret = credRandom(device, credential, userVerified);
    extensions.set("hmac-secret", hmacSecretOutput(hmacSecret, secret, world.random));
  }
  state.signatures += 1;
  device.changed();
  const authData = encodeAuthData({
    rpIdHash: rpIdHash(credential.rpId),
    userPresent,
    userVerified,
    signatures: state.signatures,
    extensions,
  });
  const answer = new Map<number, CborValue>([
    [1, credentialDescriptor(credential.id)],
    [2, authData],
    [3, signEs256(credential.keys.scalar, concat(authData, asked.hash), world)],
  ]);
  if (asked.discovered) answer.set(4, userOf(device, credential, userVerified));
  else if (profile.tellsNamedUser && isDiscoverable(device, credential)) {
    answer.set(4, userOf(device, credential, false));
  }
  if (asked.others !== undefined) answer.set(5, asked.others);
  return encodeCbor(answer);
}

function isDiscoverable({ state }: Device, { id }: Credential): boolean {
  return state.residents.some((resident) => equal(resident.id, id));
}

/** Names are personal: only who gave the PIN hears them. */
function userOf({ state }: Device, { id }: Credential, userVerified: boolean): Map<string, CborValue> {
  const user = state.residents.find((resident) => equal(resident.id, id))?.user;
  const told = new Map<string, CborValue>([["id", user?.id ?? new Uint8Array(0)]]);
  if (!userVerified) return told;
  if (user?.name !== undefined) told.set("name", user.name);
  if (user?.displayName !== undefined) told.set("displayName", user.displayName);
  return told;
}
