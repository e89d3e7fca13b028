import { describe, expect, test } from "vitest";
import { concat, equal } from "../../../src/bytes/bytes.ts";
import { openAgeFile, sealAgeFile } from "../../../src/crypto/age/age-file.ts";
import { encodeArmor } from "../../../src/crypto/age/armor.ts";
import { newX25519Identity, parseX25519Identity, unwrapX25519, wrapX25519 } from "../../../src/crypto/age/x25519.ts";
import { flipped, refusalOf } from "../refusal.ts";

const { secret, publicKey } = parseX25519Identity(newX25519Identity().identity);
const fileKey = Uint8Array.from({ length: 16 }, (_, i) => 3 * i);
const plain = new Uint8Array(100_000).fill(0x5a);

const unwrap = async (stanzas: Parameters<Parameters<typeof openAgeFile>[1]>[0]): Promise<Uint8Array | null> => {
  const [first] = stanzas;
  return first === undefined ? null : unwrapX25519(first, secret);
};

async function collected(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return concat(...parts);
}

const sealed = await collected(sealAgeFile([wrapX25519(fileKey, publicKey)], fileKey, [plain]));

/** The file in pieces of a size, counting what was asked for and whether it was closed. */
function watched(
  file: Uint8Array,
  size: number,
): { source: AsyncGenerator<Uint8Array>; asked: number; closed: boolean } {
  const watch = { asked: 0, closed: false, source: pieces() };
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < file.length; at += size) {
        watch.asked++;
        yield file.subarray(at, at + size);
      }
    } finally {
      watch.closed = true;
    }
  }
  return watch;
}

describe("age files", () => {
  test("are opened before their payload is read, and their source is closed at its end", async () => {
    const watch = watched(sealed, 1000);
    const { header, payload } = await openAgeFile(watch.source, unwrap);
    expect([header.stanzas.map(({ type }) => type), watch.asked, watch.closed]).toEqual([["X25519"], 1, false]);
    expect(equal(await collected(payload), plain)).toBe(true);
    expect(watch.closed).toBe(true);
  });

  test("whose reader goes away close their source", async () => {
    const watch = watched(sealed, 1000);
    const { payload } = await openAgeFile(watch.source, unwrap);
    for await (const _ of payload) break;
    expect(watch.closed).toBe(true);
  });

  test.each([
    ["nobody's key", "AGE_NO_MATCH", sealed, async () => null],
    ["another file's key", "AGE_MAC_WRONG", sealed, async () => new Uint8Array(16)],
    ["a stanza malformed", "AGE_FILE_INVALID", flipped(sealed, 22), unwrap],
    ["nothing at all", "AGE_FILE_INVALID", new Uint8Array(0), unwrap],
    ["armor around it", "AGE_FILE_INVALID", encodeArmor(sealed), unwrap],
  ] as const)("%s: refused, and the source closed", async (_, code, file, how) => {
    const watch = watched(file, 100);
    expect((await refusalOf(openAgeFile(watch.source, how))).code).toBe(code);
    expect(watch.closed).toBe(true);
  });

  test("whose header does not end are not read for ever", async () => {
    let asked = 0;
    function* endless(): Generator<Uint8Array> {
      const lines = new Uint8Array(1024 * 1024).fill(0x41);
      for (;;) {
        asked++;
        yield lines;
      }
    }
    expect((await refusalOf(openAgeFile(endless(), unwrap))).code).toBe("AGE_FILE_INVALID");
    expect(asked).toBeLessThan(20);
  });

  test("leave the file key of whoever unwrapped it wiped", async () => {
    let given = new Uint8Array(0);
    const { payload } = await openAgeFile([sealed], async (stanzas) => {
      given = new Uint8Array((await unwrap(stanzas)) ?? []);
      return given;
    });
    expect(given).toEqual(new Uint8Array(16));
    expect(equal(await collected(payload), plain)).toBe(true);
  });
});
