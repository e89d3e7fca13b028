import {
  constants,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
  verify,
} from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { violations } from "./support/json-schema.ts";
import { Officer, secrets } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const at = "--device sim:k --pin env:PIN";

function schemaOf(name: string): Record<string, unknown> {
  const path = fileURLToPath(new URL(`../../docs/schema/${name}.json`, import.meta.url));
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

const data = () => world.path("data");

beforeAll(async () => {
  await officer.initialised("k");
  writeFileSync(data(), "The quick brown fox jumps over the lazy dog\n");
  await told(0, `key generate --type rsa:2048 --label rsa ${at}`);
  await told(0, `key generate --type ec:p256 --label ec --id A2B3 ${at}`);
  await told(0, `key generate --type aes:256 --label aes ${at}`);
});

describe("key generate", () => {
  test("refuses a second label, id or reference, exit 8, before a PIN is asked for", async () => {
    expect(await codeOf(8, `key generate --type ec:p256 --label ec ${at}`)).toBe("KEY_LABEL_TAKEN");
    expect(await codeOf(8, `key generate --type ec:p256 --label x --id a2b3 ${at}`)).toBe("KEY_ID_TAKEN");
    expect(await codeOf(8, `key generate --type ec:p256 --label x --key-ref 2 ${at}`)).toBe("KEY_REFERENCE_TAKEN");
    expect(await codeOf(8, `key generate --type ec:p256 --label x --key-ref 2 --allow-duplicate ${at}`)).toBe(
      "KEY_REFERENCE_TAKEN",
    );
  });

  test("a type, label or algorithm that is none is told before a card is touched", async () => {
    for (const type of ["rsa", "rsa:", "ec:p257", "aes:100", "dsa:1024", "rsa:99"]) {
      await codeOf(2, `key generate --type ${type} --label x ${at}`);
    }
    expect(await codeOf(2, `key generate --type ec:p256 ${at}`)).toBe("OPTION_MISSING");
    expect(await codeOf(2, `key generate --type ec:p256 --label x --algorithms rsa-pss ${at}`)).toBe(
      "ALGORITHM_UNKNOWN",
    );
    expect(await codeOf(2, `key generate --type ec:p256 --label x --id zz ${at}`)).toBe("HEX_INVALID");
    expect(await codeOf(2, `key generate --type ec:p256 --label x --domain 3 ${at}`)).toBe("KEY_DOMAIN_NOT_FOUND");
  });

  test("--dry-run makes nothing", async () => {
    await told(0, `key generate --type ec:p384 --label dry --dry-run ${at}`);
    expect(await codeOf(2, "key show dry --device sim:k")).toBe("KEY_NOT_FOUND");
  });

  test("a token that waits for its shares is told so, with the number that is missing", async () => {
    const init = "device init --so-pin env:SO --pin env:PIN --dkek-shares 2 --device sim:pending";
    await officer.gets(0, init);
    const { stderr } = await officer.gets(
      5,
      "key generate --type ec:p256 --label x --pin env:PIN --device sim:pending",
    );
    expect(stderr).toContain("2 of 2 are missing");
  });

  test("shows on a terminal that it works", async () => {
    let seen = "";
    await officer.gets(0, `key generate --type ec:brainpoolP256r1 --label slow ${at}`, {
      onStderr: (text) => {
        seen += text;
      },
    });
    expect(seen).toContain("generating EC brainpoolP256r1");
    await told(0, `key delete slow --yes ${at}`);
  });

  test("limits are kept: algorithms and use counter", async () => {
    await told(0, `key generate --type ec:p256 --label few --algorithms ecdsa,ecdsa-sha256 --use-counter 2 ${at}`);
    const show = async () => (await told(0, "key show few --device sim:k"))["key"] as Record<string, unknown>;
    expect(await show()).toMatchObject({ usesLeft: 2, algorithms: ["ecdsa", "ecdsa-sha256"] });
    const peer = world.path("peer-few.pem");
    await officer.gets(0, `key public ec --device sim:k --out ${peer}`);
    expect(await codeOf(7, `key derive few --peer ${peer} --out ${world.path("no")} ${at}`)).toBe(
      "ALGORITHM_NOT_ALLOWED",
    );
    await told(0, `key sign few --in ${data()} ${at}`);
    await told(0, `key sign few --in ${data()} ${at}`);
    expect(await codeOf(6, `key sign few --in ${data()} ${at}`)).toBe("KEY_USED_UP");
    await told(0, `key delete few --yes ${at}`);
  });
});

describe("key list and show", () => {
  test("list", async () => {
    const { keys } = (await told(0, "key list --device sim:k")) as {
      keys: { ref: number; label: string; id: string }[];
    };
    expect(keys.map(({ ref, label, id }) => [ref, label, id])).toEqual([
      [1, "rsa", "01"],
      [2, "ec", "A2B3"],
      [3, "aes", "03"],
    ]);
    const { stdout } = await officer.gets(0, "key list --device sim:k");
    expect(stdout).toMatch(/^Ref +Label +Id +Type/);
    expect(stdout).toContain("EC secp256r1");
    expect((await officer.gets(0, "key list --device sim:k-empty")).stdout).toContain("no keys");
  });

  test("label, id and key reference name the same key; ambiguity lists the candidates", async () => {
    for (const name of ["ec", "a2b3", "ref:2", "id:A2B3", "label:ec"]) {
      expect(((await told(0, `key show ${name} --device sim:k`))["key"] as { ref: number }).ref).toBe(2);
    }
    await told(0, `key generate --type ec:p256 --label ec --allow-duplicate ${at}`);
    const { error } = (await told(2, "key show ec --device sim:k")) as { error: { code: string; details: unknown } };
    expect(error.code).toBe("KEY_AMBIGUOUS");
    expect(error.details).toMatchObject({ candidates: [{ ref: 2 }, { ref: 4 }] });
    await told(0, `key delete ref:4 --yes ${at}`);
    await told(0, "key show ec --device sim:k");
  });
});

describe("key sign and verify", () => {
  test.each([
    ["rsa", "", "pkcs1", "sha256"],
    ["rsa", "--scheme pss --hash sha384", "pss", "sha384"],
    ["ec", "--hash sha512", "ecdsa", "sha512"],
    ["ec", "", "ecdsa", "sha256"],
  ])("%s %s: OpenSSL verifies, so do we", async (key, options, scheme, hash) => {
    const out = world.path(`${key}-${scheme}-${hash}.sig`);
    const pem = world.path(`${key}.pem`);
    await told(0, `key sign ${key} ${options} --in ${data()} --out ${out} ${at}`);
    await officer.gets(0, `key public ${key} --out ${pem} --yes --device sim:k`);
    const padding =
      scheme === "pss"
        ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
        : {};
    const publicKey = { key: createPublicKey(readFileSync(pem)), ...padding };
    expect(verify(hash, readFileSync(data()), publicKey, readFileSync(out))).toBe(true);
    await told(0, `key verify ${key} ${options} --in ${data()} --signature ${out} --device sim:k`);
    await told(0, `key verify --public-key ${pem} ${options} --in ${data()} --signature ${out} --device none`);
    const other = world.path("other-data");
    writeFileSync(other, "another text");
    expect(await codeOf(9, `key verify --public-key ${pem} ${options} --in ${other} --signature ${out}`)).toBe(
      "SIGNATURE_WRONG",
    );
    writeFileSync(world.path("broken.sig"), "nonsense");
    await codeOf(9, `key verify --public-key ${pem} ${options} --in ${data()} --signature ${world.path("broken.sig")}`);
  });

  test("a long file is hashed here; its digest gives the same as the file", async () => {
    const long = world.path("long");
    writeFileSync(long, Buffer.alloc(3_000_000, 7));
    const digest = world.path("long.digest");
    writeFileSync(digest, createHash("sha256").update(readFileSync(long)).digest());
    const first = await told(0, `key sign rsa --in ${long} ${at}`);
    const second = await told(0, `key sign rsa --digest --in ${digest} ${at}`);
    expect(first["signature"]).toBe(second["signature"]);
  });

  test("what does not fit is refused before a PIN is presented", async () => {
    expect(await codeOf(2, `key sign rsa --scheme ecdsa --in ${data()} ${at}`)).toBe("KEY_KIND_WRONG");
    expect(await codeOf(2, `key sign ec --scheme pss --in ${data()} ${at}`)).toBe("KEY_KIND_WRONG");
    expect(await codeOf(2, `key sign aes --in ${data()} ${at}`)).toBe("KEY_KIND_WRONG");
    expect(await codeOf(2, `key sign rsa --hash md5 --in ${data()} ${at}`)).toBe("OPTION_VALUE");
    expect(await codeOf(2, `key sign rsa ${at}`)).toBe("OPTION_MISSING");
    expect(await codeOf(2, `key sign rsa --in ${world.path("nowhere")} ${at}`)).toBe("INPUT_UNREADABLE");
    expect(await codeOf(8, `key sign rsa --in ${data()} --out ${data()} ${at}`)).toBe("FILE_EXISTS");
    expect(await codeOf(11, `key sign rsa --in ${data()} --out ${world.path("no/folder")} ${at}`)).toBe(
      "FILE_NOT_WRITABLE",
    );
    expect(await codeOf(2, `key verify --in ${data()} --signature ${data()}`)).toBe("OPTIONS_CONFLICT");
    expect(await codeOf(9, `key verify --public-key ${data()} --in ${data()} --signature ${data()}`)).toBe(
      "PUBLIC_KEY_INVALID",
    );
    expect(await officer.tries("k")).toEqual({ user: 3, so: 15 });
  });
});

describe("key public", () => {
  test("PEM by default, DER, JWK and OpenSSH of the same key", async () => {
    const pem = (await officer.gets(0, "key public ec --device sim:k")).stdout;
    const key = createPublicKey(pem);
    const der = world.path("ec.der");
    await told(0, `key public ec --der --out ${der} --device sim:k`);
    expect(readFileSync(der).equals(key.export({ format: "der", type: "spki" }))).toBe(true);
    const jwk = JSON.parse((await officer.gets(0, "key public ec --jwk --device sim:k")).stdout) as object;
    expect(jwk).toEqual(key.export({ format: "jwk" }));
    expect((await officer.gets(0, "key public ec --ssh --device sim:k")).stdout).toMatch(
      /^ecdsa-sha2-nistp256 \S+ ec\n$/,
    );
    expect(await codeOf(2, "key public ec --ssh --jwk --device sim:k")).toBe("OPTIONS_CONFLICT");
    expect(await codeOf(7, "key public aes --device sim:k")).toBe("PUBLIC_KEY_UNKNOWN");
    await told(0, "key public rsa --device sim:k");
  });
});

describe("secret results", () => {
  const plaintext = "planted 51c0ffee plaintext";

  test("decrypt: PKCS#1, OAEP, raw and AES-CBC, into files that only their owner can read", async () => {
    const pem = (await officer.gets(0, "key public rsa --device sim:k")).stdout;
    const make = (name: string, bytes: Uint8Array) => {
      writeFileSync(world.path(name), bytes);
      return world.path(name);
    };
    const pkcs1 = make(
      "pkcs1.enc",
      publicEncrypt({ key: pem, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(plaintext)),
    );
    const oaep = make(
      "oaep.enc",
      publicEncrypt({ key: pem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" }, Buffer.from(plaintext)),
    );
    for (const [source, options] of [
      [pkcs1, ""],
      [oaep, "--scheme oaep --hash sha1"],
    ] as const) {
      const out = `${source}.txt`;
      await told(0, `key decrypt rsa ${options} --in ${source} --out ${out} ${at}`);
      expect(readFileSync(out, "utf8")).toBe(plaintext);
      expect(statSync(out).mode & 0o777).toBe(0o600);
    }
    await told(9, `key decrypt rsa --scheme oaep --in ${oaep} --out ${world.path("never")} ${at}`);
    expect(existsSync(world.path("never"))).toBe(false);
    expect(await codeOf(2, `key decrypt rsa --in ${data()} --out ${world.path("never")} ${at}`)).toBe(
      "KEY_INPUT_INVALID",
    );
    expect(await codeOf(2, `key decrypt ec --in ${pkcs1} --out ${world.path("never")} ${at}`)).toBe("KEY_KIND_WRONG");
    await told(0, `key decrypt aes --in ${make("aes.enc", new Uint8Array(32))} --out ${world.path("aes.txt")} ${at}`);
    expect(readFileSync(world.path("aes.txt"))).toHaveLength(32);
  });

  test("nothing secret is shown unless --out - asks for it", async () => {
    expect(await codeOf(2, `key mac aes --in ${data()} ${at}`)).toBe("OPTION_MISSING");
    expect(await codeOf(2, `key mac aes --in ${data()} --out - ${at}`)).toBe("OPTIONS_CONFLICT");
    const { stdout } = await officer.gets(0, `key mac aes --in ${data()} --out - ${at}`);
    expect(stdout.split(",")).toHaveLength(16); // the test's standard output shows bytes as numbers
  });

  test("derive: both sides of ECDH come to the same; AES gives 32 bytes or so", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const peer = world.path("peer.pem");
    writeFileSync(peer, pair.publicKey.export({ format: "pem", type: "spki" }));
    const out = world.path("ecdh.bin");
    await told(0, `key derive ec --peer ${peer} --out ${out} ${at}`);
    const ours = createPublicKey((await officer.gets(0, "key public ec --device sim:k")).stdout);
    expect(readFileSync(out).equals(diffieHellman({ privateKey: pair.privateKey, publicKey: ours }))).toBe(true);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    await told(0, `key derive aes --in ${data()} --out ${world.path("kdf.bin")} ${at}`);
    expect(await codeOf(2, `key derive rsa --peer ${peer} --out ${world.path("never")} ${at}`)).toBe("KEY_KIND_WRONG");
    expect(await codeOf(2, `key derive ec --out ${world.path("never")} ${at}`)).toBe("OPTIONS_CONFLICT");
  });

  test("mac: equal messages, equal MACs", async () => {
    await told(0, `key mac aes --in ${data()} --out ${world.path("mac1")} ${at}`);
    await told(0, `key mac aes --in ${data()} --out ${world.path("mac2")} ${at}`);
    expect(readFileSync(world.path("mac1"))).toEqual(readFileSync(world.path("mac2")));
    expect(await codeOf(2, `key mac rsa --in ${data()} --out ${world.path("never")} ${at}`)).toBe("KEY_KIND_WRONG");
  });

  test("nothing secret was printed by any of these, nor is it in a trace", async () => {
    const pem = (await officer.gets(0, "key public rsa --device sim:k")).stdout;
    const sealed = world.path("traced.enc");
    writeFileSync(sealed, publicEncrypt({ key: pem, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(plaintext)));
    const peer = world.path("traced.pem");
    const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey;
    writeFileSync(peer, other.export({ format: "pem", type: "spki" }));
    let text = "";
    for (const [i, verb] of [
      `mac aes --in ${data()}`,
      `derive ec --peer ${peer}`,
      `derive aes --in ${data()}`,
      `decrypt rsa --in ${sealed}`,
    ].entries()) {
      const [trace, out] = [world.path(`use-${i}.apdu`), world.path(`traced-${i}.bin`)];
      await told(0, `key ${verb} --out ${out} --trace ${trace} ${at}`);
      text = readFileSync(trace, "utf8").replaceAll(/\s/g, "").toLowerCase();
      expect(text, verb).not.toContain(readFileSync(out).toString("hex"));
    }
    expect(text).not.toContain(Buffer.from(secrets.pin).toString("hex"));
    expect(world.printed).not.toContain(plaintext);
    for (const secret of Object.values(secrets)) expect(world.printed).not.toContain(secret);
  });
});

describe("key rename and delete", () => {
  test("rename keeps the key; a label that is taken is refused", async () => {
    await told(0, `key rename ec renamed --dry-run ${at}`);
    await told(0, `key rename ec renamed ${at}`);
    expect(await codeOf(8, `key rename renamed rsa ${at}`)).toBe("KEY_LABEL_TAKEN");
    await told(0, `key rename renamed ec ${at}`);
    expect(await codeOf(2, `key rename ec ${at}`)).toBe("ARGUMENT_MISSING");
  });

  test("delete wants the serial typed, or --yes with an exact device", async () => {
    await told(0, `key generate --type ec:p256 --label gone ${at}`);
    await officer.gets(2, `key delete gone ${at}`);
    await officer.gets(10, `key delete gone ${at}`, { person: new TypingPerson("gone") });
    await told(0, `key delete gone --dry-run ${at}`);
    const { token } = (await told(0, "key show gone --device sim:k")) as { token: { serial: string } };
    const { stderr } = await officer.gets(0, `key delete gone ${at}`, { person: new TypingPerson(token.serial) });
    expect(stderr).toContain('key 4 "gone", EC secp256r1 and the certificate beside it, on k, UTSIM');
    expect(await codeOf(2, "key show gone --device sim:k")).toBe("KEY_NOT_FOUND");
  });
});
