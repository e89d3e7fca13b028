/**
 * `seal RECIPIENT IN OUT` and `open KEYFILE IN OUT`: files through src/crypto/age, for bench/age.ts to time beside `age`.
 */
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { openAgeFile, sealAgeFile } from "../src/crypto/age/age-file.ts";
import type { ByteSource } from "../src/crypto/age/chunker.ts";
import { parseX25519Identity, parseX25519Recipient, unwrapX25519, wrapX25519 } from "../src/crypto/age/x25519.ts";

const [verb, key = "", from = "", to = ""] = process.argv.slice(2);
const pieceBytes = 1024 * 1024;

/**
 * A file in two buffers that take turns: one is read into while the other is used. Fresh buffers, as a stream has them,
 * cost a page fault for every 4 KiB; they alone would be a third of the time.
 */
async function* pieces(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  try {
    let [now, next] = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)];
    for (let reading = file.read(now); ; ) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      reading = file.read(next);
      yield now.subarray(0, bytesRead);
      [now, next] = [next, now];
    }
  } finally {
    await file.close();
  }
}

function sealed(source: ByteSource): AsyncGenerator<Uint8Array> {
  const fileKey = new Uint8Array(randomBytes(16));
  return sealAgeFile([wrapX25519(fileKey, parseX25519Recipient(key))], fileKey, source);
}

async function opened(source: ByteSource): Promise<AsyncGenerator<Uint8Array>> {
  const { secret } = parseX25519Identity(readFileSync(key, "utf8").trim());
  const { payload } = await openAgeFile(source, async ([stanza]) =>
    stanza === undefined ? null : unwrapX25519(stanza, secret),
  );
  return payload;
}

const source = pieces(from);
const out = openSync(to, "w");
// A write of 64 KiB into a file is a copy; a trip through the event loop for it costs more than the copy.
for await (const piece of verb === "seal" ? sealed(source) : await opened(source)) {
  for (let at = 0; at < piece.length; ) at += writeSync(out, piece, at);
}
closeSync(out);
