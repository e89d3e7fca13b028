import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { encodeTlv, readTlv } from "../../../src/bytes/tlv.ts";
import { chipAuthenticationToken } from "../../../src/cards/smartcard-hsm/public-key-authentication/chip-authentication.ts";
import { custodianMessage } from "../../../src/cards/smartcard-hsm/public-key-authentication/public-key-authentication.ts";
import { SmartCardHsm } from "../../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { curveByName } from "../../../src/crypto/curves/curves.ts";
import { multiplyPoint } from "../../../src/crypto/curves/ec-keys.ts";
import { ecdsaVerify } from "../../../src/crypto/curves/ecdsa.ts";
import { parseAuthenticatedRequest, parseDeviceCertificates } from "../../../src/crypto/cvc/cvc.ts";
import { HsmError } from "../../../src/errors.ts";
import { type Exchange, noCertificate, ScriptedChannel, select } from "../support/scripted-channel.ts";

function vector(name: string): Record<string, Record<string, string>> {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8"));
}

const { pka = {} } = vector("pka_xkek");
const pki = vector("sim_pki") as unknown as Record<string, string>;
const bytes = (hex: string | undefined) => fromHex(hex ?? "");

/** READ BINARY of EF 2F02 with the certificates of the generated PKI. */
const certificates: Exchange = ["00B12F02 000004 54020000 0000", `${pki["ef_2f02"]} 9000`];

async function opened(...script: Exchange[]): Promise<{ card: SmartCardHsm; channel: ScriptedChannel }> {
  const channel = new ScriptedChannel(select(), ...script);
  return { card: await SmartCardHsm.open(channel), channel };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "nothing was thrown",
    (error: unknown) => (error instanceof HsmError ? `${error.kind} ${error.code}` : String(error)),
  );
}

const chrObject = (chr: string) => toHex(encodeTlv(0x83, new TextEncoder().encode(chr)));
const short = (head: string, data: string) => `${head}${(data.length / 2).toString(16).padStart(2, "0")}${data}`;

describe("the login of a custodian, byte for byte", () => {
  test("what is signed, and the command that presents it, are those of the vector", async () => {
    const message = custodianMessage(pka["device_chr"] ?? "", bytes(pka["challenge"]));
    expect(toHex(message)).toBe(pka["signed_data"]);
    const curve = curveByName("secp256r1") ?? curveByName("brainpoolP256r1");
    const point = bytes(pka["custodian_public"]);
    const signature = bytes(pka["signature_plain"]);
    const curves = ["secp256r1", "brainpoolP256r1", "secp256k1"].map((name) => curveByName(name));
    expect(curve).toBeDefined();
    expect(curves.some((each) => each && ecdsaVerify(each, point, message, "sha256", signature))).toBe(true);

    const { card, channel } = await opened(
      [short("002281A4", chrObject("UTCC000000200001")), "9000"],
      ["0084000008", `${pka["challenge"]} 9000`],
      [pka["external_authenticate"]?.replaceAll(" ", "") ?? "", "9000"],
      ["8054000000", "03000201 9000"],
    );
    expect(await card.publicKeys.select("UTCC000000200001")).toBe("known");
    expect(await card.publicKeys.challenge()).toEqual(bytes(pka["challenge"]));
    await card.publicKeys.authenticate(signature);
    expect(await card.publicKeys.status()).toEqual({ total: 3, missing: 0, required: 2, authenticated: 1 });
    expect(channel.left).toBe(0);
  });

  test.each([
    ["6A88", "unknown"],
    ["6985", "done"],
  ] as const)("a key that answers %s is %s", async (sw, state) => {
    const { card } = await opened([short("002281A4", chrObject("A")), sw]);
    expect(await card.publicKeys.select("A")).toBe(state);
  });

  test.each(["6300", "6982", "6985", "6A80"])("a signature that is refused with %s", async (sw) => {
    const { card } = await opened([`0082000040${pka["signature_plain"]}`, sw]);
    expect(await codeOf(card.publicKeys.authenticate(bytes(pka["signature_plain"])))).toBe(
      "authentication PKA_SIGNATURE_REFUSED",
    );
  });
});

describe("status", () => {
  test.each(["6D00", "6A86", "6985", "6A88"])("%s: not set up for it", async (sw) => {
    const { card } = await opened(["8054000000", sw]);
    expect(await card.publicKeys.status()).toBeNull();
  });

  test.each(["030002", "02030100", "02000300", "02000003", "02000000"])(
    "counts %s that make no sense",
    async (counts) => {
      const { card } = await opened(["8054000000", `${counts} 9000`]);
      expect(await codeOf(card.publicKeys.status())).toBe("check-failed PKA_ANSWER_MALFORMED");
    },
  );

  test("keys are listed where the token tells them, empty places left out", async () => {
    const name = (chr: string) => toHex(new TextEncoder().encode(chr));
    const { card } = await opened(
      ["8054020000", `${name("AB00001")} 9000`],
      ["8054020100", "6A88"],
      ["8054020200", `${name("CD00001")} 9001`],
    );
    expect(await card.publicKeys.keys(3)).toEqual([
      { index: 0, chr: "AB00001", authenticated: false },
      { index: 2, chr: "CD00001", authenticated: true },
    ]);
    const other = await opened(["8054020000", "6A86"]);
    expect(await other.card.publicKeys.keys(3)).toBeNull();
  });
});

describe("registration", () => {
  const requestBytes = bytes(pki["ec_p256_request"]);
  const request = parseAuthenticatedRequest(requestBytes);
  const { device, others } = parseDeviceCertificates(bytes(pki["ef_2f02"]));
  const chain = [...others.filter(({ chr }) => chr === device.car), device];
  const content = (raw: Uint8Array) => toHex(readTlv(raw, "object").value);
  const named = (chr: string, sw: string): Exchange => [short("002281B6", chrObject(chr)), sw];
  const register: Exchange = [
    `8054000000${(content(requestBytes).length / 2).toString(16).padStart(4, "0")}${content(requestBytes)}0100`,
    "03020200 9000",
  ];
  const [issuer = device] = chain;
  const credentials = { requestBytes, request, certificates: chain };

  test("issuer, device and request are verified from the top down", async () => {
    const { card, channel } = await opened(
      named(issuer.chr, "6A88"),
      named(issuer.car, "9000"),
      [short("002A00BE", content(issuer.raw)), "9000"],
      named(device.chr, "6A88"),
      named(device.car, "9000"),
      [short("002A00BE", content(device.raw)), "9000"],
      named(request.outerCar, "9000"),
      register,
    );
    expect(await card.publicKeys.register(credentials)).toMatchObject({ missing: 2 });
    expect(channel.left).toBe(0);
  });

  test("what the token knows is not sent again", async () => {
    const { card } = await opened(
      named(issuer.chr, "9000"),
      named(device.chr, "9000"),
      named(request.outerCar, "9000"),
      register,
    );
    expect(await card.publicKeys.register(credentials)).toMatchObject({ total: 3 });
  });

  test("refusals, each with its own error", async () => {
    const known = [named(issuer.chr, "9000"), named(device.chr, "9000"), named(request.outerCar, "9000")];
    const answered = (sw: string): Exchange => [register[0], sw];
    const outcome = async (...script: Exchange[]) =>
      codeOf((await opened(...script)).card.publicKeys.register(credentials));
    expect(await outcome(named(issuer.chr, "6A88"), named(issuer.car, "6A88"))).toBe("conflict PKA_ISSUER_UNKNOWN");
    const bad: Exchange = [short("002A00BE", content(issuer.raw)), "6985"];
    expect(await outcome(named(issuer.chr, "6A88"), named(issuer.car, "9000"), bad)).toBe(
      "check-failed PKA_CERTIFICATE_REFUSED",
    );
    // Only 6A88 means "not known yet"; other answers are no invitation to go on.
    expect(await outcome(named(issuer.chr, "6A86"))).toBe("not-supported PKA_NOT_SET_UP");
    expect(await outcome(...known, answered("6A84"))).toBe("conflict PKA_FULL");
    expect(await outcome(...known, answered("6982"))).toBe("authentication NOT_LOGGED_IN");
    expect(await outcome(...known, answered("6985"))).toBe("check-failed PKA_KEY_REFUSED");
    expect(await outcome(...known, answered("6D00"))).toBe("not-supported PKA_NOT_SET_UP");
  });
});

describe("proof that the token has its device key", () => {
  const brainpool = curveByName("brainpoolP256r1");
  const offer = "002241A40C800A04007F00070202030202";

  /** Answers with the private key given, as a card does. */
  async function proof(privateKey: string, change: (answer: Uint8Array) => Uint8Array = (answer) => answer) {
    const channel = new ScriptedChannel(select(), certificates, [offer, "9000"]);
    const scripted = channel.transceive.bind(channel);
    const sent: string[] = [];
    channel.transceive = async (command) => {
      sent.push(toHex(command).slice(0, 8));
      if (command[1] === 0x86) {
        const ephemeral = command.slice(9, 9 + 65);
        if (brainpool === undefined) throw new Error("no curve");
        const secret = multiplyPoint(brainpool, bytes(privateKey), ephemeral).slice(1, 33);
        const nonce = fromHex("0102030405060708");
        const token = chipAuthenticationToken(secret, nonce, ephemeral);
        return concat(change(encodeTlv(0x7c, encodeTlv(0x81, nonce), encodeTlv(0x82, token))), fromHex("9000"));
      }
      if (command[1] === 0xa4 && sent.length > 1) return fromHex("6F0A8201788505000100 0401 9000".replaceAll(" ", ""));
      return scripted(command);
    };
    const card = await SmartCardHsm.open(channel);
    return { result: await card.proveDeviceKey(), sent };
  }

  test("who has it is believed, and the applet is selected again", async () => {
    const { result, sent } = await proof(pki["device_private"] ?? "");
    expect(result).toEqual({ status: "proved" });
    expect(sent.slice(-3)).toEqual(["002241A4", "00860000", "00A40400"]);
  });

  test("a copy of the certificate is found out", async () => {
    expect((await proof(pki["dica_private"] ?? "")).result).toMatchObject({ status: "failed" });
  });

  test("a token of no bytes, or half of one, proves nothing", async () => {
    for (const length of [0, 4, 7]) {
      const { result } = await proof(pki["device_private"] ?? "", (answer) => {
        const nonce = answer.slice(4, 12);
        return encodeTlv(0x7c, encodeTlv(0x81, nonce), encodeTlv(0x82, answer.slice(14, 14 + length)));
      });
      expect(result, String(length)).toMatchObject({ status: "failed" });
    }
    expect((await proof(pki["device_private"] ?? "", () => fromHex("7C"))).result).toMatchObject({ status: "failed" });
  });

  test.each(["6A88", "6D00", "6E00", "6A80"])("a token that answers %s to the offer has not proved it", async (sw) => {
    const { card } = await opened(certificates, [offer, sw], select());
    expect(await card.proveDeviceKey()).toEqual({
      status: "not-proved",
      reason: "the token does not offer chip authentication",
    });
  });

  test("without a certificate there is nothing to prove", async () => {
    const { card } = await opened(noCertificate);
    expect(await card.proveDeviceKey()).toMatchObject({ status: "not-proved" });
  });
});
