import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../src/bytes/hex.ts";
import { deriveShareKey } from "../src/crypto/shares/share-key.ts";
import { median } from "./ratio.ts";

/** The derivation behind a DKEK share file, as sc-hsm-tool calls it; prints the key and its user CPU time in seconds. */
const peerSource = `
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/resource.h>
int main(void) {
  unsigned char key[32], iv[16], salt[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  struct rusage used;
  EVP_BytesToKey(EVP_aes_256_cbc(), EVP_md5(), salt, (const unsigned char *)"password", 8, 10000000, key, iv);
  getrusage(RUSAGE_SELF, &used);
  for (int i = 0; i < 32; i++) printf("%02X", key[i]);
  printf(" %ld.%06ld\\n", (long)used.ru_utime.tv_sec, (long)used.ru_utime.tv_usec);
  return 0;
}
`;

export interface DkekFigures {
  /** CPU seconds, all threads. */
  readonly ours: number;
  readonly peer: number;
  /** Median of the ratios pair by pair. */
  readonly ratio: number;
}

/**
 * Compares CPU times, so that other work on the machine weighs little; each round is one of ours and one of theirs.
 * @returns `null` where there is no C compiler or no OpenSSL to build the peer with
 */
export async function dkekFigures(rounds = 3): Promise<DkekFigures | null> {
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-bench-dkek-"));
  try {
    const source = join(folder, "peer.c");
    const program = join(folder, "peer");
    writeFileSync(source, peerSource);
    const built = spawnSync("cc", ["-O2", "-o", program, source, "-lcrypto"], { stdio: "ignore" });
    if (built.status !== 0) return null;
    const pairs: { ours: number; peer: number }[] = [];
    for (let i = 0; i < rounds; i++) {
      const own = await ourTime();
      const [key, peer] = spawnSync(program, { encoding: "utf8" }).stdout.trim().split(" ") as [string, string];
      if (key !== own.key) throw new Error("hsmadm and OpenSSL derive different keys");
      pairs.push({ ours: own.seconds, peer: Number(peer) });
    }
    return {
      ours: median(pairs.map((pair) => pair.ours)),
      peer: median(pairs.map((pair) => pair.peer)),
      ratio: median(pairs.map((pair) => pair.ours / pair.peer)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ourTime(): Promise<{ key: string; seconds: number }> {
  const before = process.cpuUsage();
  const { key } = await deriveShareKey(new TextEncoder().encode("password"), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  const { user, system } = process.cpuUsage(before);
  return { key: toHex(key), seconds: (user + system) / 1e6 };
}
