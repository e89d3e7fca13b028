import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ApduCount, ourCount, run } from "./our-count.ts";
import { type Program, pairedRatio } from "./ratio.ts";

/** A vault with one secret, which a key on the simulated token `vault` opens, or a recovery key. */
export interface BenchVault {
  readonly path: string;
  readonly pin: string;
  /** Where its recovery key is. */
  readonly recovery: string;
  /** Runs the built command with its state. */
  readonly env: Record<string, string>;
}

const device = ["--device", "sim:vault"];

export async function benchVault(bin: string, home: string): Promise<BenchVault> {
  const env = { HSMADM_HOME: home, HSMADM_SIMULATOR_SEED: "bench" };
  const file = (name: string, value: string) => {
    const path = join(home, name);
    writeFileSync(path, `${value}\n`, { mode: 0o600 });
    return path;
  };
  const pin = `file:${file("vault.pin", "648219")}`;
  const soPin = `file:${file("vault.so", "3537363231383830")}`;
  const path = join(home, "bench.vault");
  const recovery = join(home, "bench.recovery");
  const opener = [...device, "--pin", pin];
  for (const words of [
    ["device", "init", "--label", "vault", "--so-pin", soPin, "--dkek-shares", "none", ...opener],
    ["key", "generate", "--type", "ec:p256", "--label", "vault", ...opener],
    ["vault", "create", path, "--slot", "card:vault", "--recovery-out", recovery, ...opener],
    ["vault", "set", path, "key", "--in", file("vault.key", "correct horse battery staple"), ...opener],
  ]) {
    await run(process.execPath, [bin, ...words], env);
  }
  return { path, pin, recovery, env };
}

export interface VaultStart {
  readonly what: string;
  readonly budget: number;
  readonly ratio: number;
  readonly aMs: number;
  readonly bMs: number;
}

/** What scripts wait for at every start of a machine. */
export function vaultStarts(bin: string, { path, pin, env }: BenchVault, node: Program, rounds: number): VaultStart[] {
  const times = (what: string, budget: number, exit: number, ...args: string[]): VaultStart => {
    const command = { command: process.execPath, args: [bin, "vault", ...args], env, exit };
    return { what: `hsmadm vault ${what}`, budget, ...pairedRatio(command, node, rounds) };
  };
  return [
    times("status", 2.0, 0, "status", path),
    // 50 ms where Node itself takes 45.
    times("get, no device named: refused", 2.1, 3, "get", path, "key", "--device", "none"),
    times("get, with a card", 3.5, 0, "get", path, "key", ...device, "--pin", pin),
  ];
}

export async function vaultCounts(root: string, home: string, { path, pin, env }: BenchVault): Promise<ApduCount[]> {
  const args = ["vault", "get", path, "key", "--pin", pin];
  const get = await ourCount(root, home, "vault-get", args, env, "sim:vault");
  return [
    {
      what: "vault get, P-256 on a card",
      ours: get,
      budget: 10,
      peer: "no other program opens it with such a card",
      extra: [
        "SELECT, EF 2F02 (which token), certificate (this very key?), description (may it do ECDH?), user PIN",
        "counter, VERIFY, key agreement; and whether the card keeps an anchor of the vault",
      ],
    },
  ];
}
