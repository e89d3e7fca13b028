import { HsmError } from "../errors.ts";

/** A response APDU. */
export interface ResponseApdu {
  readonly data: Uint8Array;
  /** Status word, SW1 and SW2 as one number: `0x9000`. */
  readonly sw: number;
}

/** @throws HsmError `RESPONSE_INVALID` when there is not even a status word */
export function decodeResponse(bytes: Uint8Array): ResponseApdu {
  if (bytes.length < 2) {
    throw new HsmError(
      "RESPONSE_INVALID",
      "unexpected",
      `the card answered ${bytes.length} bytes, a status word has 2`,
      {
        advice: "clean the contacts and insert the card again; `hsmadm doctor` shows the raw bytes",
      },
    );
  }
  const sw = (bytes[bytes.length - 2] as number) * 256 + (bytes[bytes.length - 1] as number);
  return { data: bytes.subarray(0, bytes.length - 2), sw };
}

export function encodeResponse(response: ResponseApdu): Uint8Array {
  const bytes = new Uint8Array(response.data.length + 2);
  bytes.set(response.data);
  bytes[bytes.length - 2] = response.sw >> 8;
  bytes[bytes.length - 1] = response.sw & 0xff;
  return bytes;
}
