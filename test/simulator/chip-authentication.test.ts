import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { concat, equal } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { encodeTlv, findTlv, readTlv, readTlvs } from "../../src/bytes/tlv.ts";
import { aesCmac } from "../../src/crypto/aes-cmac.ts";
import { curveByName } from "../../src/crypto/curves/curves.ts";
import { multiplyPoint, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { parseDeviceCertificates } from "../../src/crypto/cvc/cvc.ts";
import type { SimulatedToken } from "../../src/simulator/simulator.ts";
import { length, selectApplet, selected, send, sendAll } from "./support/token.ts";

const oid = "04007F00070202030202";
const announce = `002241A40C800A${oid}`;
const curve = curveByName("brainpoolP256r1");
const scalar = new Uint8Array(32).fill(0x17);
const ephemeral = curve === undefined ? new Uint8Array(0) : publicPointOf(curve, scalar);

function authenticate(point: Uint8Array): string {
  const data = toHex(encodeTlv(0x7c, encodeTlv(0x80, point)));
  return `00860000${length(data)}${data}00`;
}

/** What the token says, checked by hand against the public key of its certificate (reference 07 section 7.4). */
function proves(token: SimulatedToken, answer: string): boolean {
  const { device } = parseDeviceCertificates(token.state.device?.certificates ?? new Uint8Array(0));
  if (curve === undefined || device.publicKey.kind !== "ec") return false;
  const objects = readTlvs(readTlv(fromHex(answer.slice(0, -4)), "answer").value, "answer");
  const [nonce, proof] = [0x81, 0x82].map((tag) => findTlv(objects, tag)?.value ?? new Uint8Array(0));
  if (nonce?.length !== 8 || proof?.length !== 8) return false;
  const secret = multiplyPoint(curve, scalar, device.publicKey.point).subarray(1, 33);
  const key = createHash("sha1")
    .update(concat(secret, nonce, fromHex("00000002")))
    .digest()
    .subarray(0, 16);
  const signed = concat(fromHex(`7F494F060A${oid}8641`), ephemeral);
  return equal(aesCmac(key, signed).subarray(0, 8), proof);
}

describe("chip authentication of a genuine token", () => {
  test("proves the private half of the device certificate, with a fresh nonce each time", async () => {
    const token = await selected("genuine");
    const [, first, second] = await sendAll(token, announce, authenticate(ephemeral), authenticate(ephemeral));
    expect(first).toMatch(/^7C148108[0-9A-F]{16}8208[0-9A-F]{16}9000$/);
    expect(proves(token, first ?? "")).toBe(true);
    expect(proves(token, second ?? "")).toBe(true);
    expect(first).not.toBe(second);
    const clone = await selected("genuine", "a clone with another key");
    expect(proves(clone, first ?? "")).toBe(false);
  });

  test("needs to be announced, with a mechanism the token has, and not before the last SELECT", async () => {
    const token = await selected("genuine");
    const go = authenticate(ephemeral);
    const tripleDes = announce.replace(/02$/, "01");
    expect(await sendAll(token, go, tripleDes, go)).toEqual(["6985", "6A88", "6985"]);
    expect((await sendAll(token, announce, selectApplet, go)).at(-1)).toBe("6985");
  });

  test("refuses what is no point of its curve, and no template", async () => {
    const token = await selected("genuine");
    await send(token, announce);
    const off = ephemeral.slice();
    off[64] = (off[64] ?? 0) ^ 1;
    expect(await sendAll(token, authenticate(off), authenticate(new Uint8Array(3)), "0086000002300000")).toEqual([
      "6A80",
      "6A80",
      "6A80",
    ]);
  });
});
