import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { encodeAuthData } from "../../../src/simulator/fido2/auth-data.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import { decodeCbor, encodeCbor, RequestMap } from "../../../src/simulator/fido2/cbor.ts";
import { hmacSecretOutput, openHmacSecretInput } from "../../../src/simulator/fido2/hmac-secret.ts";
import {
  authenticates,
  coseKey,
  keyAgreementOf,
  pinProtocol,
  pointOf,
} from "../../../src/simulator/fido2/pin-protocol.ts";
import { repeatableWorld } from "../../../src/simulator/repeatable-world.ts";

interface Vectors {
  readonly authenticator: Readonly<Record<string, string>>;
  readonly common: Readonly<Record<string, string>>;
  readonly cbor: readonly { readonly hex: string; readonly canonical: boolean; readonly why: string }[];
  readonly protocols: readonly {
    readonly protocol: 1 | 2;
    readonly platformCoseKeyCbor: string;
    readonly sharedSecret: string;
    readonly newPinEnc: string;
    readonly setPinAuth: string;
    readonly pinHashEnc: string;
    readonly pinUvAuthTokenEnc: string;
    readonly pinUvAuthTokenEncIv?: string;
    readonly pinUvAuthParamClientDataHash: string;
    readonly requests: { readonly setPin: string; readonly getPinToken: string; readonly getKeyAgreement: string };
    readonly hmacSecret: readonly {
      readonly salts: number;
      readonly uv: boolean;
      readonly saltEnc: string;
      readonly saltAuth: string;
      readonly outputEnc: string;
      readonly authData?: string;
      readonly request?: string;
    }[];
  }[];
}

const url = new URL("../../vectors/fido2-hmac-secret.json", import.meta.url);
const { authenticator: device, common, cbor, protocols } = JSON.parse(readFileSync(url, "utf8")) as Vectors;
const own = keyAgreementOf(hex(device["privateKey"]));

describe("CBOR in canonical form", () => {
  test.each(cbor)("$hex, $why: $canonical", ({ hex: text, canonical }) => {
    if (canonical) expect(toHex(encodeCbor(decodeCbor(fromHex(text)) as Map<number, number>))).toBe(text.toUpperCase());
    else expect(() => decodeCbor(fromHex(text))).toThrow("CTAP status 12");
  });

  test.each([
    ["more behind the end", "0000"],
    ["cut off", "a201"],
    ["five maps deep", "a101a101a101a101a10100"],
  ])("%s is refused", (_, text) => {
    expect(() => decodeCbor(fromHex(text))).toThrow("CTAP status 12");
  });

  test("four maps deep are taken", () => {
    expect(decodeCbor(fromHex("a101a101a101a10100"))).toBeInstanceOf(Map);
  });

  test("a COSE key is as the vectors have it", () => {
    expect(toHex(encodeCbor(coseKey(own.point, -25)))).toBe(device["coseKeyCbor"]?.toUpperCase());
  });
});

describe.each(protocols)("PIN/UV auth protocol $protocol", (vector) => {
  const protocol = pinProtocol(vector.protocol);
  const platform = RequestMap.parse(fromHex(vector.platformCoseKeyCbor));
  const secret = fromHex(vector.sharedSecret);

  test("shared secret", () => {
    expect(toHex(protocol.sharedSecret(own, pointOf(platform)))).toBe(toHex(secret));
  });

  test("opens and checks a new PIN and a PIN hash", () => {
    expect(toHex(protocol.decrypt(secret, fromHex(vector.newPinEnc)) ?? new Uint8Array(0))).toBe(upper("newPinPadded"));
    expect(toHex(protocol.decrypt(secret, fromHex(vector.pinHashEnc)) ?? new Uint8Array(0))).toBe(upper("pinHash16"));
    const auth = fromHex(vector.setPinAuth);
    expect(authenticates(protocol, secret, fromHex(vector.newPinEnc), auth)).toBe(true);
    for (let i = 0; i < auth.length; i++) {
      const wrong = auth.map((byte, at) => (at === i ? byte ^ 1 : byte));
      expect(authenticates(protocol, secret, fromHex(vector.newPinEnc), wrong)).toBe(false);
    }
  });

  test("gives the token", () => {
    const iv = fromHex(vector.pinUvAuthTokenEncIv ?? "");
    const token = hex(device["pinUvAuthToken"]);
    expect(toHex(protocol.encrypt(secret, token, () => iv))).toBe(vector.pinUvAuthTokenEnc.toUpperCase());
    const param = fromHex(vector.pinUvAuthParamClientDataHash);
    expect(authenticates(protocol, token, hex(common["clientDataHash"]), param)).toBe(true);
  });

  test.each(vector.hmacSecret)("hmac-secret: $salts salts, UV $uv", (one) => {
    const authenticator = SimulatedAuthenticator.create(repeatableWorld("vectors"));
    authenticator.session.keyAgreement = own;
    const members: [number, unknown][] = [
      [1, decodeCbor(fromHex(vector.platformCoseKeyCbor))],
      [2, fromHex(one.saltEnc)],
      [3, fromHex(one.saltAuth)],
      [4, vector.protocol],
    ];
    const input = new RequestMap(new Map(members));
    if (one.request !== undefined) {
      const sent = RequestMap.parse(fromHex(one.request).subarray(1)).map(4).map("hmac-secret");
      expect(toHex(sent.encoded())).toBe(toHex(input.encoded()));
    }
    const opened = openHmacSecretInput(authenticator, input);
    const credRandom = hex(device[one.uv ? "credRandomWithUV" : "credRandomWithoutUV"]);
    const output = hmacSecretOutput(opened, credRandom, () => fromHex(one.outputEnc).slice(0, 16));
    expect(toHex(output)).toBe(one.outputEnc.toUpperCase());
    if (one.authData === undefined) return;
    const authData = encodeAuthData({
      rpIdHash: hex(common["rpIdHash"]),
      userPresent: true,
      userVerified: one.uv,
      signatures: 7,
      extensions: new Map([["hmac-secret", output]]),
    });
    expect(toHex(authData)).toBe(one.authData.toUpperCase());
  });

  test("whole requests: the PIN that they set is the one that they then get a token with", async () => {
    const authenticator = SimulatedAuthenticator.create(repeatableWorld("vectors"));
    authenticator.session.keyAgreement = own;
    const agreement = await authenticator.ctap(fromHex(vector.requests.getKeyAgreement));
    expect(toHex(agreement)).toBe(device["getKeyAgreementResponse"]?.toUpperCase());
    expect(toHex(await authenticator.ctap(fromHex(vector.requests.setPin)))).toBe("00");
    const hash = createHash("sha256").update(utf8Bytes("pässwörd-✓")).digest();
    expect(toHex(authenticator.state.pin?.hash ?? new Uint8Array(0))).toBe(toHex(new Uint8Array(hash)).slice(0, 32));
    // Their token is for another PIN, 1234.
    expect(toHex(await authenticator.ctap(fromHex(vector.requests.getPinToken)))).toBe("31");
    authenticator.session.keyAgreement = own;
    authenticator.state.pin = { hash: hex(common["pinHash16"]), triesLeft: 8 };
    expect(toHex(await authenticator.ctap(fromHex(vector.requests.getPinToken)))).toMatch(/^00A10258(20|30)/);
  });
});

function hex(text: string | undefined): Uint8Array {
  return fromHex(text ?? "");
}

function upper(name: string): string | undefined {
  return common[name]?.toUpperCase();
}
