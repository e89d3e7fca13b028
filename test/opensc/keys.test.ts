import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { describeWith, stackNeeds } from "../support/needs.ts";
import { makeStack, type Stack, type StepResult, type Token } from "./stack.ts";

/**
 * OpenSC's tools carry keys from one simulated token to another under a DKEK, use them there, and keep certificates and
 * data beside them (issue 4, items 4 and 7). OpenSSL checks the results.
 */
const needs = [...stackNeeds, "opensc-tool", "sc-hsm-tool", "pkcs11-tool", "openssl"];
const pin = ["--pin", "648219"];
const initialise = ["--initialize", "--so-pin", "3537363231383830", ...pin];

interface ShareVectors {
  readonly cases: readonly {
    readonly password_ascii: string;
    readonly iterations: number;
    readonly share: string;
    readonly file: string;
  }[];
}
const shares = JSON.parse(
  readFileSync(new URL("../vectors/dkek_share_file.json", import.meta.url), "utf8"),
) as ShareVectors;
const share = shares.cases.find(({ iterations, password_ascii: password }) => iterations === 10_000_000 && password);

function succeeded(result: StepResult | undefined): string {
  expect(result, result?.stderr).toMatchObject({ exit: 0 });
  return result?.stdout ?? "";
}

function scHsm(reader: number, ...args: readonly string[]): string[] {
  return ["sc-hsm-tool", "--reader", String(reader), ...args];
}

/** pkcs11-tool, logged in on the token with this label. */
function pkcs11(label: string, ...args: readonly string[]): string[] {
  return ["pkcs11-tool", "--token-label", `${label} (UserPIN)`, "--login", ...pin, ...args];
}

function sign(label: string, mechanism: string, id: string, output: string): string[] {
  const format = mechanism.startsWith("ECDSA") ? ["--signature-format", "openssl"] : [];
  return pkcs11(label, "--sign", "-m", mechanism, ...format, "--id", id, "-i", "data", "-o", output);
}

function readPublicKey(label: string, id: string, output: string): string[] {
  return pkcs11(label, "--read-object", "--type", "pubkey", "--id", id, "-o", output);
}

function decrypt(label: string, mechanism: readonly string[], input: string, output: string): string[] {
  return pkcs11(label, "--decrypt", "-m", ...mechanism, "--id", "10", "-i", input, "-o", output);
}

function derive(label: string, output: string): string[] {
  return pkcs11(label, "--derive", "-m", "ECDH1-DERIVE", "--id", "11", "-i", "peer.der", "-o", output);
}

/** For one derivation of 20 s of CPU time, on a machine that may have other work, in milliseconds. */
const patience = 480_000;
const oaep = ["RSA-PKCS-OAEP", "--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA256"];

describeWith(needs, "OpenSC's tools and the keys of simulated tokens", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await makeStack();
    writeFileSync(join(stack.folder, "data"), "The quick brown fox jumps over the lazy dog\n");
    writeFileSync(join(stack.folder, "share.pbe"), fromHex(share?.file ?? ""));
  });
  afterAll(() => stack.remove());

  /** Runs `openssl` in the folder of the session. */
  function openssl(...args: readonly string[]): string {
    return execFileSync("openssl", args, { cwd: stack.folder, encoding: "utf8", stdio: "pipe" });
  }

  function verified(key: string, signature: string): string {
    return openssl("dgst", "-sha256", "-verify", key, "-keyform", "DER", "-signature", signature, "data").trim();
  }

  function file(name: string): string {
    return toHex(new Uint8Array(readFileSync(join(stack.folder, name))));
  }

  test(
    "keys go from a genuine token to a pico and back, and work there",
    async () => {
      const tokens: Token[] = [
        { name: "left", profile: "genuine", seed: "left" },
        { name: "right", profile: "pico", seed: "right" },
      ];
      openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "peer.pem");
      openssl("pkey", "-in", "peer.pem", "-pubout", "-outform", "DER", "-out", "peer.der");
      const prepared = await stack.run(tokens, [
        scHsm(0, ...initialise, "--dkek-shares", "1", "--label", "left"),
        scHsm(1, ...initialise, "--dkek-shares", "1", "--label", "right"),
        scHsm(0, "--import-dkek-share", "share.pbe", "--password", share?.password_ascii ?? ""),
        scHsm(0),
        // The derivation costs 20 s of CPU time: once is enough.
        ["opensc-tool", "--reader", "1", "-s", "00A404000BE82B0601040181C31F0201", "-s", `8052000020${share?.share}00`],
        pkcs11("left", "--keypairgen", "--key-type", "RSA:2048", "--id", "10", "--label", "rsa one"),
        pkcs11("left", "--keypairgen", "--key-type", "EC:prime256v1", "--id", "11", "--label", "ec one"),
        readPublicKey("left", "10", "rsa.der"),
        readPublicKey("left", "11", "ec.der"),
      ]);
      for (const result of prepared) succeeded(result);
      expect(prepared[3]?.stdout).toContain("DKEK key check value : 630DCD2966C43366");
      const rsaKey = ["-pubin", "-inkey", "rsa.der", "-keyform", "DER", "-in", "data"];
      openssl("pkeyutl", "-encrypt", ...rsaKey, "-out", "pkcs1.enc");
      const oaepOptions = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
      openssl("pkeyutl", "-encrypt", ...rsaKey, ...oaepOptions.flatMap((o) => ["-pkeyopt", o]), "-out", "oaep.enc");
      openssl("pkey", "-pubin", "-inform", "DER", "-in", "ec.der", "-out", "ec.pem");
      openssl("pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey", "ec.pem", "-out", "secret");

      const results = await stack.run(tokens, [
        scHsm(0, "--wrap-key", "rsa.wrap", "--key-reference", "1", ...pin),
        scHsm(0, "--wrap-key", "ec.wrap", "--key-reference", "2", ...pin),
        scHsm(1, "--unwrap-key", "rsa.wrap", "--key-reference", "1", ...pin),
        scHsm(1, "--unwrap-key", "ec.wrap", "--key-reference", "2", "--force", ...pin),
        sign("right", "SHA256-RSA-PKCS", "10", "right-rsa.sig"),
        sign("right", "ECDSA-SHA256", "11", "right-ec.sig"),
        decrypt("right", ["RSA-PKCS"], "pkcs1.enc", "right-pkcs1"),
        decrypt("right", oaep, "oaep.enc", "right-oaep"),
        derive("right", "right-secret"),
        derive("left", "left-secret"),
        // And back, after the first token lost them.
        scHsm(1, "--wrap-key", "rsa-back.wrap", "--key-reference", "1", ...pin),
        scHsm(1, "--wrap-key", "ec-back.wrap", "--key-reference", "2", ...pin),
        pkcs11("left", "--delete-object", "--type", "privkey", "--id", "10"),
        pkcs11("left", "--delete-object", "--type", "privkey", "--id", "11"),
        scHsm(0, "--unwrap-key", "rsa-back.wrap", "--key-reference", "1", "--force", ...pin),
        scHsm(0, "--unwrap-key", "ec-back.wrap", "--key-reference", "2", "--force", ...pin),
        sign("left", "SHA256-RSA-PKCS", "10", "left-rsa.sig"),
        sign("left", "ECDSA-SHA256", "11", "left-ec.sig"),
        decrypt("left", oaep, "oaep.enc", "left-oaep"),
      ]);
      for (const result of results) succeeded(result);
      for (const side of ["right", "left"]) {
        expect(verified("rsa.der", `${side}-rsa.sig`)).toBe("Verified OK");
        expect(verified("ec.der", `${side}-ec.sig`)).toBe("Verified OK");
        expect(file(`${side}-oaep`)).toBe(file("data"));
        expect(file(`${side}-secret`)).toBe(file("secret"));
      }
      expect(file("right-pkcs1")).toBe(file("data"));
    },
    patience,
  );

  test.each(["genuine", "pico"] as const)("a %s token with another DKEK refuses the key", async (profile) => {
    const results = await stack.run(
      [
        { name: `from-${profile}`, profile },
        { name: `to-${profile}`, profile },
      ],
      [
        scHsm(0, ...initialise, "--dkek-shares", "0", "--label", "from"),
        scHsm(1, ...initialise, "--dkek-shares", "0", "--label", "to"),
        pkcs11("from", "--keypairgen", "--key-type", "EC:prime256v1", "--id", "11", "--label", "ec one"),
        scHsm(0, "--wrap-key", `${profile}.wrap`, "--key-reference", "1", ...pin),
        scHsm(1, "--unwrap-key", `${profile}.wrap`, "--key-reference", "1", ...pin),
        scHsm(0, "--wrap-key", "none.wrap", "--key-reference", "77", ...pin),
      ],
    );
    for (const result of results.slice(0, 4)) succeeded(result);
    expect(results[4]?.exit).not.toBe(0);
    if (profile === "genuine") expect(results[4]?.stderr).toContain("Wrapped key does not match DKEK");
    expect(results[5]?.exit).not.toBe(0);
  });

  test.each(["genuine", "pico"] as const)("a %s token keeps certificates and data objects", async (profile) => {
    const subject = ["-subj", "/CN=hsmadm test", "-days", "3650"];
    openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "ca.pem", ...subject, "-out", "cert.pem");
    openssl("x509", "-in", "cert.pem", "-outform", "DER", "-out", "cert.der");
    const data = (name: string, ...more: readonly string[]) => [
      ...["--type", "data", "--label", name, "--application-label", "test"],
      ...more,
    ];
    const list = () => pkcs11("objects", "--list-objects");
    const results = await stack.run(
      [{ name: `objects-${profile}`, profile }],
      [
        scHsm(0, ...initialise, "--label", "objects"),
        pkcs11("objects", "--keypairgen", "--key-type", "RSA:2048", "--id", "10", "--label", "rsa one"),
        pkcs11("objects", "--write-object", "cert.der", "--type", "cert", "--id", "10", "--label", "rsa one"),
        pkcs11("objects", "--read-object", "--type", "cert", "--id", "10", "-o", `${profile}.der`),
        pkcs11("objects", "--write-object", "data", ...data("public")),
        pkcs11("objects", "--write-object", "data", "--private", ...data("private")),
        list(),
        pkcs11("objects", "--read-object", ...data("private"), "-o", `${profile}.data`),
        pkcs11("objects", "--delete-object", ...data("public")),
        pkcs11("objects", "--delete-object", ...data("private")),
        pkcs11("objects", "--delete-object", "--type", "cert", "--id", "10"),
        pkcs11("objects", "--delete-object", "--type", "privkey", "--id", "10"),
        list(),
      ],
    );
    for (const result of results) succeeded(result);
    expect(file(`${profile}.der`)).toBe(file("cert.der"));
    expect(file(`${profile}.data`)).toBe(file("data"));
    for (const object of ["Certificate Object", "label:          'public'", "label:          'private'", "rsa one"]) {
      expect(results[6]?.stdout).toContain(object);
    }
    expect(results[12]?.stdout).not.toMatch(/rsa one|'public'|'private'|Certificate/);
  });
});
