import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { bin, type Ended, Running } from "../../cli/support/built.ts";

const plugin = join(dirname(bin), "age-plugin-hsmadm.js");
const zfs = fileURLToPath(new URL("zfs.mjs", import.meta.url));

/**
 * A folder to work in, with hsmadm and the plugin in PATH as an installed package puts them there, and a stand-in for
 * `zfs`. Programs run without a terminal, whatever this process has.
 */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), "hsmadm-shop-"));
  readonly env: Record<string, string>;
  /** Everything any program here said. */
  printed = "";

  constructor(seed: string) {
    const own = join(this.folder, ".bin");
    mkdirSync(own);
    for (const [name, script] of [
      ["hsmadm", bin],
      ["age-plugin-hsmadm", plugin],
      ["zfs", zfs],
    ] as const) {
      const path = join(own, name);
      writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${script}" "$@"\n`);
      chmodSync(path, 0o755);
    }
    symlinkSync("age-plugin-hsmadm", join(own, "age-plugin-tag"));
    this.env = {
      PATH: [own, process.env["PATH"] ?? "", "/usr/sbin", "/sbin"].join(delimiter),
      HOME: this.folder,
      HSMADM_HOME: join(this.folder, ".hsmadm"),
      HSMADM_SIMULATOR_SEED: seed,
      BORG_BASE_DIR: join(this.folder, ".borg"),
      LC_ALL: "C.UTF-8",
      TZ: "UTC",
    };
    afterAll(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Puts a file of mode 0600 there. */
  file(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content, { mode: 0o600 });
    return this.path(name);
  }

  /** A line of bash. */
  async sh(line: string, env: Record<string, string> = {}): Promise<Ended> {
    const running = new Running("bash", ["-o", "pipefail", "-c", line], {
      cwd: this.folder,
      env: { ...this.env, ...env },
      // A session of its own has no terminal to ask on.
      detached: true,
    });
    running.child.stdin.end();
    const ended = await running.ended;
    this.printed += ended.stdout + ended.stderr;
    return ended;
  }

  /** As {@link sh} for what must succeed; standard output. */
  async does(line: string, env: Record<string, string> = {}): Promise<string> {
    const { code, stdout, stderr } = await this.sh(line, env);
    if (code !== 0) throw new Error(`${line}\nexit ${code}\n${stdout}${stderr}`);
    return stdout;
  }
}

/** PINs of the simulated tokens here. */
export const pins = { user: "648219", so: "3537363231383830", fido: "squirrel" } as const;

/** Simulated tokens with a key `vault` on P-256, and the files `user.pin`, `so.pin`, `fido.pin`. */
export async function furnish(shop: Workshop, ...tokens: readonly string[]): Promise<void> {
  shop.file("user.pin", pins.user);
  shop.file("so.pin", pins.so);
  shop.file("fido.pin", pins.fido);
  for (const token of tokens) {
    const device = `--device sim:${token}`;
    await shop.does(
      `hsmadm device init --label ${token} --so-pin file:so.pin --pin file:user.pin --dkek-shares none ${device}`,
    );
    await shop.does(`hsmadm key generate --type ec:p256 --label vault --pin file:user.pin ${device}`);
  }
}
