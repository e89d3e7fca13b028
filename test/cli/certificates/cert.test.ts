import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { violations } from "../support/json-schema.ts";
import { Officer, secrets } from "../support/officer.ts";
import { TestWorld } from "../support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const at = "--device sim:c --pin env:PIN";

function openssl(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync("openssl", words, { encoding: "utf8" });
  expect(status, `${words.join(" ")}\n${stderr}`).toBe(0);
  return stdout + stderr;
}

function schemaOf(name: string): Record<string, unknown> {
  const path = new URL(`../../../docs/schema/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
}

/** Runs it with `--json`, holds the document against its schema. */
async function told(code: number, argv: string): Promise<Record<string, unknown>> {
  const document = await officer.document(code, argv);
  const name = document["error"] === undefined ? argv.split(" ").slice(0, 2).join("-") : "error";
  expect(violations(schemaOf(name), document), argv).toEqual([]);
  return document;
}

async function codeOf(exit: number, argv: string): Promise<unknown> {
  return ((await told(exit, argv))["error"] as { code: unknown }).code;
}

/** Words with blanks in them are one argument each. */
async function words(code: number, ...argv: string[]) {
  const env = { PIN: secrets.pin, WRONG: secrets.wrongPin };
  const outcome = await world.run(argv, { env });
  expect(outcome.code, `${argv.join(" ")}\n${outcome.stdout}${outcome.stderr}`).toBe(code);
  return outcome;
}

const kinds = [
  ["rsa", "rsa:2048", "", "sha256WithRSAEncryption"],
  ["pss", "rsa:2048", "--algorithms rsa-pss", "rsassaPss"],
  ["p256", "ec:p256", "", "ecdsa-with-SHA256"],
  ["p384", "ec:p384", "", "ecdsa-with-SHA384"],
  ["p521", "ec:p521", "", "ecdsa-with-SHA512"],
  ["k256", "ec:secp256k1", "", "ecdsa-with-SHA256"],
  ["bp256", "ec:brainpoolP256r1", "", "ecdsa-with-SHA256"],
  ["bp384", "ec:brainpoolP384r1", "", "ecdsa-with-SHA384"],
  ["bp512", "ec:brainpoolP512r1", "", "ecdsa-with-SHA512"],
  // Hashing on the card only.
  ["card", "ec:p256", "--algorithms ecdsa-sha256", "ecdsa-with-SHA256"],
] as const;

beforeAll(async () => {
  await officer.initialised("c");
  for (const [label, type, options] of kinds) {
    await officer.gets(0, `key generate --type ${type} --label ${label} ${options} ${at}`);
  }
  await officer.gets(0, `key generate --type aes:256 --label aes ${at}`);
});

describe.each(kinds)("a key %s, %s", (label, _type, _options, signature) => {
  test("OpenSSL verifies its request", async () => {
    const path = world.path(`${label}.csr`);
    await told(0, `cert csr ${label} --subject CN=${label},O=Example,C=DE --san dns:${label}.example --out ${path} ${at}`);
    const text = openssl("req", "-in", path, "-noout", "-verify", "-text");
    expect(text).toContain("verify OK");
    expect(text).toContain(`Signature Algorithm: ${signature}`);
    expect(text).toContain(`DNS:${label}.example`);
  });

  test("OpenSSL verifies its self-signed certificate", async () => {
    const path = world.path(`${label}.pem`);
    await told(0, `cert self-sign ${label} --subject CN=${label} --authority --days 30 --out ${path} ${at}`);
    expect(openssl("verify", "-check_ss_sig", "-attime", "1796000000", "-CAfile", path, path)).toContain("OK");
    expect(openssl("x509", "-in", path, "-noout", "-text")).toContain(`Signature Algorithm: ${signature}`);
  });
});
