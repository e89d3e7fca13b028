import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import { curveByName } from "../../../src/crypto/curves/curves.ts";
import { privateKeyInfo } from "../../../src/crypto/curves/ecdsa.ts";
import { pemText } from "../../../src/crypto/keys/public-key-formats.ts";
import { closingMessage } from "../../../src/services/ceremony/ceremony-chain.ts";
import type { CommandFacts, TokenMoment } from "../../../src/services/ceremony/ceremony-entry.ts";
import { addEntry, type CeremonyWriter } from "../../../src/services/ceremony/ceremony-file.ts";
import type { CeremonyMemory } from "../../../src/services/ceremony/ceremony-memory.ts";

/** A computer that has never seen any record, and remembers none. */
export const noMemory: CeremonyMemory = { recall: async () => null, keep: async () => undefined };

/** A computer's memory, for one test. */
export function newMemory(): CeremonyMemory {
  const heads = new Map<string, Awaited<ReturnType<CeremonyMemory["recall"]>>>();
  return {
    recall: async (id) => heads.get(id) ?? null,
    keep: async (id, head) => {
      heads.set(id, head);
    },
  };
}

export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "hsmadm-ceremony-"));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function writer(memory: CeremonyMemory = noMemory): CeremonyWriter {
  return { now: new Date("2026-11-20T12:00:00Z"), tool: "hsmadm test", memory };
}

const ready: TokenMoment = {
  state: "operational",
  userPin: { state: "ready", triesLeft: 3 },
  soPin: { state: "ready", triesLeft: 15 },
  kcvs: [{ domain: 0, kcv: "0011223344556677" }],
};

export function token(label: string) {
  const name = { where: "sim:root", serial: "UTSIMAAAAAA", chr: "UTSIMAAAAAA00000", label, deviceKey: "ab".repeat(32) };
  return { ...name, simulated: true };
}

export function command(
  words: readonly string[],
  changes: Partial<CommandFacts> = {},
): CommandFacts & { kind: "command" } {
  return {
    kind: "command",
    officer: "Ada",
    command: words.slice(0, 2).join(" "),
    words,
    exitCode: 0,
    result: "done",
    error: null,
    tokens: [{ ...token("root"), before: ready, after: { ...ready, userPin: { state: "verified", triesLeft: null } } }],
    ...changes,
  };
}

/** A key in software in the place of one on a token. */
export function signer(fill: number) {
  const curve = curveByName("secp256r1");
  if (curve === undefined) throw new Error("no secp256r1");
  const key = createPrivateKey(pemText("PRIVATE KEY", privateKeyInfo(curve, new Uint8Array(32).fill(fill))));
  const der = new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }));
  return {
    der,
    publicKey: toHex(der).toLowerCase(),
    sign: async (hash: string) => new Uint8Array(sign("sha256", closingMessage(hash), key)),
  };
}

/** A record of five commands, closed. */
export async function closedRecord(path: string, memory: CeremonyMemory = noMemory): Promise<void> {
  const words = ["init", "label", "status", "verify", "info"];
  for (const verb of words) await addEntry(path, command(["device", verb, "--device", "sim:root"]), writer(memory));
  await close(path, 1, memory);
}

export async function close(path: string, fill: number, memory: CeremonyMemory = noMemory) {
  const { publicKey, sign: signHash } = signer(fill);
  const key = { ref: 1, label: "signer", publicKey, attestation: null };
  const entry = { kind: "closing", officer: "Ada", token: token("root"), key, scheme: "ecdsa-sha256" } as const;
  return addEntry(path, entry, writer(memory), signHash);
}
