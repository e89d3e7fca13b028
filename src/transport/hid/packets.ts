/** Bytes of every CTAPHID packet. */
export const packetLength = 64;
/** The channel on which a program asks for one of its own. */
export const broadcastChannel = 0xffffffff;

const firstHead = 7;
const continuationHead = 5;
const firstData = packetLength - firstHead;
const continuationData = packetLength - continuationHead;
const mostContinuations = 128;
/** 7609 bytes: the first packet and as many more as there are sequence numbers. */
export const longestMessage = firstData + mostContinuations * continuationData;

export type Packet = FirstPacket | ContinuationPacket;

export interface FirstPacket {
  readonly kind: "first";
  readonly channel: number;
  /** Without bit 80. */
  readonly command: number;
  /** Bytes of the whole message, 0-65535 as the packet says. */
  readonly length: number;
  /** What of the message is in this packet; padding is cut off. */
  readonly data: Uint8Array;
}

export interface ContinuationPacket {
  readonly kind: "continuation";
  readonly channel: number;
  /** From 0. */
  readonly sequence: number;
  /** Padding included: only who has the first packet knows where the message ends. */
  readonly data: Uint8Array;
}

/**
 * A message in packets, zero-padded.
 * @param payload at most {@link longestMessage} bytes
 * @throws RangeError when it is longer
 */
export function packetsOf(channel: number, command: number, payload: Uint8Array): Uint8Array[] {
  if (payload.length > longestMessage) throw new RangeError(`a CTAPHID message has at most ${longestMessage} bytes`);
  const first = emptyPacket(channel);
  first[4] = command | 0x80;
  first[5] = payload.length >> 8;
  first[6] = payload.length & 0xff;
  first.set(payload.subarray(0, firstData), firstHead);
  const packets = [first];
  for (let at = firstData; at < payload.length; at += continuationData) {
    const packet = emptyPacket(channel);
    packet[4] = packets.length - 1;
    packet.set(payload.subarray(at, at + continuationData), continuationHead);
    packets.push(packet);
  }
  return packets;
}

/** Reads any bytes; what is missing to 64 is read as zeros. */
export function readPacket(report: Uint8Array): Packet {
  const bytes = new Uint8Array(packetLength);
  bytes.set(report.subarray(0, packetLength));
  const view = new DataView(bytes.buffer);
  const channel = view.getUint32(0);
  const mark = view.getUint8(4);
  if ((mark & 0x80) === 0) {
    return { kind: "continuation", channel, sequence: mark, data: bytes.slice(continuationHead) };
  }
  const length = view.getUint16(5);
  return { kind: "first", channel, command: mark & 0x7f, length, data: bytes.slice(firstHead, firstHead + length) };
}

function emptyPacket(channel: number): Uint8Array {
  const packet = new Uint8Array(packetLength);
  new DataView(packet.buffer).setUint32(0, channel);
  return packet;
}
