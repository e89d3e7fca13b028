import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { parseAgeHeader } from "../../../src/crypto/age/header.ts";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";
import { secrets } from "../support/officer.ts";
import { TestWorld } from "../support/test-io.ts";
import { phrases, VaultOfficer } from "../support/vault-officer.ts";
import { converse, fileOf, stanza, stanzasOf } from "./fake-age.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
const fileKey = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
/** By key label: what the commands print. */
const recipients = new Map<string, string>();
const identities = new Map<string, string>();
let anyIdentity = "";

interface Listed {
  readonly key: { readonly label: string };
  readonly recipient: string;
  readonly identity: string;
}

const pin = { HSMADM_DEVICE: "sim:one", HSMADM_PIN: "env:PIN" };
const noOther = { HSMADM_DEVICE: "none" };

function identity(text: string): Stanza {
  return stanza("add-identity", [text]);
}

function known(map: ReadonlyMap<string, string>, label: string): string {
  const text = map.get(label);
  if (text === undefined) throw new Error(`no ${label}`);
  return text;
}

/** Stanzas of a file for these recipients, made by the plugin where it is asked for them. */
async function wrapped(...labels: readonly string[]): Promise<Stanza[]> {
  const adds = labels.map((label) => stanza("add-recipient", [known(recipients, label)]));
  const talk = await converse(world, "recipient-v1", [...adds, stanza("wrap-file-key", [], fileKey)]);
  return stanzasOf(talk);
}

async function tries(name = "one"): Promise<unknown> {
  return (await officer.tries(name)).user;
}

beforeAll(async () => {
  await officer.token("one", "ec:p256 vault", "ec:brainpoolP384r1 long", "rsa:2048 mail", "ec:p256 other");
  await officer.token("two");
  for (const name of ["one"]) {
    const document = await officer.document(0, `age recipients --device sim:${name}`);
    for (const { key, recipient, identity: own } of document["keys"] as Listed[]) {
      recipients.set(key.label, recipient);
      identities.set(key.label, own);
    }
  }
  anyIdentity = (await officer.document(0, "age identity --any"))["any"] as string;
});

describe("recipient-v1", () => {
  test("wraps for P-256 in age's own stanza, for other curves in ours", async () => {
    const stanzas = await wrapped("vault", "long");
    expect(stanzas.map(({ type }) => type)).toEqual(["p256tag", "hsmadm/ecdh"]);
    expect(stanzas.map(({ body }) => body.length)).toEqual([32, 32]);
  });

  test("every file key for every recipient; grease and labels passed over", async () => {
    const talk = await converse(world, "recipient-v1", [
      stanza("grease-9q", ["~"], "xyz"),
      stanza("add-recipient", [known(recipients, "vault")]),
      stanza("extension-labels"),
      stanza("wrap-file-key", [], fileKey),
      stanza("add-recipient", [known(recipients, "other")]),
      stanza("wrap-file-key", [], fileKey.toReversed()),
    ]);
    expect(talk).toMatchObject({ code: 0, done: true });
    expect(talk.commands.map(({ type, args }) => [type, args[0], args[1]].join(" "))).toEqual([
      "recipient-stanza 0 p256tag",
      "recipient-stanza 0 p256tag",
      "recipient-stanza 1 p256tag",
      "recipient-stanza 1 p256tag",
    ]);
  });

  test("all or none: each recipient that cannot be has an error, and nothing is wrapped", async () => {
    const talk = await converse(world, "recipient-v1", [
      stanza("add-recipient", [known(recipients, "vault")]),
      stanza("add-recipient", ["age1hsmadm1qqqq"]),
      stanza("add-recipient", [`${known(recipients, "vault").slice(0, -1)}q`]),
      stanza("add-identity", [anyIdentity]),
      stanza("wrap-file-key", [], fileKey),
    ]);
    expect(talk.commands.map(({ type, args }) => [type, ...args].join(" "))).toEqual([
      "error recipient 1",
      "error recipient 2",
      "error identity 0",
    ]);
    expect(talk.said("error")[2]).toContain("names no key to encrypt to");
    expect(talk).toMatchObject({ code: 0, done: true });
  });

  test("an identity of a key is encrypted to, whose public half its token shows", async () => {
    const adds = ["vault", "long", "mail"].map((label) => identity(known(identities, label)));
    const talk = await converse(world, "recipient-v1", [...adds, stanza("wrap-file-key", [], fileKey)], { env: pin });
    expect(stanzasOf(talk).map(({ type }) => type)).toEqual(["p256tag", "hsmadm/ecdh", "ssh-rsa"]);
    const elsewhere = await converse(
      world,
      "recipient-v1",
      [...adds.slice(0, 1), stanza("wrap-file-key", [], fileKey)],
      {
        env: { HSMADM_DEVICE: "sim:two" },
      },
    );
    expect(elsewhere.said("error")).toEqual([
      expect.stringMatching(
        /^identity 0 the public key of this identity is on card UTSIM\w+, and it is on none of the cards/,
      ),
    ]);
  });
});

describe("identity-v1", () => {
  test.each(["vault", "long", "mail"])(
    "the key %s gives the file key, by its identity and by -j hsmadm",
    async (label) => {
      const stanzas = label === "mail" ? await rsaStanzas() : await wrapped(label);
      for (const text of [known(identities, label), anyIdentity]) {
        const talk = await converse(world, "identity-v1", [identity(text), ...fileOf(stanzas)], { env: pin });
        expect(talk.commands).toEqual([stanza("file-key", ["0"], fileKey)]);
        expect(talk).toMatchObject({ code: 0, done: true, stderr: "", stdout: "" });
      }
    },
  );

  test("grease, foreign stanzas, several files, identities after stanzas", async () => {
    const [own = stanza("")] = await wrapped("vault");
    const foreign = stanza("X25519", ["AAAA"], new Uint8Array(32));
    const talk = await converse(
      world,
      "identity-v1",
      [
        ...fileOf([foreign, own]),
        stanza("grease-1", ["a", "b"], "?"),
        ...fileOf([foreign], 1),
        ...fileOf([stanza("quux-grease", ["!"]), own, foreign], 2),
        identity(known(identities, "vault")),
      ],
      { env: pin },
    );
    expect(talk.commands).toEqual([stanza("file-key", ["0"], fileKey), stanza("file-key", ["2"], fileKey)]);
  });

  test("age is asked for the PIN, and told which token and how many tries", async () => {
    const env = { HSMADM_DEVICE: "sim:one", HSMADM_PASSPHRASE_HELPER: "exit 3" };
    const answers = { "request-secret": () => stanza("ok", [], secrets.pin) };
    const talk = await converse(world, "identity-v1", [identity(anyIdentity), ...fileOf(await wrapped("vault"))], {
      env,
      answers,
    });
    expect(talk.said("request-secret")).toEqual([
      expect.stringMatching(/^one, UTSIM\w+, SIMULATED: user PIN \(3 tries left, a wrong one costs one\)$/),
    ]);
    expect(talk.commands.at(-1)?.type).toBe("file-key");
  });

  test.each(["fail", "unsupported"])("age answers %s: the helper of the environment is asked", async (answer) => {
    for (const name of ["HSMADM_PASSPHRASE_HELPER", "TZPFMS_PASSPHRASE_HELPER"]) {
      const env = { HSMADM_DEVICE: "sim:one", [name]: 'echo "$PIN"; echo "$1 | $2 | $3" >"$HSMADM_HOME/asked"' };
      const answers = { "request-secret": () => stanza(answer) };
      const talk = await converse(world, "identity-v1", [identity(anyIdentity), ...fileOf(await wrapped("vault"))], {
        env,
        answers,
      });
      expect(talk.commands.map(({ type }) => type)).toEqual(["request-secret", "file-key"]);
      expect(readFileSync(world.path("asked"), "utf8")).toMatch(
        /^User PIN for one, UTSIM\w+, SIMULATED \(3 tries left/,
      );
    }
  });

  test("nobody can be asked: an error that says what to set, no try spent", async () => {
    const answers = { "request-secret": () => stanza("fail") };
    for (const helper of ["", "exit 127"]) {
      const env = { HSMADM_DEVICE: "sim:one", HSMADM_PASSPHRASE_HELPER: helper };
      const talk = await converse(world, "identity-v1", [identity(anyIdentity), ...fileOf(await wrapped("vault"))], {
        env,
        answers,
      });
      expect(talk.commands.map(({ type }) => type)).toEqual(["request-secret", "error"]);
      expect(talk.said("error")[0]).toMatch(
        /^identity 0 no user PIN for .*: age could not ask.*HSMADM_PASSPHRASE_HELPER/,
      );
    }
    expect(await tries()).toBe(3);
  });

  test("msg that the client does not know changes nothing", async () => {
    const talk = await converse(world, "identity-v1", [identity(anyIdentity), ...fileOf(await wrapped("vault"))], {
      env: { HSMADM_DEVICE: "sim:two,sim:one", HSMADM_PIN: "env:PIN" },
      answers: { msg: () => stanza("unsupported") },
    });
    expect(talk.commands.at(-1)?.type).toBe("file-key");
    expect(await tries("two")).toBe(3);
  });

  test("a wrong PIN is sent once, whatever else the file offers, and told at the end", async () => {
    const before = Number(await tries());
    const stanzas = [...(await wrapped("vault", "long", "other"))];
    const talk = await converse(
      world,
      "identity-v1",
      [identity(anyIdentity), ...fileOf(stanzas), ...fileOf(stanzas, 1)],
      {
        env: { HSMADM_DEVICE: "sim:one", HSMADM_PIN: "env:WRONG" },
      },
    );
    expect(talk.commands.map(({ type }) => type)).toEqual(["error"]);
    expect(talk.said("error")[0]).toMatch(/^identity 0 wrong user PIN on UTSIM\w+ \(2 tries left\)/);
    // A file that is no vault has no slots to speak of.
    expect(talk.said("error")[0]).not.toContain("slot");
    expect(await tries()).toBe(before - 1);
    await officer.gets(0, "pin verify --device sim:one --pin env:PIN");
  });

  test("a file for others: no device is looked at, nothing is said", async () => {
    const foreign = [
      stanza("X25519", ["AAAA"], new Uint8Array(32)),
      stanza("scrypt", ["AAAA", "18"], new Uint8Array(32)),
    ];
    const env = { HSMADM_DEVICE: "sim:not-there-and-not-made", HSMADM_PIN: "env:PIN" };
    for (const [who, stanzas] of [
      [anyIdentity, foreign],
      [known(identities, "vault"), await wrapped("other", "long")],
    ] as const) {
      const talk = await converse(world, "identity-v1", [identity(who), ...fileOf(stanzas)], { env });
      expect(talk).toMatchObject({ code: 0, done: true, commands: [] });
    }
    const { stdout } = await officer.does("simulator list");
    expect(stdout).not.toContain("not-there");
  });

  test("a key that is not on the tokens named: said, no error, no PIN", async () => {
    const talk = await converse(world, "identity-v1", [identity(anyIdentity), ...fileOf(await wrapped("vault"))], {
      env: { HSMADM_DEVICE: "sim:two", HSMADM_PIN: "env:WRONG" },
    });
    expect(talk.said("msg")).toEqual([
      expect.stringMatching(/^the file is for no key on card UTSIM\w+ \(SIMULATED\)$/),
    ]);
    expect(talk.said("error")).toEqual([]);
    expect(await tries("two")).toBe(3);
  });

  test("none is none; without HSMADM_DEVICE -j hsmadm touches nothing for a key it does not know", async () => {
    const stanzas = fileOf(await wrapped("vault"));
    const none = await converse(world, "identity-v1", [identity(known(identities, "vault")), ...stanzas], {
      env: noOther,
    });
    expect(none.said("msg")).toEqual([expect.stringMatching(/^no device was contacted: HSMADM_DEVICE says none/)]);
    const unset = await converse(world, "identity-v1", [identity(anyIdentity), ...stanzas]);
    expect(unset.said("msg")).toEqual([
      expect.stringMatching(/^no device was contacted: HSMADM_DEVICE is not set; set HSMADM_DEVICE=auto, or give age/),
    ]);
    expect([...none.said("error"), ...unset.said("error")]).toEqual([]);
  });

  test.each([
    ["of another plugin", "AGE-PLUGIN-YUBIKEY-1QQQQ"],
    ["of a later version", "AGE-PLUGIN-HSMADM-1QGQSZQGPQG"],
    ["damaged", "AGE-PLUGIN-HSMADM-1QYQSYQCY"],
  ])("an identity %s is an error, and nothing is tried", async (_, text) => {
    const talk = await converse(world, "identity-v1", [identity(text), ...fileOf(await wrapped("vault"))], {
      env: pin,
    });
    expect(talk.commands.map(({ type, args }) => [type, ...args].join(" "))).toEqual(["error identity 0"]);
    expect(talk.said("error")[0]).not.toContain(text);
  });

  test("a stanza of ours that is malformed is an error of its file; the other file opens", async () => {
    const [own = stanza("")] = await wrapped("vault");
    const broken = { ...own, body: own.body.subarray(1) };
    const talk = await converse(
      world,
      "identity-v1",
      [identity(anyIdentity), ...fileOf([broken]), ...fileOf([own], 1)],
      {
        env: pin,
      },
    );
    expect(talk.commands.map(({ type, args }) => [type, ...args].join(" "))).toEqual([
      "error stanza 0 0",
      "file-key 1",
    ]);
  });

  async function rsaStanzas(): Promise<Stanza[]> {
    const adds = [identity(known(identities, "mail")), stanza("wrap-file-key", [], fileKey)];
    return stanzasOf(await converse(world, "recipient-v1", adds, { env: pin }));
  }
});

describe("vaults", () => {
  let stanzas: readonly Stanza[] = [];
  const headerOf = (path: string) => parseAgeHeader(new Uint8Array(readFileSync(path))).stanzas;

  beforeAll(async () => {
    const path = world.path("v");
    const device = "--device sim:one,sim:two,sim-fido:a,sim-fido:b --pin env:PIN";
    await officer.gets(
      0,
      `vault create ${path} --slot card:vault@sim:two --all-of card:vault@sim:one,fido@sim-fido:a --threshold 2:card:other@sim:one,fido@sim-fido:b,passphrase --passphrase env:PHRASE --no-recovery ${device}`,
    );
    stanzas = headerOf(path);
  });

  const open = (devices: string, who = anyIdentity, env: Record<string, string> = {}) =>
    converse(world, "identity-v1", [identity(who), ...fileOf(stanzas)], {
      env: { HSMADM_DEVICE: devices, HSMADM_PIN: "env:PIN", ...env },
      answers: { "request-secret": () => stanza("fail") },
    });

  test.each([
    ["one card alone", "sim:two"],
    ["a card and a FIDO2 token", "sim:one,sim-fido:a"],
    ["two of three", "sim:one,sim-fido:b"],
  ])("%s: one identity opens it", async (_, devices) => {
    const talk = await open(devices);
    expect(talk.commands.at(-1)?.type).toBe("file-key");
    expect(talk.said("error")).toEqual([]);
  });

  test("with a passphrase among the legs", async () => {
    const talk = await open("sim-fido:b", anyIdentity, {
      HSMADM_PASSPHRASE_HELPER: 'echo "$PHRASE"',
      PHRASE: phrases.passphrase,
    });
    expect(talk.commands.map(({ type }) => type).filter((type) => type !== "msg")).toEqual([
      "request-secret",
      "file-key",
    ]);
  });

  test("too few: who is missing is said, no error, no try spent", async () => {
    const talk = await open("sim-fido:a");
    expect(talk.said("error")).toEqual([]);
    expect(talk.said("msg").at(-1)).toMatch(
      /slot 2 .* opens with 2 of 2, and 1 is here: .* attach or give card UTSIM\w+ key vault/,
    );
    expect(await tries()).toBe(3);
  });

  test("several went wrong, each in its own way: an error that tells all of them, one try each", async () => {
    const env = { HSMADM_PIN: "env:WRONG", HSMADM_PASSPHRASE_HELPER: 'echo "$PHRASE"', PHRASE: phrases.passphrase };
    const talk = await open("sim:one,sim:two", anyIdentity, env);
    expect(talk.said("error")).toEqual([
      expect.stringMatching(/nothing here opens the file: slot 1 .*wrong user PIN.*; slot 3 /),
    ]);
    for (const name of ["one", "two"]) {
      expect(await tries(name)).toBe(2);
      await officer.gets(0, `pin verify --device sim:${name} --pin env:PIN`);
    }
  });

  test("the identity of a key chooses its slots; the other legs may be anywhere", async () => {
    const own = known(identities, "vault");
    expect((await open("sim:one,sim-fido:a", own)).commands.at(-1)?.type).toBe("file-key");
    const elsewhere = await open("sim:two", own);
    expect(elsewhere.commands.map(({ type }) => type)).toEqual(["msg"]);
    expect((await open("sim:one", known(identities, "mail"))).commands).toEqual([]);
  });

  test("none: which slots could open it is said", async () => {
    const talk = await open("none");
    const said = talk.said("msg").join("\n");
    expect(said).toContain("no device was contacted: HSMADM_DEVICE says none");
    expect(said).toMatch(/slot 1 \(card UTSIM\w+ key vault\), slot 2 \(.* AND FIDO2/);
  });

  test("a stripped slot is an error, not a try", async () => {
    const talk = await converse(world, "identity-v1", [identity(anyIdentity), ...fileOf(stanzas.slice(0, -1))], {
      env: pin,
    });
    expect(talk.commands.map(({ type, args }) => [type, ...args].join(" "))).toEqual(["error stanza 0 0"]);
  });
});

describe("the talk", () => {
  test("a client that goes away, or breaks the protocol, ends it with a service error", async () => {
    const stanzas = fileOf(await wrapped("vault"));
    const gone = await converse(world, "identity-v1", [identity(anyIdentity), ...stanzas], {
      env: { HSMADM_DEVICE: "sim:one" },
      answers: { "request-secret": () => null },
    });
    expect(gone).toMatchObject({ code: 11, done: false });
    expect(gone.stderr).toContain("the talk with age broke off");
    const wrong = await converse(world, "identity-v1", [stanza("recipient-stanza", ["x", "p256tag"])]);
    expect(wrong.code).toBe(11);
  });

  test("what is wrong with this machine is told as an internal error", async () => {
    const talk = await converse(world, "identity-v1", [identity(anyIdentity)], { env: { HSMADM_HOME: "relative" } });
    expect(talk.said("error")).toEqual(["internal HSMADM_HOME is not an absolute path"]);
    expect(talk).toMatchObject({ code: 0, done: true });
  });

  test("started by a person it says what it is; a later protocol is refused", async () => {
    const by = (...argv: string[]) => converse(world, "", [], { argv });
    expect(await by("--version")).toMatchObject({ code: 0, stdout: "0.0.0-test\n" });
    expect((await by("--help")).stdout).toContain("age -d -j hsmadm");
    expect(await by()).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("started by age") });
    const later = await by("--age-plugin=identity-v2");
    expect([later.code, later.stderr]).toEqual([
      2,
      expect.stringContaining("`identity-v2` of the plugin protocol is not known"),
    ]);
  });
});

test("no secret in anything that was said", () => {
  for (const secret of [...Object.values(secrets), ...Object.values(phrases)])
    expect(world.printed).not.toContain(secret);
});
