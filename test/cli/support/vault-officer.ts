import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { violations } from "./json-schema.ts";
import { Officer } from "./officer.ts";
import type { Outcome, TestIoOptions } from "./test-io.ts";

/** Values that occur nowhere else, so that one hit in any output is a leak. */
export const phrases = {
  passphrase: "correct-horse-74kX91qz",
  other: "battery-staple-85mY02ra",
  wrong: "wrong-horse-96nZ13sb",
  secret: "kept-secret-17pQ55tc",
  fidoPin: "fido-31vW77ue",
} as const;

/** An officer with vaults. */
export class VaultOfficer extends Officer {
  override async does(argv: string, options: TestIoOptions = {}): Promise<Outcome> {
    const env = {
      PHRASE: phrases.passphrase,
      PHRASE2: phrases.other,
      BADPHRASE: phrases.wrong,
      FIDOPIN: phrases.fidoPin,
    };
    return super.does(argv, { ...options, env: { ...env, ...options.env } });
  }

  /** A token with a P-256 key `vault`, and others that were asked for. */
  async token(name: string, ...keys: readonly string[]): Promise<void> {
    await this.initialised(name);
    for (const key of keys.length === 0 ? ["ec:p256 vault"] : keys) {
      const [type, label, ...more] = key.split(" ");
      await this.gets(
        0,
        `key generate --type ${type} --label ${label} ${more.join(" ")} --device sim:${name} --pin env:PIN`,
      );
    }
  }

  /** A vault that the key `vault` on these tokens opens, and a recovery key beside it; its path. */
  async vault(name: string, ...tokens: readonly string[]): Promise<string> {
    const path = this.world.path(name);
    const slots = tokens.map((token) => `--slot card:vault@sim:${token}`).join(" ");
    const devices = tokens.map((token) => `sim:${token}`).join(",");
    await this.gets(
      0,
      `vault create ${path} ${slots} --recovery-out ${path}.recovery --device ${devices} --pin env:PIN`,
    );
    return path;
  }

  async keeps(vault: string, name: string, value: string | Uint8Array, opener: string): Promise<void> {
    await this.gets(0, `vault set ${vault} ${name} --in ${this.file("to-keep", value)} ${opener}`);
  }

  /** Puts a file of mode 0600 there. */
  file(name: string, content: string | Uint8Array): string {
    const path = this.world.path(name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  /** The document, which must fit the schema of its command. */
  async fits(code: number, argv: string, options: TestIoOptions = {}): Promise<Record<string, unknown>> {
    const document = await this.document(code, argv, options);
    const name = String(document["command"]).replaceAll(" ", "-");
    const schema = new URL(`../../../docs/schema/${document["error"] ? "error" : name}.json`, import.meta.url);
    expect(violations(JSON.parse(readFileSync(schema, "utf8")), document), argv).toEqual([]);
    return document;
  }

  /** Runs what must fail; code and message of its error. */
  async refused(code: number, argv: string, options: TestIoOptions = {}): Promise<Record<string, unknown>> {
    const document = await this.fits(code, argv, options);
    return document["error"] as Record<string, unknown>;
  }
}
