import { bigEndian, concat } from "../../bytes/bytes.ts";

/** Packets of CTAPHID, the device's side (reference section 3). */

export const packetLength = 64;
export const broadcastChannel = 0xffff_ffff;

export const hidCommand = {
  ping: 0x01,
  message: 0x03,
  init: 0x06,
  wink: 0x08,
  cbor: 0x10,
  cancel: 0x11,
  keepAlive: 0x3b,
  error: 0x3f,
  /** One of those that makers may give a meaning: Pico FIDO's. */
  vendor: 0x41,
} as const;

export const hidError = {
  invalidCommand: 0x01,
  invalidLength: 0x03,
  invalidSequence: 0x04,
  timeout: 0x05,
  busy: 0x06,
  invalidChannel: 0x0b,
} as const;

const initBit = 0x80;
const initData = packetLength - 7;
const continuationData = packetLength - 5;
/** 57 + 128 · 59 */
export const longestMessage = initData + 128 * continuationData;

export type HidPacket =
  | {
      readonly kind: "init";
      readonly channel: number;
      readonly command: number;
      readonly length: number;
      readonly data: Uint8Array;
    }
  | { readonly kind: "continuation"; readonly channel: number; readonly sequence: number; readonly data: Uint8Array };

/** `null` for what has not the length of a packet. */
export function parsePacket(packet: Uint8Array): HidPacket | null {
  if (packet.length !== packetLength) return null;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const channel = view.getUint32(0);
  const third = view.getUint8(4);
  if ((third & initBit) === 0) return { kind: "continuation", channel, sequence: third, data: packet.subarray(5) };
  return { kind: "init", channel, command: third & ~initBit, length: view.getUint16(5), data: packet.subarray(7) };
}

/** A message in packets. */
export function packetsOf(channel: number, command: number, data: Uint8Array): Uint8Array[] {
  const head = concat(bigEndian(channel, 4), Uint8Array.of(command | initBit), bigEndian(data.length, 2));
  const packets = [padded(concat(head, data.subarray(0, initData)))];
  for (let at = initData, sequence = 0; at < data.length; at += continuationData, sequence++) {
    const part = data.subarray(at, at + continuationData);
    packets.push(padded(concat(bigEndian(channel, 4), Uint8Array.of(sequence), part)));
  }
  return packets;
}

function padded(bytes: Uint8Array): Uint8Array {
  const packet = new Uint8Array(packetLength);
  packet.set(bytes);
  return packet;
}
