import { readFileSync, statSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import type { Terminal } from "../../../src/cli/io.ts";
import { violations } from "./json-schema.ts";
import { Officer } from "./officer.ts";
import type { Outcome, TestIoOptions } from "./test-io.ts";

/** Values that occur nowhere else, so that one hit in any output is a leak. */
export const passwords = {
  first: "correct-horse-74kX91qz",
  second: "battery-staple-85mY02ra",
  wrong: "wrong-horse-96nZ13sb",
  short: "sevenxy",
  tiny: "fiveX",
} as const;

/** An officer who works with share files. */
export class ShareOfficer extends Officer {
  override async does(argv: string, options: TestIoOptions = {}): Promise<Outcome> {
    const env = {
      PW: passwords.first,
      PW2: passwords.second,
      BAD: passwords.wrong,
      SHORT: passwords.short,
      TINY: passwords.tiny,
    };
    return super.does(argv, { ...options, env: { ...env, ...options.env } });
  }

  /** A new share file; its path. */
  async share(name: string, password = "PW"): Promise<string> {
    const path = this.world.path(name);
    await this.gets(0, `share create ${path} --password env:${password}`);
    return path;
  }

  async kcvOf(argv: string): Promise<string> {
    return (await this.document(0, `share check ${argv}`))["kcv"] as string;
  }

  /** The document, which must fit the schema of its command. */
  async fits(code: number, argv: string, options: TestIoOptions = {}): Promise<Record<string, unknown>> {
    const document = await this.document(code, argv, options);
    const name = argv.split(" ").slice(0, 2).join("-");
    const schema = new URL(`../../../docs/schema/${document["error"] ? "error" : name}.json`, import.meta.url);
    expect(violations(JSON.parse(readFileSync(schema, "utf8")), document), argv).toEqual([]);
    return document;
  }

  /** Puts a file of mode 0600 there. */
  file(name: string, content: string | Uint8Array): string {
    const path = this.world.path(name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  async tokenWithShares(name: string, shares: number | string): Promise<void> {
    await this.gets(
      0,
      `device init --device sim:${name} --label ${name} --so-pin env:SO --pin env:PIN --dkek-shares ${shares} --yes`,
    );
  }
}

export function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

export function hexOf(path: string): string {
  return toHex(new Uint8Array(readFileSync(path)));
}

/** Custodians at one terminal, one after the other: each writes down the card that is shown and reads it back. */
export class Custodians implements Terminal {
  /** What each wrote down. */
  readonly cards: string[] = [];
  readonly prompts: string[] = [];
  readonly #slips: number;
  #read = 0;

  /** @param slips how often a value is read back wrong */
  constructor(slips = 0) {
    this.#slips = slips;
  }

  async readLine(prompt: string): Promise<string> {
    this.prompts.push(prompt);
    if (/^Share value/m.test(prompt)) this.cards.push(prompt.slice(0, prompt.indexOf("Write all")));
    return prompt === "Check: " ? this.#field("Check") : "";
  }

  async readSecret(prompt: string): Promise<Uint8Array> {
    this.prompts.push(prompt);
    const value = this.#field("Share value");
    const typed = this.#read++ < this.#slips ? value.replace(/^./, (digit) => (digit === "0" ? "1" : "0")) : value;
    return new TextEncoder().encode(typed);
  }

  #field(name: string): string {
    return new RegExp(`^${name} *: (\\S+)`, "m").exec(this.cards.at(-1) ?? "")?.[1] ?? "";
  }
}
