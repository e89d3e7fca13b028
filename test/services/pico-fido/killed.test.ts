import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { Fido2Authenticator } from "../../../src/cards/fido2/authenticator.ts";
import { PicoFidoToken } from "../../../src/cards/fido2/pico-fido/pico-fido-token.ts";
import { buildPicoFidoBackup } from "../../../src/crypto/pico-fido/backup-file.ts";
import { hostKeyId, newHostKey } from "../../../src/crypto/pico-fido/host-key.ts";
import { HostKeyStore } from "../../../src/services/pico-fido/host-key-store.ts";
import { probeLock } from "../../../src/services/pico-fido/lock-state.ts";
import { openAuthenticatorFile } from "../../../src/simulator/fido2/authenticator-store.ts";
import { repeatableWorld } from "../../../src/simulator/repeatable-world.ts";
import { plainModules } from "../vault/support/plain-modules.ts";
import { sealedBlob } from "./support/sealed-blob.ts";

const root = mkdtempSync(join(tmpdir(), "hsmadm-pico-killed-"));
afterAll(() => rmSync(root, { recursive: true }));

/** The token with the backup's firmware, as it is on the desk, and whether a key of this computer opens it. */
async function stateOf(file: string, store: HostKeyStore) {
  const channel = await openAuthenticatorFile(file, { world: repeatableWorld("after"), powerCycled: true });
  const { token } = channel;
  const ways = {
    ctap: { where: "x", send: (m: Uint8Array) => token.ctap(m, {}), close: async () => undefined },
    vendor: { where: "x", send: (m: Uint8Array) => token.vendor(m, {}), close: async () => undefined },
  };
  const pico = new PicoFidoToken(await Fido2Authenticator.open(ways.ctap, { vendorChannel: ways.vendor }));
  const state = await probeLock(pico, await store.all(), { tryKeys: true });
  await channel.close();
  return state;
}

test("SIGKILL at each step of load: no host key is lost, and no token has a key that nobody has", {
  timeout: 120_000,
}, async () => {
  const rooms = ["bytes", "apdu", "crypto", "cards", "services", "simulator"].map((room) => `src/${room}`);
  const script = plainModules(join(root, "modules"), "test/services/pico-fido/support/killed-loader.ts", [
    ...rooms,
    "test/services/vault/support",
    "test/services/pico-fido/support",
  ]);
  // A computer that has an older key of another token already.
  const first = join(root, "first");
  const older = newHostKey();
  const record = {
    state: "in-use",
    created: "2026-01-01T00:00:00.000Z",
    device: "sim-fido:other",
    product: null,
  } as const;
  const firmware = { firmware: "5.12", family: "5.8 to 5.12" };
  await new HostKeyStore(join(first, "keys")).keep({ id: hostKeyId(older), hostKey: older, ...record, ...firmware });
  const fresh = await openAuthenticatorFile(join(first, "token.fido2"), {
    world: repeatableWorld("killed"),
    profile: "pico-fido-5.12",
    create: true,
  });
  const ctap = { where: "x", send: (m: Uint8Array) => fresh.token.ctap(m, {}), close: async () => undefined };
  await (await Fido2Authenticator.open(ctap)).setPin(utf8Bytes("squirrel"));
  await fresh.close();
  const hostKey = newHostKey();
  writeFileSync(join(root, "key"), hostKey);
  writeFileSync(
    join(root, "backup"),
    buildPicoFidoBackup(sealedBlob(hostKey, new Uint8Array(randomBytes(32))), hostKey),
  );

  const seen = new Set<string>();
  const killed = async (at: number) => {
    const folder = join(root, `k${at}`);
    cpSync(first, folder, { recursive: true });
    const keys = join(folder, "keys");
    const end = await ended(script, [
      join(folder, "token.fido2"),
      keys,
      join(root, "backup"),
      join(root, "key"),
      String(at),
    ]);
    const store = new HostKeyStore(keys);
    const kept = (await store.all()).map(({ id }) => id);
    expect(kept, `step ${at}`).toContain(hostKeyId(older));
    const state = await stateOf(join(folder, "token.fido2"), store);
    seen.add(state.kind);
    // Either it is the token it was, or the key it has now is kept here.
    if (state.kind !== "never-enabled")
      expect(state, `step ${at}`).toMatchObject({ kind: "locked", key: { id: hostKeyId(hostKey) } });
    expect(readdirSync(keys).filter((name) => name.endsWith(".json")).length, `step ${at}`).toBe(kept.length);
    expect(readFileSync(join(root, "key")).equals(hostKey)).toBe(true);
    return end;
  };
  let finished = false;
  for (let at = 0; !finished; at += 3) {
    const ends = await Promise.all([at, at + 1, at + 2].map(killed));
    for (const end of ends) expect([0, "SIGKILL"]).toContain(end);
    finished = ends.includes(0);
  }
  expect([...seen].sort()).toEqual(["locked", "never-enabled"]);
});

function ended(script: string, args: string[]): Promise<number | string | null> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "ignore", "inherit"] });
  return new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
}
