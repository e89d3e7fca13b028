import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { readTlv } from "../../../src/bytes/tlv.ts";
import { derToPlain } from "../../../src/crypto/curves/ecdsa.ts";
import { parseDeviceCertificates } from "../../../src/crypto/cvc/cvc.ts";
import type { ProfileName } from "../../../src/simulator/profile.ts";
import type { SimulatedToken } from "../../../src/simulator/simulator.ts";
import { ecKey, generate } from "./keys.ts";
import { initialize, length, selectApplet, selected, send, verifyPin } from "./token.ts";

/** A token with one EC key (01), whose request is what another token registers. */
export interface Custodian {
  readonly token: SimulatedToken;
  readonly chr: string;
  /** Contents of tag 67. */
  readonly request: string;
}

export async function custodian(profile: ProfileName, number: number): Promise<Custodian> {
  const token = await selected(profile, `custodian ${number}`);
  await send(token, initialize());
  await send(token, selectApplet);
  await send(token, verifyPin);
  const chr = `UTCUSTODIAN0000${number}`;
  const answer = await send(token, generate("01", ecKey("secp256r1")).replace(usualChr, toHex(utf8Bytes(chr))));
  if (!answer.endsWith("9000")) throw new Error(`key generation answered ${answer}`);
  const request = readTlv(fromHex(answer.slice(0, -4)), "request").value;
  return { token, chr, request: toHex(request) };
}

/** CHR that {@link generate} gives a key, in hex. */
const usualChr = "55544343303030303030313030303031";

/** Everything registration of a genuine custodian takes: MSE, issuer, MSE, device, MSE, request. */
export function registration(of: Custodian): string[] {
  const { device, others } = parseDeviceCertificates(of.token.state.device?.certificates ?? new Uint8Array(0));
  const [issuer] = others;
  if (issuer === undefined) throw new Error("no issuer certificate");
  return [
    mse("B6", issuer.car),
    `002A00BE${longLength(contents(issuer.raw))}${contents(issuer.raw)}`,
    mse("B6", device.car),
    `002A00BE${longLength(contents(device.raw))}${contents(device.raw)}`,
    mse("B6", device.chr),
    register(of),
  ];
}

export function register({ request }: { readonly request: string }): string {
  return `80540000${longLength(request)}${request}0000`;
}

export function mse(template: "A4" | "B6", chr: string): string {
  const name = toHex(utf8Bytes(chr));
  return `002281${template}${length(`83${length(name)}${name}`)}83${length(name)}${name}`;
}

/** The custodian's answer: its signature over the name of the token and the challenge, as EXTERNAL AUTHENTICATE. */
export async function answerOf(of: Custodian, target: SimulatedToken, challenge: string): Promise<string> {
  const signed = `${toHex(utf8Bytes(target.state.device?.chr ?? ""))}${challenge}`;
  const signature = await send(of.token, `80680173${longLength(signed)}${signed}0000`);
  if (!signature.endsWith("9000")) throw new Error(`SIGN answered ${signature}`);
  return `0082000040${toHex(derToPlain(fromHex(signature.slice(0, -4)), 32))}`;
}

/** A fresh challenge of the token. */
export async function challengeOf(target: SimulatedToken): Promise<string> {
  return (await send(target, "0084000008")).slice(0, 16);
}

function longLength(hex: string): string {
  return `00${(hex.length / 2).toString(16).toUpperCase().padStart(4, "0")}`;
}

function contents(certificate: Uint8Array): string {
  return toHex(readTlv(certificate, "certificate").value);
}
