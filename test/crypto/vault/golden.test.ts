import { writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { stanzaTypes } from "../../../src/crypto/vault/names.ts";
import { type Golden, golden, goldenPath, makeGolden } from "./support/golden.ts";

/** `HSMADM_WRITE_GOLDEN=1 npx vitest run test/crypto/vault/golden.test.ts` writes the vectors anew: for a new format only. */
let made: Golden;
beforeAll(async () => {
  made = await makeGolden();
  if (process.env["HSMADM_WRITE_GOLDEN"] === "1") writeFileSync(goldenPath, `${JSON.stringify(made, null, 2)}\n`);
});

test("what comes from a seed, from a source, from a splitting", () => {
  const { seed, derived, shamir } = golden();
  expect({ seed, derived, shamir }).toEqual({ seed: made.seed, derived: made.derived, shamir: made.shamir });
});

describe("the stanzas of every kind of slot", () => {
  test("all kinds are there", () => {
    expect(made.vaults.map(({ name }) => name)).toEqual(golden().vaults.map(({ name }) => name));
    const types = new Set(
      golden().vaults.flatMap(({ header }) => header.flatMap((line) => /^-> (\S+)/.exec(line)?.[1] ?? [])),
    );
    expect([...types].sort()).toEqual([...Object.values(stanzaTypes), "X25519", "p256tag", "ssh-rsa"].sort());
  });

  test.each(golden().vaults.map((vault) => [vault.name, vault] as const))("%s", (name, vault) => {
    const anew = made.vaults.find((other) => other.name === name);
    // OpenSSL pads an ssh-rsa stanza with randomness of its own, and the MAC goes over it.
    const padded = vault.header.findIndex((line) => line.startsWith("-> ssh-rsa"));
    const fixed = padded < 0 ? vault.header.length : padded + 1;
    expect(anew?.header.slice(0, fixed)).toEqual(vault.header.slice(0, fixed));
    expect(anew?.openers).toEqual(vault.openers);
    expect(anew?.payload).toBe(vault.payload);
  });
});
