import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeDataDescription } from "../../../src/cards/smartcard-hsm/pkcs15-file-description.ts";
import { findAttestation } from "../../../src/services/certificates/attestations.ts";
import { violations } from "../support/json-schema.ts";
import { Officer, secrets } from "../support/officer.ts";
import { behindTheBack } from "../support/open-simulated.ts";
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
  test("OpenSSL verifies what it signs, and not what it did not", async () => {
    const [signed, key] = [world.path(`${label}.sig`), world.path(`${label}.public`)];
    const [data, other] = [world.path(`${label}.data`), world.path(`${label}.other`)];
    writeFileSync(data, `signed by ${label}`);
    writeFileSync(other, `not signed by ${label}`);
    const scheme = label === "pss" ? "--scheme pss" : "";
    await officer.gets(0, `key sign ${label} --hash sha256 ${scheme} --in ${data} --out ${signed} ${at}`);
    await officer.gets(0, `key public ${label} --pem --out ${key} --device sim:c`);
    const padding = label === "pss" ? ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"] : [];
    const verify = (file: string) =>
      spawnSync("openssl", ["dgst", "-sha256", "-verify", key, ...padding, "-signature", signed, file]).status;
    expect([verify(data), verify(other)]).toEqual([0, 1]);
  });

  test("OpenSSL verifies its request", async () => {
    const path = world.path(`${label}.csr`);
    await told(
      0,
      `cert csr ${label} --subject CN=${label},O=Example,C=DE --san dns:${label}.example --out ${path} ${at}`,
    );
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

describe("what is wrong with the wishes is told before a card is touched", () => {
  test.each([
    [2, "NAME_MALFORMED", "--subject CN"],
    [2, "NAME_MALFORMED", "--subject CN=a;O=b"],
    [2, "OPTION_MISSING", ""],
    [2, "ALTERNATIVE_NAME_MALFORMED", "--subject CN=a --san door.example"],
    [2, "KEY_USAGE_UNKNOWN", "--subject CN=a --key-usage signing"],
    [2, "KEY_PURPOSE_UNKNOWN", "--subject CN=a --ext-key-usage tls"],
    [2, "HASH_TOO_WEAK", "--subject CN=a --hash sha1"],
    [2, "OPTIONS_CONFLICT", "--subject CN=a --pem --der"],
    [2, "OPTION_VALUE", "--subject CN=a --key-usage digital-signature,"],
  ])("exit %i %s: %s", async (exit, code, options) => {
    for (const verb of ["csr", "self-sign"]) {
      expect(await codeOf(exit, `cert ${verb} p256 ${options} --device sim:nobody --pin env:PIN`)).toBe(code);
    }
  });

  test("a key that cannot sign so", async () => {
    expect(await codeOf(7, `cert csr aes --subject CN=a ${at}`)).toBe("PUBLIC_KEY_UNKNOWN");
    expect(await codeOf(2, `cert csr p256 --subject CN=a --scheme pss ${at}`)).toBe("KEY_KIND_WRONG");
    expect(await codeOf(7, `cert csr pss --subject CN=a --scheme pkcs1 ${at}`)).toBe("ALGORITHM_NOT_ALLOWED");
    expect(await codeOf(2, `cert csr none --subject CN=a ${at}`)).toBe("KEY_NOT_FOUND");
    expect(await codeOf(2, `cert self-sign p256 --subject CN=a --days 0 ${at}`)).toBe("OPTION_VALUE");
  });

  test("a clock that is obviously wrong dates no certificate", async () => {
    const { code, stderr } = await officer.does(`cert self-sign p256 --subject CN=a ${at}`, { now: new Date(0) });
    expect(code).toBe(11);
    expect(stderr).toContain("the clock of this machine is wrong");
  });

  test("--dry-run signs nothing and sends no PIN", async () => {
    const wrong = "--device sim:c --pin env:WRONG --dry-run";
    await told(0, `cert csr p256 --subject CN=a ${wrong}`);
    await told(0, `cert self-sign p256 --subject CN=a --put ${wrong}`);
    expect(await officer.tries("c")).toMatchObject({ user: 3 });
  });
});

test("a name with blanks, further purposes, PSS on request; standard output is the PEM alone", async () => {
  const names = ["--san", "ip:192.0.2.7", "--san", "email:a@b.example", "--key-usage", "digital-signature"];
  const { stdout } = await words(
    0,
    ...["cert", "csr", "rsa", "--subject", "CN=Door 7\\, north,O=Müller & Co", "--scheme", "pss", "--hash", "sha384"],
    ...[...names, "--ext-key-usage", "client-auth,1.2.3", "--device", "sim:c", "--pin", "env:PIN"],
  );
  expect(stdout).toMatch(/^-----BEGIN CERTIFICATE REQUEST-----\n[\s\S]*-----END CERTIFICATE REQUEST-----\n$/);
  const path = world.path("names.csr");
  writeFileSync(path, stdout);
  const text = openssl("req", "-in", path, "-noout", "-verify", "-text", "-nameopt", "RFC2253,utf8,-esc_msb");
  expect(text).toContain("O=Müller & Co");
  expect(text).toMatch(/rsassaPss[\s\S]*Hash Algorithm: sha384/i);
  for (const part of [
    "Door 7\\, north",
    "IP Address:192.0.2.7",
    "Digital Signature",
    "TLS Web Client Authentication, 1.2.3",
  ])
    expect(text).toContain(part);
});

describe("certificates on the token", () => {
  const path = (name: string) => world.path(name);
  const file = (certificate: unknown) => (certificate as { file: string }).file;
  const cert = (document: Record<string, unknown>) => document["certificate"] as Record<string, unknown>;

  /** An authority of OpenSSL's signs a request of the token. */
  async function issued(key: string): Promise<string> {
    if (!existsSync(path("ca.key"))) {
      openssl(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "3650",
        "-subj",
        "/CN=Example Root",
        "-keyout",
        path("ca.key"),
        "-out",
        path("ca.pem"),
      );
    }
    await officer.gets(
      0,
      `cert csr ${key} --subject CN=${key},O=Example --san dns:${key}.example --out ${path(`${key}.req`)} --yes ${at}`,
    );
    openssl(
      "x509",
      "-req",
      "-in",
      path(`${key}.req`),
      "-CA",
      path("ca.pem"),
      "-CAkey",
      path("ca.key"),
      "-CAcreateserial",
      "-days",
      "30",
      "-copy_extensions",
      "copyall",
      "-out",
      path(`${key}.crt`),
    );
    return path(`${key}.crt`);
  }

  test("put beside its key; the attestation is kept, found again, and restored", async () => {
    const request = await told(0, "key public p256 --device sim:c");
    const before = (await behindTheBack(world, "c", (card) => card.findKey("p256"))).certificateBytes;
    const done = await told(0, `cert put ${await issued("p256")} ${at}`);
    const [put] = done["certificates"] as Record<string, unknown>[];
    expect(put).toMatchObject({ holder: "key", label: "p256", there: false, file: "CE03", attestation: "CF03" });

    // The public half is told by the certificate now, the key works as before.
    expect((await told(0, "key public p256 --device sim:c"))["publicKey"]).toBe(request["publicKey"]);
    expect(await told(0, "key show p256 --device sim:c")).toMatchObject({ key: { certificate: "x509" } });
    await officer.gets(0, `key sign p256 --in ${path("p256.crt")} ${at}`);
    expect(cert(await told(0, "cert show p256 --device sim:c"))).toMatchObject({
      subject: "CN=p256,O=Example",
      issuer: "CN=Example Root",
      alternativeNames: ["dns:p256.example"],
      attestation: "CF03",
      problem: null,
    });
    await behindTheBack(world, "c", async (card) => {
      const kept = await findAttestation(card, await card.findKey("p256"));
      expect(kept).toEqual({ request: before, fid: 0xcf03 });
    });

    // Again: nothing to do. Another one: not by accident. By --yes: in its place, the attestation stays.
    expect((await told(0, `cert put ${path("p256.crt")} ${at}`))["certificates"]).toMatchObject([
      { there: true, attestation: "CF03" },
    ]);
    await officer.gets(0, `cert self-sign p256 --subject CN=own --out ${path("own.pem")} ${at}`);
    expect(await codeOf(8, `cert put ${path("own.pem")} ${at}`)).toBe("CERTIFICATE_EXISTS");
    expect(await codeOf(8, `cert self-sign p256 --subject CN=own --put ${at}`)).toBe("CERTIFICATE_EXISTS");
    expect((await told(0, `cert put ${path("own.pem")} --yes ${at}`))["certificates"]).toMatchObject([
      { attestation: "CF03" },
    ]);
    expect(cert(await told(0, "cert show p256 --device sim:c"))).toMatchObject({
      subject: "CN=own",
      attestation: "CF03",
    });

    // Out of it as it went in.
    const { stdout } = await officer.gets(0, "cert get p256 --device sim:c");
    expect(stdout).toBe(readFileSync(path("own.pem"), "utf8"));
    await told(0, `cert get p256 --der --out ${path("own.der")} --device sim:c`);
    expect(openssl("x509", "-inform", "DER", "-in", path("own.der"), "-noout", "-subject")).toContain("CN = own");
    expect(await codeOf(8, `cert get p256 --der --out ${path("own.der")} --device sim:c`)).toBe("FILE_EXISTS");

    await told(0, `cert delete p256 --dry-run ${at}`);
    expect(await codeOf(2, `cert delete p256 ${at}`)).toBe("CONFIRMATION_MISSING");
    expect(await told(0, `cert delete p256 --yes ${at}`)).toMatchObject({ restored: true });
    const after = await behindTheBack(world, "c", async (card) => {
      const files = await card.listFiles();
      expect(files.filter((fid) => [0xc903, 0xcf03].includes(fid))).toEqual([]);
      return (await card.findKey("p256")).certificateBytes;
    });
    expect(after).toEqual(before);
  });

  test("a chain: the key's beside the key, the others as authorities, each once", async () => {
    const leaf = readFileSync(await issued("bp256"), "utf8");
    writeFileSync(path("chain.pem"), leaf + readFileSync(path("ca.pem"), "utf8"));
    expect(await codeOf(2, `cert put ${path("chain.pem")} ${at}`)).toBe("CERTIFICATE_OF_NO_KEY");
    await told(0, `cert put ${path("chain.pem")} --authority --dry-run ${at}`);
    const done = await told(0, `cert put ${path("chain.pem")} --authority ${at}`);
    expect(done["certificates"]).toMatchObject([
      { holder: "key", label: "bp256", attestation: "CF07" },
      { holder: "authority", ref: 1, label: "Example Root", file: "CA01", attestation: null },
    ]);
    expect((await told(0, `cert put ${path("ca.pem")} --authority ${at}`))["certificates"]).toMatchObject([
      { ref: 1, there: true },
    ]);
    const { certificates } = (await told(0, "cert list --device sim:c")) as { certificates: Record<string, unknown>[] };
    expect(certificates.map(({ holder, label, subject }) => [holder, label, subject])).toEqual([
      ["key", "bp256", "CN=bp256,O=Example"],
      ["authority", "Example Root", "CN=Example Root"],
    ]);
    for (const name of ["ca:1", "Example Root", "label:Example Root"]) {
      const { stdout } = await words(0, "cert", "show", name, "--device", "sim:c");
      expect(stdout).toContain("CN=Example Root (itself)");
    }
    expect(
      openssl(
        "verify",
        "-attime",
        String(Math.floor(Date.now() / 1000) + 60),
        "-CAfile",
        path("ca.pem"),
        path("bp256.crt"),
      ),
    ).toContain("OK");
    expect(await told(0, `cert delete ca:1 --yes ${at}`)).toMatchObject({ restored: false });
    expect((await told(0, "cert list --device sim:c"))["certificates"]).toHaveLength(1);
  });

  test("the certificate of another key is refused, with whose it is", async () => {
    const foreign = await issued("p384");
    const { stderr } = await officer.gets(9, `cert put ${foreign} --key p521 ${at}`);
    expect(stderr).toMatch(/does not belong to key 5 "p521"[\s\S]*belongs to key 4 "p384"/);
    expect(await codeOf(9, `cert put ${foreign} --key p521 ${at}`)).toBe("CERTIFICATE_KEY_MISMATCH");
    expect(await codeOf(9, `cert put ${path("ca.pem")} --key p521 ${at}`)).toBe("CERTIFICATE_KEY_MISMATCH");
    expect(await codeOf(9, `cert put ${path("ca.pem")} --key p521 --authority ${at}`)).toBe("CERTIFICATE_KEY_MISMATCH");
    await told(0, `cert put ${foreign} --key p384 ${at}`);
  });

  test("truncated and other files are refused before a card is touched", async () => {
    const der = readFileSync(path("own.der"));
    for (const [name, content] of [
      ["cut.der", der.subarray(0, 100)],
      ["more.der", Buffer.concat([der, Buffer.of(0)])],
      ["none.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"],
      ["text", "hello"],
      ["empty", ""],
    ] as const) {
      writeFileSync(path(name), content);
      expect(await codeOf(9, `cert put ${path(name)} --device sim:nobody --pin env:PIN`), name).toBe(
        "CERTIFICATE_INVALID",
      );
    }
  });

  test("names that mean none or several", async () => {
    expect(await codeOf(2, "cert show none --device sim:c")).toBe("CERTIFICATE_NOT_FOUND");
    expect(await codeOf(2, "cert show p521 --device sim:c")).toBe("CERTIFICATE_NOT_FOUND");
    expect(await codeOf(2, "cert show ca:9 --device sim:c")).toBe("CERTIFICATE_NOT_FOUND");
    await officer.gets(0, `cert put ${path("ca.pem")} --authority --label p384 --id 0A ${at}`);
    expect(await codeOf(2, "cert show p384 --device sim:c")).toBe("CERTIFICATE_AMBIGUOUS");
    expect(file(cert(await told(0, "cert show ref:4 --device sim:c")))).toBe("CE04");
    expect(file(cert(await told(0, "cert show id:0a --device sim:c")))).toBe("CA01");
  });

  test("a damaged certificate is listed with its problem, not hidden, and can be deleted", async () => {
    await behindTheBack(world, "c", async (card) => {
      await card.writeFile(0xca02, Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x00));
    });
    const { certificates } = (await told(0, "cert list --device sim:c")) as { certificates: Record<string, unknown>[] };
    expect(certificates.at(-1)).toMatchObject({
      file: "CA02",
      subject: null,
      problem: expect.stringContaining("no usable X.509"),
    });
    expect(await told(0, `cert delete ca:2 --yes ${at}`)).toMatchObject({ restored: false });
  });

  test("a certificate whose key has no attestation: that the public half goes too is said first", async () => {
    await officer.gets(0, `cert self-sign card --subject CN=card --put ${at}`);
    await behindTheBack(world, "c", async (card) => {
      for (const fid of [0xc90a, 0xcf0a]) await card.deleteFile(fid);
    });
    expect(cert(await told(0, "cert show card --device sim:c"))).toMatchObject({ attestation: null });
    const { stderr } = await officer.gets(0, `cert delete card --yes ${at}`);
    expect(stderr).toContain("the public half of the key: nothing else on the token tells it");
  });

  test("where the key's own number is taken the attestation goes elsewhere, and is found by its key alone", async () => {
    const other = encodeDataDescription({ label: "attestation", application: "other", secret: false, fid: 0xcf05 });
    const request = await behindTheBack(world, "c", async (card) => {
      await card.writeFile(0xcf05, Uint8Array.of(1, 2, 3));
      await card.writeFile(0xc905, other);
      // One of ours that is damaged is no attestation of anything.
      await card.writeFile(0xcf20, Uint8Array.of(0x67, 0x10));
      await card.writeFile(
        0xc920,
        encodeDataDescription({ label: "attestation", application: "hsmadm", secret: false, fid: 0xcf20 }),
      );
      return (await card.findKey("p521")).certificateBytes;
    });
    await officer.gets(0, `cert self-sign p521 --subject CN=p521 --put ${at}`);
    const { attestation } = cert(await told(0, "cert show p521 --device sim:c"));
    expect(attestation).toMatch(/^CF(?!05|20)/);
    await behindTheBack(world, "c", async (card) => {
      expect((await findAttestation(card, await card.findKey("p521")))?.request).toEqual(request);
      expect(await card.readFile(0xcf05)).toEqual(Uint8Array.of(1, 2, 3));
    });
    expect(await told(0, `cert delete p521 --yes ${at}`)).toMatchObject({ restored: true });
    await behindTheBack(world, "c", async (card) => {
      expect(await card.readFile(0xc905)).toEqual(other);
    });
  });

  test("expired and not yet valid are said", async () => {
    await officer.gets(0, `cert self-sign k256 --subject CN=k --days 1 --put ${at}`);
    const { stdout } = await officer.gets(0, "cert list --device sim:c", { now: new Date("2027-01-01T00:00:00Z") });
    expect(stdout).toContain("2026-11-21 EXPIRED");
    const early = await officer.gets(0, "cert show k256 --device sim:c", { now: new Date("2026-11-20T11:00:00Z") });
    expect(early.stdout).toContain("NOT YET VALID");
  });

  test("a Pico HSM, which lists neither certificates nor data files", async () => {
    const pico = "--device sim:pico --pin env:PIN";
    await officer.gets(0, "simulator create pico --profile pico");
    await officer.initialised("pico");
    await officer.gets(0, `key generate --type ec:p256 --label k ${pico}`);
    await told(0, `cert self-sign k --subject CN=k --put --out ${path("pico.pem")} ${pico}`);
    await told(0, `cert put ${path("ca.pem")} --authority ${pico}`);
    const { certificates } = (await told(0, "cert list --device sim:pico")) as { certificates: { file: string }[] };
    expect(certificates.map(file)).toEqual(["CE01", "CA01"]);
    expect(cert(await told(0, "cert show ref:1 --device sim:pico"))).toMatchObject({ attestation: "CF01" });
    expect(await told(0, `cert delete ref:1 --yes ${pico}`)).toMatchObject({ restored: true });
    expect(await told(0, `cert delete ca:1 --yes ${pico}`)).toMatchObject({ restored: false });
    expect((await told(0, "cert list --device sim:pico"))["certificates"]).toEqual([]);
    await officer.gets(0, `cert csr k --subject CN=k ${pico}`);
  });

  test("no secret in anything printed", () => {
    for (const secret of Object.values(secrets)) expect(world.printed).not.toContain(secret);
  });
});
