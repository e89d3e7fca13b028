import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { longestMessage, packetLength, packetsOf, readPacket } from "../../../src/transport/hid/packets.ts";
import { PartialMessage } from "../../../src/transport/hid/partial-message.ts";

function joined(packets: readonly Uint8Array[]): Uint8Array | null {
  const [first, ...more] = packets.map(readPacket);
  if (first?.kind !== "first") return null;
  const message = PartialMessage.begin(first);
  for (const packet of more) if (packet.kind !== "continuation" || message?.add(packet) !== true) return null;
  return message?.complete ?? null;
}

describe("CTAPHID packets", () => {
  test("the longest message has 129 packets", () => {
    expect(longestMessage).toBe(7609);
    const packets = packetsOf(1, 0x10, new Uint8Array(longestMessage).fill(7));
    expect(packets).toHaveLength(129);
    expect(packets.at(-1)?.[4]).toBe(0x7f);
    expect(() => packetsOf(1, 0x10, new Uint8Array(longestMessage + 1))).toThrow(RangeError);
  });

  test.each([0, 1, 57, 58, 116, 117])("%i bytes", (length) => {
    const packets = packetsOf(0xdeadbeef, 0x10, new Uint8Array(length).fill(0x5a));
    expect(packets).toHaveLength(1 + Math.max(0, Math.ceil((length - 57) / 59)));
    expect(toHex(packets[0]?.slice(0, 7) ?? new Uint8Array())).toBe(`DEADBEEF9000${toHex(Uint8Array.of(length))}`);
  });

  test("what was taken apart is put together", () => {
    const payload = fc.uint8Array({ maxLength: longestMessage });
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0x7f), payload, (channel, command, bytes) => {
        const packets = packetsOf(channel, command, bytes);
        for (const packet of packets) {
          expect(packet).toHaveLength(packetLength);
          expect(readPacket(packet).channel).toBe(channel);
        }
        expect(joined(packets)).toEqual(bytes);
      }),
      { numRuns: 50 },
    );
  });

  test("two packets exchanged, or one missing, and nothing is put together", () => {
    const payload = fc.uint8Array({ minLength: 200, maxLength: 2000 });
    fc.assert(
      fc.property(payload, fc.nat(), (bytes, seed) => {
        const packets = packetsOf(1, 0x10, bytes);
        const at = 1 + (seed % (packets.length - 2));
        const swapped = packets.with(at, packets[at + 1] as Uint8Array).with(at + 1, packets[at] as Uint8Array);
        expect(joined(swapped)).toBeNull();
        expect(joined(packets.toSpliced(at, 1))).toBeNull();
      }),
    );
  });

  test("any bytes can be read", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const packet = readPacket(bytes);
        expect(packet.data.length).toBeLessThanOrEqual(packetLength);
        if (packet.kind === "first") PartialMessage.begin(packet);
      }),
    );
    expect(readPacket(fromHex("0102"))).toMatchObject({ kind: "continuation", channel: 0x01020000 });
  });
});
