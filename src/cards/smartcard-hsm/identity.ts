import { createHash } from "node:crypto";
import { toHex } from "../../bytes/hex.ts";
import { readTlv } from "../../bytes/tlv.ts";
import { type Cvc, type DeviceCertificates, parseDeviceCertificates } from "../../crypto/cvc/cvc.ts";
import { knownRoots, verifyDeviceChain } from "../../crypto/cvc/cvc-chain.ts";
import { HsmError } from "../../errors.ts";
import type { TokenIdentity } from "./token-status.ts";

/** The sequence number at the end of a holder reference: `DENK0105213` + `00000`. */
const sequenceLength = 5;

/**
 * Who a token is, from EF 2F02 (reference 04, sections 4.5 and 4.6). A missing, broken or unattested certificate is a
 * verdict and no exception: such a token must still be shown.
 * @param ef2F02 empty when the token has no certificate yet (Pico HSM before its first initialisation)
 */
export function identityOf(ef2F02: Uint8Array): TokenIdentity {
  if (ef2F02.length === 0)
    return unnamed("", { status: "not-verifiable", reason: "the token has no device certificate" });
  try {
    const { device, others } = certificatesIn(ef2F02);
    const chain = verifyDeviceChain(device, others, knownRoots);
    return {
      key: hash(keyMaterial(device)),
      serial: device.chr.length > sequenceLength ? device.chr.slice(0, -sequenceLength) : device.chr,
      chr: device.chr,
      chain,
      simulated: chain.status === "verified" && chain.root.kind === "simulated",
    };
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    return unnamed(hash(ef2F02), { status: "invalid", problem: "unreadable", reason: error.message });
  }
}

/**
 * pico-hsm 6.6 puts a request without outer CAR (an empty 42) before its certificate: recording 05. What is wrong with
 * the request must not hide the certificate behind it.
 */
export function certificatesIn(ef2F02: Uint8Array): DeviceCertificates {
  try {
    return parseDeviceCertificates(ef2F02);
  } catch (error) {
    const first = readTlv(ef2F02, "EF 2F02");
    if (first.tag !== 0x67 || first.raw.length === ef2F02.length) throw error;
    return parseDeviceCertificates(ef2F02.subarray(first.raw.length));
  }
}

function unnamed(key: string, chain: TokenIdentity["chain"]): TokenIdentity {
  return { key, serial: "", chr: "", chain, simulated: false };
}

function keyMaterial({ publicKey }: Cvc): Uint8Array {
  return publicKey.kind === "ec" ? publicKey.point : publicKey.modulus;
}

function hash(bytes: Uint8Array): string {
  return toHex(createHash("sha256").update(bytes).digest()).toLowerCase();
}
