import { execFileSync } from "node:child_process";
import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { fromHex } from "../../src/bytes/hex.ts";
import { describeWith } from "../support/needs.ts";
import { violations } from "./support/json-schema.ts";
import { Officer, secretEnv, secrets } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

const world = new TestWorld();
const officer = new Officer(world);
const planted = "pl4nted-p12-pass";
Object.assign(secretEnv, { SHAREPW: "password", KEYPW: planted });

const { cases } = JSON.parse(readFileSync(new URL("../vectors/dkek_share_file.json", import.meta.url), "utf8")) as {
  cases: readonly { iterations: number; file: string; share: string }[];
};
const share = world.path("share.pbe");
const kcv = "630DCD2966C43366";
const shares = `--share ${share} --share-password env:SHAREPW`;

function schemaOf(name: string): Record<string, unknown> {
  const path = fileURLToPath(new URL(`../../docs/schema/${name}.json`, import.meta.url));
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
}

async function told(code: number, argv: string): Promise<Record<string, unknown>> {
  const document = await officer.document(code, argv);
  const name = document["error"] === undefined ? argv.split(" ").slice(0, 2).join("-") : "error";
  expect(violations(schemaOf(name), document), argv).toEqual([]);
  return document;
}

async function codeOf(exit: number, argv: string): Promise<unknown> {
  return ((await told(exit, argv))["error"] as { code: unknown }).code;
}

/** A token with the DKEK of the share file. */
async function token(name: string, profile = "genuine"): Promise<string> {
  await officer.gets(0, `simulator create ${name} --profile ${profile}`);
  const init = `device init --label ${name} --so-pin env:SO --pin env:PIN --dkek-shares 1 --device sim:${name}`;
  await officer.gets(0, init);
  await officer.gets(0, `share import ${share} --password env:SHAREPW --pin env:PIN --device sim:${name}`);
  return `--pin env:PIN --device sim:${name}`;
}

const data = world.path("data");

/** Signs on the token; OpenSSL verifies under this public key. */
async function signs(key: string, at: string, publicKey: ReturnType<typeof createPublicKey>): Promise<void> {
  const { signature } = (await told(0, `key sign ${key} --in ${data} ${at}`)) as { signature: string };
  expect(verify("sha256", readFileSync(data), publicKey, Buffer.from(signature, "base64"))).toBe(true);
}

async function publicOf(key: string, device: string): Promise<ReturnType<typeof createPublicKey>> {
  return createPublicKey((await officer.gets(0, `key public ${key} --device ${device}`)).stdout);
}

beforeAll(() => {
  writeFileSync(data, "to be signed");
  writeFileSync(share, fromHex(cases.find((one) => one.iterations === 1000)?.file ?? ""));
});

describe.each(["genuine", "pico"])("key wrap and unwrap, %s", (profile) => {
  const from = `from-${profile}`;
  const to = `to-${profile}`;
  const wrapped = world.path(`${profile}-wrapped.key`);
  let atFrom = "";
  let atTo = "";
  beforeAll(async () => {
    atFrom = await token(from, profile);
    atTo = await token(to, profile);
    await told(0, `key generate --type rsa:1024 --label rsa ${atFrom}`);
    await told(0, `key generate --type ec:p256 --label ec --id C0FFEE ${atFrom}`);
    await told(0, `key generate --type aes:128 --label aes ${atFrom}`);
    await told(0, `key wrap ec --out ${wrapped} ${atFrom}`);
  });

  test.each(["rsa", "ec", "aes"])("%s moves with label, id and public key, and works there", async (name) => {
    const file = world.path(`${profile}-${name}.key`);
    await told(0, `key wrap ${name} --out ${file} --dry-run ${atFrom}`);
    expect(existsSync(file)).toBe(false);
    expect((await told(0, `key wrap ${name} --out ${file} ${atFrom}`))["kcv"]).toBe(kcv);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await codeOf(8, `key wrap ${name} --out ${file} ${atFrom}`)).toBe("FILE_EXISTS");
    const dry = await told(0, `key unwrap ${file} --dry-run ${atTo}`);
    const moved = await told(0, `key unwrap ${file} ${atTo}`);
    expect((moved["key"] as { ref: number }).ref).toBe(dry["ref"]);
    const facts = async (device: string) => {
      const { ref: _, ...rest } = (await told(0, `key show ${name} --device ${device}`))["key"] as { ref: number };
      return rest;
    };
    expect(await facts(`sim:${to}`)).toEqual(await facts(`sim:${from}`));
    expect(await codeOf(8, `key unwrap ${file} ${atTo}`)).toBe("KEY_LABEL_TAKEN");
    if (name === "aes") {
      const [a, b] = [world.path(`${profile}-mac-a`), world.path(`${profile}-mac-b`)];
      await told(0, `key mac aes --in ${data} --out ${a} ${atFrom}`);
      await told(0, `key mac aes --in ${data} --out ${b} ${atTo}`);
      expect(readFileSync(a)).toEqual(readFileSync(b));
    } else {
      await signs(name, atTo, await publicOf(name, `sim:${from}`));
    }
  });

  test("another reference and label where they are asked for; the same key twice only when asked", async () => {
    const file = wrapped;
    const twin = `sim:twin-${profile}`;
    const atTwin = await token(`twin-${profile}`, profile);
    await told(0, `key unwrap ${file} --key-ref 2 ${atTwin}`);
    expect(await codeOf(8, `key unwrap ${file} --label twin --key-ref 2 --allow-duplicate ${atTwin}`)).toBe(
      "KEY_REFERENCE_TAKEN",
    );
    expect(await codeOf(8, `key unwrap ${file} --label twin ${atTwin}`)).toBe("KEY_ID_TAKEN");
    await told(0, `key unwrap ${file} --label twin --key-ref 77 --allow-duplicate ${atTwin}`);
    expect((await told(0, `key show twin --device ${twin}`))["key"]).toMatchObject({ ref: 77, label: "twin" });
    await signs("twin", atTwin, await publicOf("ec", `sim:${from}`));
  });

  test("a flipped bit anywhere is a clear error, and the token is as before", async () => {
    const good = readFileSync(wrapped);
    const file = world.path(`${profile}-bad.key`);
    const before = await told(0, `key list --device sim:${to}`);
    for (let at = 0; at < 120; at += 7) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      writeFileSync(file, bad);
      const { code, stderr } = await officer.does(`key unwrap ${file} --label bad --allow-duplicate ${atTo}`);
      expect([code, stderr], `offset ${at}`).toEqual([9, expect.stringContaining("error")]);
    }
    for (const length of [0, 1, 40, good.length - 1]) {
      writeFileSync(file, good.subarray(0, length));
      await told(9, `key unwrap ${file} --label bad --allow-duplicate ${atTo}`);
    }
    expect(await told(0, `key list --device sim:${to}`)).toEqual(before);
  });

  test("a token of another DKEK, or of none, is told from the check value", async () => {
    const file = wrapped;
    const init = "device init --so-pin env:SO --pin env:PIN";
    await officer.gets(0, `simulator create none-${profile} --profile ${profile}`);
    await officer.gets(0, `${init} --dkek-shares none --device sim:none-${profile}`);
    expect(await codeOf(7, `key unwrap ${file} --pin env:PIN --device sim:none-${profile}`)).toBe("NO_DKEK");
    await officer.gets(0, `simulator create other-${profile} --profile ${profile}`);
    await officer.gets(0, `${init} --dkek-shares random --device sim:other-${profile}`);
    const { error } = (await told(9, `key unwrap ${file} --pin env:PIN --device sim:other-${profile}`)) as {
      error: { code: string; message: string };
    };
    expect(error.code).toBe("KEY_BLOB_OTHER_DKEK");
    expect(error.message).toContain(kcv);
    await officer.gets(0, `${init} --dkek-shares 2 --device sim:other-${profile} --yes`);
    expect(await codeOf(5, `key unwrap ${file} --pin env:PIN --device sim:other-${profile}`)).toBe(
      "DKEK_SHARES_PENDING",
    );
  });
});

describe("key import", () => {
  let at = "";
  let good = "";
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(world.path(name), content, { mode: 0o600 });
    return world.path(name);
  };
  beforeAll(async () => {
    at = await token("import");
    good = write("good.pem", ec.privateKey.export({ format: "pem", type: "sec1" }) as string);
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const files: [string, () => string | Uint8Array, string, ReturnType<typeof createPublicKey>][] = [
    ["pkcs8", () => rsa.privateKey.export({ format: "pem", type: "pkcs8" }) as string, "", rsa.publicKey],
    ["pkcs1", () => rsa.privateKey.export({ format: "der", type: "pkcs1" }), "", rsa.publicKey],
    ["sec1", () => ec.privateKey.export({ format: "pem", type: "sec1" }) as string, "", ec.publicKey],
    ["sec1-der", () => ec.privateKey.export({ format: "der", type: "sec1" }), "", ec.publicKey],
    ["pkcs8-der", () => ec.privateKey.export({ format: "der", type: "pkcs8" }), "", ec.publicKey],
    ["pkcs8-rsa", () => rsa.privateKey.export({ format: "der", type: "pkcs8" }), "", rsa.publicKey],
    ["jwk", () => JSON.stringify(ec.privateKey.export({ format: "jwk" })), "", ec.publicKey],
    [
      "encrypted",
      () =>
        ec.privateKey.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: planted }) as string,
      "--password env:KEYPW",
      ec.publicKey,
    ],
  ];
  test.each(files)("%s: the key is on the token and signs", async (name, content, options, publicKey) => {
    const file = write(`import-${name}`, content());
    const line = `key import ${file} --label ${name} --allow-duplicate ${options} ${shares} ${at}`;
    const dry = await told(0, `${line} --dry-run`);
    expect(dry["kcv"]).toBe(kcv);
    const done = await told(0, line);
    expect((done["key"] as { label: string; problems: unknown[] }).problems).toEqual([]);
    const derOf = (key: ReturnType<typeof createPublicKey>) => key.export({ format: "der", type: "spki" });
    expect(derOf(await publicOf(name, "sim:import")).equals(derOf(publicKey))).toBe(true);
    await signs(name, at, publicKey);
  });

  test("a bare AES key, with the algorithms it may be used for", async () => {
    const file = write("aes.bin", new Uint8Array(32).fill(9));
    await told(0, `key import ${file} --aes --label aes --algorithms aes-cmac ${shares} ${at}`);
    await told(0, `key mac aes --in ${data} --out ${world.path("mac")} ${at}`);
    expect(await codeOf(7, `key derive aes --in ${data} --out ${world.path("never")} ${at}`)).toBe(
      "ALGORITHM_NOT_ALLOWED",
    );
  });

  describeWith(["openssl"], "PKCS#12 of OpenSSL", () => {
    const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: world.home, stdio: "pipe" });

    test("the key, its certificate and its chain in one command", async () => {
      openssl(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=Test CA",
        "-days",
        "30",
      );
      openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf");
      openssl(
        "x509",
        "-req",
        "-in",
        "leaf.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-out",
        "leaf.pem",
        "-days",
        "30",
      );
      openssl(
        "pkcs12",
        "-export",
        "-inkey",
        "leaf.key",
        "-in",
        "leaf.pem",
        "-certfile",
        "ca.pem",
        "-out",
        "leaf.p12",
        "-passout",
        `pass:${planted}`,
      );
      const file = world.path("leaf.p12");
      const line = `key import ${file} --label leaf --id 1EAF ${shares} ${at}`;
      expect(await codeOf(4, `${line} --password env:SHAREPW`)).toBe("KEY_PASSWORD_WRONG");
      const done = await told(0, `${line} --password env:KEYPW`);
      expect(done).toMatchObject({ format: "PKCS#12", certificates: 2, issuers: ["CA01"] });
      expect(done["key"]).toMatchObject({ label: "leaf", id: "1EAF", certificate: "x509" });
      await signs("leaf", at, createPublicKey(createPrivateKey(readFileSync(world.path("leaf.key")))));
    });
  });

  test("what cannot be is refused before anything is sent: shares, passwords, files, kinds", async () => {
    const file = good;
    await officer.gets(0, `key import ${file} --label there --allow-duplicate ${shares} ${at}`);
    const before = await told(0, "key list --device sim:import");
    const line = (path: string, rest = "") => `key import ${path} --label new --allow-duplicate ${rest} ${at}`;
    expect(await codeOf(2, line(file))).toBe("OPTION_MISSING");
    expect(await codeOf(9, line(file, `--share ${file} --share-password env:SHAREPW`))).toBe("SHARE_FILE_INVALID");
    expect(await codeOf(4, line(file, `--share ${share} --share-password env:KEYPW`))).toBe("SHARE_PASSWORD_WRONG");
    expect(await codeOf(8, line(file, `${shares} ${shares}`))).toBe("DKEK_SHARE_TWICE");
    expect(await codeOf(2, line(file, `${shares} --share-password env:KEYPW`))).toBe("OPTIONS_CONFLICT");
    const cipher = { cipher: "aes-256-cbc", passphrase: planted };
    const encrypted = write("enc.pem", ec.privateKey.export({ format: "pem", type: "pkcs8", ...cipher }) as string);
    expect(await codeOf(2, line(encrypted, shares))).toBe("KEY_PASSWORD_MISSING");
    expect(await codeOf(4, line(encrypted, `--password env:SHAREPW ${shares}`))).toBe("KEY_PASSWORD_WRONG");
    expect(await codeOf(9, line(write("junk", "junk"), shares))).toBe("KEY_FILE_INVALID");
    const ed = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }) as string;
    await told(7, line(write("ed.pem", ed), shares));
    const small = generateKeyPairSync("rsa", { modulusLength: 768 }).privateKey;
    expect(
      await codeOf(7, line(write("small.pem", small.export({ format: "pem", type: "pkcs1" }) as string), shares)),
    ).toBe("KEY_SIZE_UNSUITED");
    expect(await codeOf(2, line(file, `--algorithms rsa-pss ${shares}`))).toBe("ALGORITHM_UNKNOWN");
    const again = `key import ${file} --label other ${shares} ${at}`;
    expect(await codeOf(8, again)).toBe("KEY_EXISTS");
    expect(await told(0, "key list --device sim:import")).toEqual(before);
    expect(await officer.tries("import")).toEqual({ user: 3, so: 15 });
  });

  test("shares of another DKEK are told by their check value; the token is as before", async () => {
    const other = world.path("other.pbe");
    await officer.gets(0, `share create ${other} --password env:SHAREPW --yes`, {
      env: { SHAREPW: "another long password" },
    });
    const line = `key import ${good} --label new --allow-duplicate --share ${other} --share-password env:SHAREPW ${at}`;
    const outcome = await officer.gets(9, line, { env: { SHAREPW: "another long password" } });
    expect(outcome.stderr).toContain(kcv);
  });

  test("a share whose password is split among custodians", async () => {
    const split = world.path("split.pbe");
    await officer.gets(0, `share create ${split} --split 2-of-3 --cards ${world.path("cards")}`);
    const cards = readdirSync(world.path("cards")).slice(0, 2);
    const parts = cards.map((card) => `--share-parts file:${join(world.path("cards"), card)}`).join(" ");
    const init = "--so-pin env:SO --pin env:PIN --dkek-shares 1 --device sim:split";
    await officer.gets(0, `device init --label split ${init}`);
    await officer.gets(0, `share import ${split} ${parts} --pin env:PIN --device sim:split`);
    const line = `key import ${good} --label good --pin env:PIN --device sim:split`;
    await told(0, `${line} --share ${split} ${parts}`);
    await signs("good", "--pin env:PIN --device sim:split", ec.publicKey);
  });

  test("no secret was printed", () => {
    for (const secret of [planted, cases[0]?.share ?? "", ...Object.values(secrets)]) {
      expect(world.printed).not.toContain(secret);
    }
  });
});
