import { concat, equal } from "../../../bytes/bytes.ts";
import { encodeAuthData } from "../auth-data.ts";
import type { CredentialUser } from "../authenticator-state.ts";
import { type CborValue, encodeCbor, RequestMap } from "../cbor.ts";
import {
  type Credential,
  credRandom,
  newCredential,
  openCredential,
  type Protection,
  rpIdHash,
} from "../credential.ts";
import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { Device } from "../device.ts";
import { type HmacSecretInput, hmacSecretOutput, openHmacSecretInput } from "../hmac-secret.ts";
import { signEs256 } from "../p256.ts";
import { clientDataHash, credentialIds, onlyTouch, requestOptions } from "../parameters.ts";
import { coseKey } from "../pin-protocol.ts";
import { permission, readAuthParam, spendToken, useToken } from "../pin-token.ts";

/** authenticatorMakeCredential (01), reference section 7. The attestation is the credential's own. */
export async function makeCredential(device: Device, request: RequestMap): Promise<Uint8Array> {
  const auth = readAuthParam(request, { param: 8, protocol: 9 });
  if (auth?.param.length === 0) return onlyTouch(device);
  const hash = clientDataHash(request, 1);
  const rpId = request.map(2).text("id");
  const user = readUser(request.map(3));
  chooseAlgorithm(request.list(4));
  const { rk = false, up, uv } = requestOptions(request, 7);
  if (up === false) refuseCtap(ctapStatus.invalidOption);
  if (uv === true && auth === null && device.profile.refusesUvOption) refuseCtap(ctapStatus.invalidOption);
  if (request.has(0x0a)) refuseCtap(ctapStatus.invalidParameter); // No enterprise attestation here.
  if (auth === null) refuseWithoutToken(device, rk);
  else useToken(device, auth, hash, { permission: permission.makeCredential, rpId });
  const verified = auth !== null;

  const excluded = (credentialIds(device, request, 5) ?? []).some((id) => {
    const known = openCredential(device, rpId, id);
    return known !== null && (verified || known.protection !== 3);
  });
  const extensions = readExtensions(device, request);
  await device.touch({ why: "register", rpId });
  spendToken(device);
  if (excluded) refuseCtap(ctapStatus.credentialExcluded);
  const credential = newCredential(device, rpId, extensions);
  if (rk) remember(device, credential, user);
  device.state.signatures += 1;
  device.changed();
  return attested(device, credential, hash, verified, extensions);
}

interface Extensions {
  readonly protection: Protection;
  readonly hmacSecret: boolean;
  readonly askedProtection: boolean;
  readonly hmacSecretAtOnce: HmacSecretInput | null;
}

function readExtensions(device: Device, request: RequestMap): Extensions {
  const map = request.has(6) ? request.map(6) : new RequestMap(new Map());
  const knows = (name: string) => device.profile.extensions.includes(name) && map.has(name);
  const hmacSecret = knows("hmac-secret") && map.flag("hmac-secret") === true;
  if (knows("hmac-secret-mc") && !hmacSecret) refuseCtap(ctapStatus.missingParameter);
  return {
    protection: knows("credProtect") ? protectionOf(map.uint("credProtect")) : 1,
    askedProtection: knows("credProtect"),
    hmacSecret,
    hmacSecretAtOnce: knows("hmac-secret-mc") ? openHmacSecretInput(device, map.map("hmac-secret-mc")) : null,
  };
}

function protectionOf(level: number): Protection {
  return level === 1 || level === 2 || level === 3 ? level : refuseCtap(ctapStatus.invalidParameter);
}

/** @throws CtapRefusal 36 where a credential is made with a PIN or not at all */
function refuseWithoutToken({ state, profile }: Device, discoverable: boolean): void {
  if (state.alwaysUv) refuseCtap(state.pin === null ? profile.status.alwaysUvWithoutPin : ctapStatus.tokenRequired);
  if ((discoverable || profile.credentialsWantPin) && state.pin !== null) refuseCtap(ctapStatus.tokenRequired);
}

function readUser(map: RequestMap): CredentialUser {
  const user = { id: map.bytes("id"), name: map.optionalText("name"), displayName: map.optionalText("displayName") };
  return user.id.length <= 64 ? user : refuseCtap(ctapStatus.invalidLength);
}

/** ES256 is all there is. @throws CtapRefusal 26 */
function chooseAlgorithm(list: readonly unknown[]): void {
  const offered = list.map((entry) => RequestMap.of(entry));
  const fits = offered.filter((entry) => entry.int("alg") === -7 && entry.text("type") === "public-key");
  if (fits.length === 0) refuseCtap(ctapStatus.unsupportedAlgorithm);
}

/** A user of an RP has one discoverable credential: the new one. @throws CtapRefusal 28 */
function remember({ state, profile }: Device, { id, rpId }: Credential, user: CredentialUser): void {
  const others = state.residents.filter((one) => one.rpId !== rpId || !equal(one.user.id, user.id));
  if (others.length >= profile.maxResidents) refuseCtap(ctapStatus.keyStoreFull);
  state.residents = [...others, { id, rpId, user }];
}

function attested(
  device: Device,
  credential: Credential,
  hash: Uint8Array,
  userVerified: boolean,
  { askedProtection, hmacSecretAtOnce }: Extensions,
): Uint8Array {
  const { profile, state, world } = device;
  const extensions = new Map<string, CborValue>();
  if (askedProtection) extensions.set("credProtect", credential.protection);
  if (credential.hmacSecret) extensions.set("hmac-secret", true);
  if (hmacSecretAtOnce !== null) {
    const secret = credRandom(device, credential, userVerified);
    extensions.set("hmac-secret-mc", hmacSecretOutput(hmacSecretAtOnce, secret, world.random));
  }
  const authData = encodeAuthData({
    rpIdHash: rpIdHash(credential.rpId),
    userPresent: true,
    userVerified,
    signatures: state.signatures,
    attested: { aaguid: profile.aaguid, id: credential.id, publicKey: coseKey(credential.keys.point, -7) },
    extensions,
  });
  const statement = new Map<string, CborValue>([
    ["alg", -7],
    ["sig", signEs256(credential.keys.scalar, concat(authData, hash), world)],
  ]);
  return encodeCbor(
    new Map<number, CborValue>([
      [1, "packed"],
      [2, authData],
      [3, statement],
    ]),
  );
}
