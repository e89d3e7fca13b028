/**
 * `seal RECIPIENT IN OUT` and `open KEYFILE IN OUT`: files through src/crypto/age, for bench/age.ts to time beside `age`.
 */
import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { openAgeFile, sealAgeFile } from "../src/crypto/age/age-file.ts";
import type { ByteSource } from "../src/crypto/age/chunker.ts";
import { parseX25519Identity, parseX25519Recipient, unwrapX25519, wrapX25519 } from "../src/crypto/age/x25519.ts";

const [verb, key = "", from = "", to = ""] = process.argv.slice(2);
// Large pieces: a trip through the event loop costs more than sealing 64 KiB.
const pieces = { highWaterMark: 1024 * 1024 };

async function* sealing(source: ByteSource): AsyncGenerator<Uint8Array> {
  const fileKey = new Uint8Array(randomBytes(16));
  yield* sealAgeFile([wrapX25519(fileKey, parseX25519Recipient(key))], fileKey, source);
}

async function* opening(source: ByteSource): AsyncGenerator<Uint8Array> {
  const { secret } = parseX25519Identity(readFileSync(key, "utf8").trim());
  const { payload } = await openAgeFile(source, async ([stanza]) =>
    stanza === undefined ? null : unwrapX25519(stanza, secret),
  );
  yield* payload;
}

await pipeline(createReadStream(from, pieces), verb === "seal" ? sealing : opening, createWriteStream(to, pieces));
