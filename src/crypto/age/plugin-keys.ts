import { createHash } from "node:crypto";
import { asciiText, concat, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { curveByName } from "../curves/curves.ts";
import { invalidKeyText } from "./age-errors.ts";
import { decodeBech32, encodeBech32 } from "./bech32.ts";

/**
 * The keys that age hands to a program `age-plugin-hsmadm` (C2SP age-plugin.md): an identity tells the plugin where to
 * look and holds no secret; a recipient is a public key that age itself has no type for. They stay in people's files:
 * the names and numbers here never change.
 */
const pluginName = "hsmadm";
const identityPrefix = `age-plugin-${pluginName}-`;
const recipientPrefix = `age1${pluginName}`;
const version = 1;

/** What an identity points at. */
export type PluginIdentity =
  /** Any device that the policy allows; what `age -j hsmadm` gives. */
  | { readonly kind: "any" }
  /** The device with this key. */
  | {
      readonly kind: "key";
      /**
       * See {@link publicKeyTag}. Of the bytes that the key's stanzas are tagged with, so that it shows without the key
       * whether a file is meant for it: a compressed point on P-256, the key as SSH sends it for RSA, else the
       * uncompressed point or the X25519 key.
       */
      readonly tag: Uint8Array;
      /** Serial of the token it was on when the identity was printed: a hint. */
      readonly serial?: string | undefined;
    };

const modeOfKey = 1;
const tagBytes = 4;

/** First 4 bytes of SHA-256 of a public key. */
export function publicKeyTag(publicKey: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(publicKey).digest().subarray(0, tagBytes));
}

/** `AGE-PLUGIN-HSMADM-1…` */
export function formatPluginIdentity(identity: PluginIdentity): string {
  return encodeBech32(identityPrefix, identityData(identity)).toUpperCase();
}

function identityData(identity: PluginIdentity): Uint8Array {
  if (identity.kind === "any") return new Uint8Array(0);
  return concat(Uint8Array.of(version, modeOfKey), identity.tag, utf8Bytes(identity.serial ?? ""));
}

/** @throws HsmError `AGE_KEY_INVALID` (usage), `AGE_KEY_VERSION` (not-supported) for one of a later version */
export function parsePluginIdentity(text: string): PluginIdentity {
  const what = `an identity of this plugin (${identityPrefix.toUpperCase()}1…)`;
  const data = decodeBech32(text, identityPrefix, what, true);
  if (data.length === 0) return { kind: "any" };
  const tag = data.slice(2, 2 + tagBytes);
  const serial = asciiText(data.subarray(2 + tagBytes));
  if (data[0] !== version || data[1] !== modeOfKey) throw laterVersion("an identity");
  if (tag.length !== tagBytes || serial === null) throw invalidKeyText(what);
  return serial === "" ? { kind: "key", tag } : { kind: "key", tag, serial };
}

/** A public key that age has no recipient type for: P-256 is `age1tag1…`, RSA an `ssh-rsa` line. */
export type PluginRecipient =
  | { readonly kind: "x25519"; readonly publicKey: Uint8Array }
  | {
      readonly kind: "ec";
      /** Name as in `crypto/curves`. */
      readonly curve: string;
      /** Uncompressed. */
      readonly point: Uint8Array;
    };

const x25519Kind = 1;
const curveKinds: ReadonlyMap<string, number> = new Map([
  ["secp384r1", 0x11],
  ["secp521r1", 0x12],
  ["secp256k1", 0x13],
  ["brainpoolP256r1", 0x21],
  ["brainpoolP384r1", 0x22],
  ["brainpoolP512r1", 0x23],
]);

/** `age1hsmadm1…` @throws HsmError `AGE_RECIPIENT_CURVE` (not-supported) for a curve without a number here */
export function formatPluginRecipient(recipient: PluginRecipient): string {
  return encodeBech32(recipientPrefix, concat(Uint8Array.of(version, kindOf(recipient)), keyOf(recipient)));
}

function keyOf(recipient: PluginRecipient): Uint8Array {
  return recipient.kind === "ec" ? recipient.point : recipient.publicKey;
}

function kindOf(recipient: PluginRecipient): number {
  if (recipient.kind === "x25519") return x25519Kind;
  const kind = curveKinds.get(recipient.curve);
  if (kind === undefined) {
    throw new HsmError("AGE_RECIPIENT_CURVE", "not-supported", `no age recipient for keys on ${recipient.curve}`, {
      advice:
        "a key on secp256r1 has an age1tag1… recipient, one on a longer curve or a brainpool curve an age1hsmadm1…",
    });
  }
  return kind;
}

/**
 * The point is checked for its form, not for its curve: whoever wraps for it does that.
 * @throws HsmError `AGE_KEY_INVALID` (usage), `AGE_KEY_VERSION` (not-supported) for one of a later version
 */
export function parsePluginRecipient(text: string): PluginRecipient {
  const what = `a recipient of this plugin (${recipientPrefix}1…)`;
  const data = decodeBech32(text, recipientPrefix, what);
  if (data.length < 2) throw invalidKeyText(what);
  if (data[0] !== version) throw laterVersion("a recipient");
  const key = data.slice(2);
  if (data[1] === x25519Kind) {
    if (key.length !== 32) throw invalidKeyText(what);
    return { kind: "x25519", publicKey: key };
  }
  const [name] = [...curveKinds].find(([, kind]) => kind === data[1]) ?? [];
  const curve = name === undefined ? undefined : curveByName(name);
  if (curve === undefined) throw laterVersion("a recipient");
  if (key.length !== 1 + 2 * curve.fieldBytes || key[0] !== 4) throw invalidKeyText(what);
  return { kind: "ec", curve: curve.name, point: key };
}

function laterVersion(what: string): HsmError {
  return new HsmError("AGE_KEY_VERSION", "not-supported", `${what} of a later version of hsmadm`, {
    advice: "update hsmadm on this machine",
  });
}
