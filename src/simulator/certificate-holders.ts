import { curveByName } from "../crypto/curves/curves.ts";
import { ecdsaVerify } from "../crypto/curves/ecdsa.ts";
import { type Cvc, parseCvc, parseDeviceCertificates } from "../crypto/cvc/cvc.ts";
import { simulatorPkiCurve, simulatorRootName, simulatorRootPoint } from "../crypto/cvc/simulator-pki.ts";
import { type Card, refuse } from "./card.ts";
import { prefix } from "./token-state.ts";

/** Somebody with a certificate the token believes in. */
export interface KeyHolder {
  readonly chr: string;
  /** Role byte: C0 root, 80 device issuer, 00 device. */
  readonly role: number;
  readonly curve: string;
  readonly point: Uint8Array;
}

/** The scheme root of simulated tokens stands where a genuine card has that of its maker. */
const root: KeyHolder = { chr: simulatorRootName, role: 0xc0, curve: simulatorPkiCurve, point: simulatorRootPoint };

/** Entries of a pico's store of certificates (reference 02 section 2.21). */
const picoStoreSize = 4;
const issuerBit = 0x80;

/** The holder of this name: a root, one whose certificate was verified, on a pico the token itself. */
export function knownHolder(card: Card, chr: string): KeyHolder | undefined {
  if (card.profile.name === "genuine") return chr === root.chr ? root : card.session.keyLogin.verified.get(chr);
  return picoStore(card).find((holder) => holder.chr === chr);
}

/**
 * Takes a certificate of the selected signer; its holder is known from then on: on a genuine token until SELECT (choice),
 * on a pico for good, as file CAxx.
 */
export function addCertificate(card: Card, signer: KeyHolder, bytes: Uint8Array): void {
  const certificate = parsed(card, bytes);
  const curve = curveByName(signer.curve);
  const mayIssue = card.profile.name === "pico" || (signer.role & issuerBit) !== 0;
  const signed =
    curve !== undefined && ecdsaVerify(curve, signer.point, certificate.body, "sha256", certificate.signature);
  if (certificate.car !== signer.chr || !mayIssue || !signed) refuse(card.profile.sw.wrongSignature);
  const holder = holderOf(certificate, signer.curve) ?? refuse(card.profile.sw.malformedCertificate);
  if (card.profile.name === "genuine") card.session.keyLogin.verified.set(holder.chr, holder);
  else storeForGood(card, bytes);
}

function parsed(card: Card, bytes: Uint8Array): Cvc {
  try {
    return parseCvc(bytes);
  } catch {
    return refuse(card.profile.sw.malformedCertificate);
  }
}

function holderOf({ chr, role, publicKey }: Cvc, inherited: string): KeyHolder | undefined {
  if (publicKey.kind !== "ec" || publicKey.unknownCurve === true) return undefined;
  return { chr, role: role ?? 0x00, curve: publicKey.curve ?? inherited, point: publicKey.point };
}

function picoStore(card: Card): KeyHolder[] {
  const { device } = card.state;
  const own = device === null ? [] : [parseDeviceCertificates(device.certificates).device];
  const stored = caFiles(card).flatMap(([, content]) => {
    try {
      return [parseCvc(content)];
    } catch {
      return []; // A CA certificate of another kind, written by the host.
    }
  });
  return [...own, ...stored]
    .slice(0, picoStoreSize)
    .flatMap((certificate) => holderOf(certificate, device?.curve ?? "") ?? []);
}

function storeForGood(card: Card, bytes: Uint8Array): void {
  if (picoStore(card).length >= picoStoreSize) refuse(0x6a84);
  const used = new Set(caFiles(card).map(([id]) => id & 0xff));
  const free = Array.from({ length: 0xfe }, (_, i) => i).find((i) => !used.has(i)) ?? refuse(0x6a84);
  card.state.files.set(prefix.caCertificate * 256 + free, bytes.slice());
  card.changed();
}

function caFiles(card: Card): [number, Uint8Array][] {
  return [...card.state.files].filter(([id]) => id >> 8 === prefix.caCertificate).sort(([a], [b]) => a - b);
}
