import { execFileSync } from "node:child_process";
import { constants, generateKeyPairSync, publicEncrypt } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { fromHex } from "../../src/bytes/hex.ts";
import { Officer, secretEnv } from "../cli/support/officer.ts";
import { TestWorld } from "../cli/support/test-io.ts";
import { describeWith, stackNeeds } from "../support/needs.ts";
import { makeStack, type Stack } from "./stack.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("../cli/support/fewer-rounds.ts")).fewerRounds(original),
);

// Wrapped and imported keys between `hsmadm key` and OpenSC's tools, both ways (issue 4, items 4 and 6).

const pin = ["--pin", "648219"];
const pkcs11 = (...args: readonly string[]): string[] => ["pkcs11-tool", "--login", ...pin, ...args];
const scHsmTool = (...args: readonly string[]): string[] => ["sc-hsm-tool", ...args, ...pin];

describeWith([...stackNeeds, "pkcs11-tool", "sc-hsm-tool", "openssl"], "OpenSC and keys that move", () => {
  const world = new TestWorld();
  const officer = new Officer(world);
  let stack: Stack;
  let folder = "";
  const file = (name: string) => join(folder, name);

  beforeAll(async () => {
    stack = await makeStack();
    folder = stack.folder;
    mkdirSync(file("simulator"));
    writeFileSync(file("data"), "The quick brown fox jumps over the lazy dog\n");
    const { cases } = JSON.parse(readFileSync(new URL("../vectors/dkek_share_file.json", import.meta.url), "utf8")) as {
      cases: readonly { iterations: number; file: string }[];
    };
    writeFileSync(file("share.pbe"), fromHex(cases.find((one) => one.iterations === 1000)?.file ?? ""));
  });
  afterAll(() => stack.remove());

  const does = (argv: string) =>
    officer.gets(0, argv, {
      env: { ...secretEnv, HSMADM_HOME: folder, PIN: "648219", SO: "3537363231383830", PW: "password" },
    });
  const openssl = (...args: readonly string[]): string =>
    execFileSync("openssl", args, { cwd: folder, encoding: "utf8", stdio: "pipe" }).trim();
  const verified = (key: string, signature: string) =>
    openssl("dgst", "-sha256", "-verify", key, "-signature", signature, "data");
  const shares = () => `--share ${file("share.pbe")} --share-password env:PW`;

  async function token(name: string, profile: string): Promise<string> {
    await does(`simulator create ${name} --profile ${profile}`);
    await does(`device init --so-pin env:SO --pin env:PIN --dkek-shares 1 --label ${name} --device sim:${name}`);
    await does(`share import ${file("share.pbe")} --password env:PW --pin env:PIN --device sim:${name}`);
    return `--pin env:PIN --device sim:${name}`;
  }

  async function opensc(name: string, profile: "genuine" | "pico", steps: readonly string[][]) {
    const results = await stack.run([{ name: `simulator/${name}`, profile }], steps);
    for (const [i, { exit, stdout, stderr }] of results.entries()) {
      expect(exit, `${steps[i]?.join(" ")}\n${stdout}${stderr}`).toBe(0);
    }
    return results;
  }

  test.each(["genuine", "pico"] as const)("wrapped keys of a %s token go both ways, and work", async (profile) => {
    const [a, b] = [`a-${profile}`, `b-${profile}`];
    const [atA, atB] = [await token(a, profile), await token(b, profile)];
    for (const [type, label] of [
      ["rsa:2048", "rsa"],
      ["ec:p256", "ec"],
    ] as const) {
      await does(`key generate --type ${type} --label ${label} ${atA}`);
      await does(`key public ${label} --out ${file(`${profile}-${label}.pem`)} --device sim:${a}`);
    }
    const sign = (label: string, mechanism: string, id: string, out: string) =>
      pkcs11(
        "--sign",
        "-m",
        mechanism,
        "--id",
        id,
        "-i",
        "data",
        "-o",
        `${profile}-${out}-${label}.sig`,
        ...(label === "ec" ? ["--signature-format", "openssl"] : []),
      );

    // sc-hsm-tool wraps, hsmadm unwraps
    await opensc(a, profile, [
      scHsmTool("--wrap-key", `${profile}-1.key`, "--key-reference", "1"),
      scHsmTool("--wrap-key", `${profile}-2.key`, "--key-reference", "2"),
    ]);
    for (const ref of [1, 2]) await does(`key unwrap ${file(`${profile}-${ref}.key`)} ${atB}`);
    for (const label of ["rsa", "ec"]) {
      const out = `${profile}-ours-${label}.sig`;
      await does(`key sign ${label} --in ${file("data")} --out ${file(out)} ${atB}`);
      expect(verified(`${profile}-${label}.pem`, out)).toBe("Verified OK");
    }

    // hsmadm wraps, sc-hsm-tool unwraps
    for (const label of ["rsa", "ec"]) await does(`key wrap ${label} --out ${file(`${profile}-${label}.key`)} ${atA}`);
    await does(`key delete rsa --yes ${atB}`);
    await does(`key delete ec --yes ${atB}`);
    await opensc(b, profile, [
      scHsmTool("--unwrap-key", `${profile}-rsa.key`, "--key-reference", "7"),
      scHsmTool("--unwrap-key", `${profile}-ec.key`, "--key-reference", "8"),
      sign("rsa", "SHA256-RSA-PKCS", "01", "theirs"),
      sign("ec", "ECDSA-SHA256", "02", "theirs"),
    ]);
    for (const label of ["rsa", "ec"]) {
      expect(verified(`${profile}-${label}.pem`, `${profile}-theirs-${label}.sig`)).toBe("Verified OK");
    }
  });

  test.each(["genuine", "pico"] as const)(
    "pkcs11-tool signs, decrypts and derives with keys imported on a %s token",
    async (profile) => {
      const name = `i-${profile}`;
      const at = await token(name, profile);
      const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
      const peer = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
      for (const [label, pair] of [
        ["rsa", rsa],
        ["ec", ec],
        ["peer", peer],
      ] as const) {
        writeFileSync(file(`${name}-${label}.key`), pair.privateKey.export({ format: "pem", type: "pkcs8" }));
        writeFileSync(file(`${name}-${label}.pem`), pair.publicKey.export({ format: "pem", type: "spki" }));
      }
      await does(`key import ${file(`${name}-rsa.key`)} --label rsa --id 11 ${shares()} ${at}`);
      await does(`key import ${file(`${name}-ec.key`)} --label ec --id 22 ${shares()} ${at}`);
      openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        `${name}.k`,
        "-out",
        `${name}.c`,
        "-subj",
        "/CN=p12",
      );
      openssl(
        "pkcs12",
        "-export",
        "-inkey",
        `${name}.k`,
        "-in",
        `${name}.c`,
        "-out",
        `${name}.p12`,
        "-passout",
        "pass:password",
      );
      openssl("x509", "-in", `${name}.c`, "-pubkey", "-noout", "-out", `${name}-p12.pem`);
      await does(`key import ${file(`${name}.p12`)} --label p12 --id 33 --password env:PW ${shares()} ${at}`);
      writeFileSync(
        file(`${name}.enc`),
        publicEncrypt({ key: rsa.publicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.from("plain text")),
      );
      openssl("pkey", "-pubin", "-in", `${name}-peer.pem`, "-outform", "DER", "-out", `${name}-peer.der`);
      const results = await opensc(name, profile, [
        pkcs11("-O"),
        pkcs11("--sign", "-m", "SHA256-RSA-PKCS", "--id", "11", "-i", "data", "-o", `${name}-rsa.sig`),
        pkcs11(
          "--sign",
          "-m",
          "ECDSA-SHA256",
          "--signature-format",
          "openssl",
          "--id",
          "22",
          "-i",
          "data",
          "-o",
          `${name}-ec.sig`,
        ),
        pkcs11("--sign", "-m", "SHA256-RSA-PKCS", "--id", "33", "-i", "data", "-o", `${name}-p12.sig`),
        pkcs11("--decrypt", "-m", "RSA-PKCS", "--id", "11", "-i", `${name}.enc`, "-o", `${name}.txt`),
        pkcs11("--derive", "-m", "ECDH1-DERIVE", "--id", "22", "-i", `${name}-peer.der`, "-o", `${name}.secret`),
      ]);
      for (const part of [
        /Public Key Object; RSA 2048/,
        /Public Key Object; EC/,
        /Certificate Object; type = X\.509/,
      ]) {
        expect(results[0]?.stdout).toMatch(part);
      }
      for (const label of ["rsa", "ec", "p12"])
        expect(verified(`${name}-${label}.pem`, `${name}-${label}.sig`)).toBe("Verified OK");
      expect(readFileSync(file(`${name}.txt`), "utf8")).toBe("plain text");
      openssl(
        "pkeyutl",
        "-derive",
        "-inkey",
        `${name}-peer.key`,
        "-peerkey",
        `${name}-ec.pem`,
        "-out",
        `${name}.openssl`,
      );
      expect(readFileSync(file(`${name}.secret`)).equals(readFileSync(file(`${name}.openssl`)))).toBe(true);
    },
  );
});
