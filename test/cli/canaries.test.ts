import { createHash, createPrivateKey, generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../src/bytes/bytes.ts";
import { openAgeFile } from "../../src/crypto/age/age-file.ts";
import { newX25519Identity, parseX25519Identity, unwrapX25519 } from "../../src/crypto/age/x25519.ts";
import { openShareFile } from "../../src/crypto/shares/dkek-share-file.ts";
import { describeBuilt } from "./support/built.ts";
import { type Canary, CanaryWorld } from "./support/canaries.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const canaries = new CanaryWorld(world);

/** What people type, and what is kept. Each occurs nowhere else. */
const typed = {
  "user.pin": "74kX91qz",
  "wrong.pin": "85mY02ra",
  "new.pin": "96nZ13sb",
  "so.pin": "5ec2e7a1b2c3d4f6",
  "wrong-so.pin": "5ec2e7a1b2c3d4f7",
  "new-so.pin": "5ec2e7a1b2c3d4f8",
  "fido.pin": "fido-31vW77ue",
  "wrong-fido.pin": "fido-42wX88vf",
  "new-fido.pin": "fido-53xY99wg",
  "share.pw": "correct-horse-74kX91qz",
  "wrong.pw": "wrong-horse-96nZ13sb",
  "new.pw": "battery-staple-85mY02ra",
  phrase: "tractor-glacier-61bQ35hj",
  "wrong.phrase": "pelican-harbour-72cR46ik",
  "new.phrase": "lantern-orchard-83dS57jl",
} as const;
const secret = "kept-secret-17pQ55tc";
const sealed = "sealed-secret-28qR66ud";
const all: Canary[] = [];

const hsm = "--device sim:a --pin file:in/user.pin";
const fido = "--device sim-fido:f --fido-pin file:in/fido.pin";

async function devices(): Promise<void> {
  const go = canaries.run.bind(canaries);
  const init = "device init --device sim:a --label a --so-pin file:in/so.pin --pin file:in/user.pin --dkek-shares 1";
  await go(0, init);
  await go(0, "share create out/dkek.pbe --password file:in/share.pw");
  await go(
    0,
    "share rotate out/dkek.pbe --password file:in/share.pw --new-password file:in/new.pw --out out/again.pbe",
  );
  await go(4, "share import out/dkek.pbe --password file:in/wrong.pw --device sim:a");
  await go(0, `share import out/dkek.pbe --password file:in/share.pw ${hsm}`);
  await go(4, "pin verify --device sim:a --pin file:in/wrong.pin");
  await go(5, "pin verify --device sim:a --pin file:in/wrong.pin");
  await go(0, `pin verify ${hsm}`);
  await go(0, "pin verify --device sim:a --pin cmd:cat<in/user.pin");
  await go(10, "pin verify --device sim:a --pin cmd:true");
  await go(0, `pin change ${hsm} --new-pin file:in/new.pin`);
  await go(0, "pin change --device sim:a --pin file:in/new.pin --new-pin file:in/user.pin");
  await go(4, "so-pin change --device sim:a --so-pin file:in/wrong-so.pin --new-so-pin file:in/new-so.pin");
  await go(0, "so-pin change --device sim:a --so-pin file:in/so.pin --new-so-pin file:in/new-so.pin");
  await go(0, "pin unblock --device sim:a --so-pin file:in/new-so.pin --new-pin file:in/user.pin");
}

async function keys(): Promise<void> {
  const go = canaries.run.bind(canaries);
  await go(0, `key generate --type ec:p256 --label vault ${hsm}`);
  await go(0, `key generate --type aes:256 --label wrap ${hsm}`);
  const share = "--share out/dkek.pbe --share-password file:in/share.pw";
  await go(0, `key import in/private.pem --label imported ${share} ${hsm}`);
  await go(2, `key import in/private.pem ${share} ${hsm}`);
  await go(4, "key sign vault --in in/phrase --out out/none --device sim:a --pin file:in/wrong.pin --no-ledger");
  await go(0, `key sign vault --in in/private.pem --out out/signature ${hsm}`);
  await go(0, `key public imported --out out/public.pem --device sim:a`);
  await go(0, `key derive vault --peer out/public.pem --out out/agreed ${hsm}`);
  await go(0, `key derive wrap --in in/private.pem --out out/derived ${hsm}`);
  await go(0, `key wrap imported --out out/imported.key ${hsm}`);
  await go(0, `backup create out/a.bak ${hsm}`);
  await go(4, "backup verify out/a.bak --share out/dkek.pbe --share-password file:in/wrong.pw");
  await go(0, "backup verify out/a.bak --share out/dkek.pbe --share-password file:in/share.pw");
}

async function vaults(): Promise<void> {
  const go = canaries.run.bind(canaries);
  await go(0, "fido pin set --device sim-fido:f --new-pin file:in/new-fido.pin");
  await go(4, "fido pin change --device sim-fido:f --fido-pin file:in/wrong-fido.pin --new-pin file:in/fido.pin");
  await go(0, "fido pin change --device sim-fido:f --fido-pin file:in/new-fido.pin --new-pin file:in/fido.pin");
  const slots = "--slot card:vault --slot fido --slot passphrase --slot recovery --recovery-out out/recovery.txt";
  const openers = "--device sim:a,sim-fido:f --pin file:in/user.pin --fido-pin file:in/fido.pin";
  await go(0, `vault create out/v ${slots} ${openers} --passphrase file:in/phrase`);
  await go(0, `vault set out/v disk --in in/secret ${hsm}`);
  await go(0, `vault set out/v piped ${fido}`, secret);
  await go(0, `vault get out/v disk --raw --out out/got --passphrase file:in/phrase`);
  await go(0, `vault get out/v disk --hex --out out/got.hex --recovery file:out/recovery.txt`);
  await go(0, `vault derive out/v luks here --out out/luks ${hsm}`);
  await go(0, `vault seal out/v --in in/sealed --out out/sealed ${fido}`);
  await go(0, `vault unseal out/v --in out/sealed --out out/unsealed ${hsm}`);
  await go(0, `vault list out/v ${hsm}`);
  await go(0, `vault status out/v --probe --device sim:a,sim-fido:f`);
  await go(0, `vault slot test out/v ${openers} --passphrase file:in/phrase --recovery file:out/recovery.txt`);
  await go(0, `vault slot add out/v recovery --recovery-out out/second.txt ${hsm}`);
  await go(0, `vault slot rotate out/v 3 --new-passphrase file:in/new.phrase ${openers}`);
  await go(0, `vault rekey out/v ${openers}`);
  await go(0, `vault guard --device sim:a`);
}

async function refusals(): Promise<void> {
  const go = canaries.run.bind(canaries);
  await go(3, "vault get out/v disk --out out/none");
  await go(4, "vault open out/v --device sim:a --pin file:in/wrong.pin --no-ledger");
  await go(4, "vault open out/v --device sim-fido:f --fido-pin file:in/wrong-fido.pin");
  await go(4, "vault open out/v --passphrase file:in/wrong.phrase");
  await go(3, `vault open out/v --recovery file:in/other.recovery`);
  await go(2, "vault open out/v --recovery file:in/phrase");
  await go(10, "vault open out/v --device sim:a --pin cmd:false");
  await go(2, `vault get out/v nothing --out out/none ${hsm}`);
  await go(2, `vault set out/v ../x ${hsm}`, secret);
  await go(9, `vault open in/damaged-v ${hsm}`);
  await go(9, `vault unseal out/v --in in/damaged-sealed --out out/none ${hsm}`);
}

/** What no one typed, and only the vault's own recovery key brings to light. */
async function insideVault(): Promise<Canary[]> {
  const text = canaries.output("recovery.txt").toString("utf8");
  const [identity = ""] = /AGE-SECRET-KEY-1[A-Z0-9]+/.exec(text) ?? [];
  const { secret: scalar } = parseX25519Identity(identity);
  const found: Canary[] = [
    { name: "recovery key", bytes: utf8Bytes(identity), may: ["out/recovery.txt"] },
    { name: "recovery key, its scalar", bytes: scalar },
  ];
  for (const file of ["v", "v.bak"]) {
    let fileKey = new Uint8Array();
    const { payload } = await openAgeFile([new Uint8Array(canaries.output(file))], async (stanzas) => {
      for (const stanza of stanzas.filter(({ type }) => type === "X25519")) {
        const key = unwrapX25519(stanza, scalar);
        if (key !== null) {
          fileKey = Uint8Array.from(key);
          return key;
        }
      }
      return null;
    });
    const parts: Uint8Array[] = [];
    for await (const part of payload) parts.push(part.slice());
    const document = JSON.parse(new TextDecoder().decode(concat(...parts))) as {
      seed: string;
      retired: { seed: string }[];
    };
    for (const [i, seed] of [document.seed, ...document.retired.map((one) => one.seed)].entries())
      found.push({ name: `seed ${i} of ${file}`, bytes: new Uint8Array(Buffer.from(seed, "base64")) });
    found.push({ name: `file key of ${file}`, bytes: fileKey });
  }
  return found;
}

beforeAll(async () => {
  for (const [name, value] of Object.entries(typed)) {
    canaries.input(name, `${value}\n`);
    all.push({ name, bytes: utf8Bytes(value) });
    if (/so\.pin$/.test(name)) all.push({ name: `${name}, as sent`, bytes: new Uint8Array(Buffer.from(value, "hex")) });
  }
  canaries.input("secret", secret);
  canaries.input("sealed", sealed);
  const other = newX25519Identity();
  canaries.input("other.recovery", `${other.identity}\n`);
  all.push({ name: "another recovery key", bytes: utf8Bytes(other.identity) });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  canaries.input("private.pem", privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  const { d = "" } = createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" })).export({ format: "jwk" });
  all.push({ name: "secret in a vault", bytes: utf8Bytes(secret), may: ["out/got", "out/got.hex"] });
  all.push({ name: "sealed secret", bytes: utf8Bytes(sealed), may: ["out/unsealed"] });
  all.push({ name: "private key", bytes: new Uint8Array(Buffer.from(d, "base64url")) });
}, 30_000);

describeBuilt("secrets stay where they were put", () => {
  test("none is in what commands print, record, write or start other programs with", async () => {
    await devices();
    await keys();
    await vaults();
    for (const name of ["v", "sealed"]) {
      const damaged = canaries.output(name);
      damaged[damaged.length - 9] = (damaged[damaged.length - 9] ?? 0) ^ 1;
      canaries.input(`damaged-${name}`, damaged);
    }
    await refusals();
    const share = await openShareFile(canaries.output("dkek.pbe"), utf8Bytes(typed["share.pw"]));
    all.push({ name: "DKEK share", bytes: share }, ...(await insideVault()));
    for (const name of ["agreed", "derived", "luks"])
      all.push({ name, bytes: new Uint8Array(canaries.output(name)), may: [`out/${name}`] });
    const { seen, trails } = canaries.hunt(all);
    expect(seen).toEqual([]);
    expect(trails).toBeGreaterThan(300);
  }, 240_000);

  test("the hunter finds one that is planted", () => {
    const bytes = createHash("sha256").update("planted").digest();
    const forms = {
      plain: bytes,
      hex: bytes.toString("hex").replace(/../g, "$& "),
      trace: bytes.toString("hex").toUpperCase().replace(/.{24}/g, "$& \\\n  "),
      base64: Buffer.concat([Buffer.from("ab"), bytes, Buffer.from("c")]).toString("base64"),
      url: bytes.toString("base64url"),
    };
    for (const [name, text] of Object.entries(forms)) writeFileSync(world.path(`planted-${name}`), text);
    const { seen } = canaries.hunt([{ name: "planted", bytes: new Uint8Array(bytes) }]);
    expect(seen.map((each) => each.split("/").at(-1)).sort()).toEqual(
      Object.keys(forms)
        .map((name) => `planted-${name}`)
        .sort(),
    );
  });
});
