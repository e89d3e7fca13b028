import type { CardCommand } from "../../../apdu/card-command.ts";
import { SW } from "../../../apdu/status-word.ts";
import { bigEndian, concat } from "../../../bytes/bytes.ts";
import { encodeTlv, findTlv, readTlv, readTlvs, type Tlv } from "../../../bytes/tlv.ts";
import { HsmError } from "../../../errors.ts";
import { fileIds } from "../file-ids.ts";

/** What the card itself ties to a key (reference 03, section 3.9). */
export interface KeyMetadata {
  /** Uses left; `null` for no limit. */
  readonly usesLeft: number | null;
  /** Permitted algorithm identifiers; `null` for all that the key can do. */
  readonly algorithms: readonly number[] | null;
  /** Key domain whose key wraps it; `null` where the card does not say, which means the first. */
  readonly domain: number | null;
}

/** Tags of the metadata, the same in the commands that make a key and in the answer to SELECT. */
const tags = { useCounter: 0x90, algorithms: 0x91, domain: 0x92 } as const;
const template = 0xa5;
const unlimited = 0xffff_ffff;
/** The counter of an unlimited key is not written; the largest limit is one below it. */
export const largestUseCounter = unlimited - 1;

/** The data objects 90-92 for a key to be made. */
export function encodeKeyMetadata(metadata: Partial<KeyMetadata>): Uint8Array {
  const { usesLeft, algorithms, domain } = metadata;
  const parts: Uint8Array[] = [];
  if (typeof usesLeft === "number") parts.push(encodeTlv(tags.useCounter, bigEndian(usesLeft, 4)));
  if (algorithms) parts.push(encodeTlv(tags.algorithms, Uint8Array.from(algorithms)));
  if (typeof domain === "number") parts.push(encodeTlv(tags.domain, Uint8Array.of(domain)));
  return concat(...parts);
}

/** Whether the metadata allow an algorithm; where nothing is known the card is asked. */
export function allows(metadata: KeyMetadata | null, algorithm: number): boolean {
  const list = metadata?.algorithms ?? null;
  return list === null || list.includes(algorithm);
}

/**
 * SELECT of the key's own file: newer cards answer with its metadata in template A5 (reference 01, section 1.5). It
 * ends no login. `null` from cards that do not tell.
 */
export function selectKey(ref: number): CardCommand<KeyMetadata | null> {
  return {
    name: "SELECT key",
    apdu: { cla: 0x00, ins: 0xa4, p1: 0x00, p2: 0x00, data: bigEndian(fileIds.key + ref, 2), le: 256 },
    parse: ({ data, sw }) => (sw === SW.ok ? decodeKeyMetadata(data) : null),
  };
}

/** Reads FCI (6F) or FCP (62). What cannot be read is not known: `null`, no error, the key may be used all the same. */
export function decodeKeyMetadata(answer: Uint8Array): KeyMetadata | null {
  try {
    const outer = readTlv(answer, "answer to SELECT");
    const found = findTlv(readTlvs(outer.value, "template of SELECT"), template);
    if (found === undefined || (outer.tag !== 0x6f && outer.tag !== 0x62)) return null;
    const objects = readTlvs(found.value, "metadata of the key");
    const algorithms = findTlv(objects, tags.algorithms)?.value;
    return {
      usesLeft: usesIn(findTlv(objects, tags.useCounter)),
      algorithms: algorithms === undefined || algorithms.length === 0 ? null : [...algorithms],
      domain: findTlv(objects, tags.domain)?.value[0] ?? null,
    };
  } catch (error) {
    if (error instanceof HsmError) return null;
    throw error;
  }
}

function usesIn(counter: Tlv | undefined): number | null {
  if (counter?.value.length !== 4) return null;
  const uses = counter.value.reduce((sum, byte) => sum * 256 + byte, 0);
  return uses === unlimited ? null : uses;
}
