import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { secrets } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";
import { phrases, VaultOfficer } from "./support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
const card = "--device sim:one --pin env:PIN";
let count = 0;

interface SlotFacts {
  readonly id: number;
  readonly label: string;
  readonly holder: string;
  readonly legs: readonly { readonly kind: string; readonly userVerification?: boolean }[];
}

function fresh(): string {
  return world.path(`slots-${count++}.vault`);
}

async function create(slots: string, more = card): Promise<string> {
  const path = fresh();
  const document = await officer.fits(0, `vault create ${path} ${slots} --recovery-out ${path}.recovery ${more}`);
  expect(document).toMatchObject({ vault: { generation: 1 }, recoveryOut: `${path}.recovery` });
  return path;
}

async function slotsOf(path: string): Promise<readonly SlotFacts[]> {
  return (await officer.fits(0, `vault status ${path}`))["slots"] as SlotFacts[];
}

beforeAll(async () => {
  await officer.token("one", "ec:p256 vault", "ec:brainpoolP256r1 bp", "aes:256 aes", "rsa:2048 rsa");
  await officer.token("two");
});

describe("each kind of slot opens the vault", () => {
  test.each(["vault", "bp", "aes", "rsa"])("card:%s", async (key) => {
    const path = await create(`--slot card:${key}`);
    expect(await officer.fits(0, `vault open ${path} ${card}`)).toMatchObject({ slot: 1, trust: "remembered" });
  });

  test("fido: a token of its own without a PIN opens by touch, one with a PIN takes it", async () => {
    const path = await create("--slot fido", "--device sim-fido:touch");
    expect((await slotsOf(path))[0]?.legs).toMatchObject([{ kind: "fido2", userVerification: false }]);
    await officer.gets(0, `vault open ${path} --device sim-fido:touch`);
    await officer.gets(3, `vault open ${path} --device sim-fido:another`);

    await officer.gets(0, "fido pin set --new-pin env:FIDOPIN --device sim-fido:pin");
    const withPin = await create("--slot fido", "--device sim-fido:pin --fido-pin env:FIDOPIN");
    expect((await slotsOf(withPin))[0]?.legs).toMatchObject([{ kind: "fido2", userVerification: true }]);
    await officer.gets(0, `vault open ${withPin} --device sim-fido:pin --fido-pin env:FIDOPIN`);
    expect(
      await officer.refused(4, `vault open ${withPin} --device sim-fido:pin --fido-pin env:BADPHRASE`),
    ).toMatchObject({
      code: "FIDO_PIN_WRONG",
      triesLeft: 7,
    });
    await officer.gets(0, `vault open ${withPin} --device sim-fido:pin --fido-pin env:FIDOPIN`);
    expect(
      await officer.refused(
        7,
        `vault create ${fresh()} --slot fido --fido-uv required --no-recovery --device sim-fido:touch`,
      ),
    ).toMatchObject({
      code: "FIDO_NOT_SUPPORTED",
    });
  });

  test("passphrase, and a wrong one is told", async () => {
    const path = await create("--slot passphrase", "--passphrase env:PHRASE");
    await officer.gets(0, `vault open ${path} --passphrase env:PHRASE`);
    expect(await officer.refused(4, `vault open ${path} --passphrase env:BADPHRASE`)).toMatchObject({
      code: "VAULT_PASSPHRASE_WRONG",
    });
    await officer.gets(3, `vault open ${path} --device sim:one --pin env:PIN`);
    await officer.gets(0, `vault open ${path} --passphrase env:PHRASE --device sim:unasked,sim-fido:unasked`);
    expect(readdirSync(world.path("simulator")).filter((name) => name.includes("unasked"))).toEqual([]);
  });

  test("recovery: from its file, and typed back from paper", async () => {
    const path = await create("--slot card:vault");
    expect(await officer.fits(0, `vault open ${path} --recovery file:${path}.recovery`)).toMatchObject({ slot: 2 });
    const text = readFileSync(`${path}.recovery`, "utf8");
    expect(text).toMatch(/^# recovery key of the vault .*\n(#.*\n)+AGE-SECRET-KEY-1\w+\n$/);
    const mistyped = officer.file(
      "mistyped",
      text.replace(/.\n$/, (end) => (end === "Q\n" ? "P\n" : "Q\n")),
    );
    expect(await officer.refused(2, `vault open ${path} --recovery file:${mistyped}`)).toMatchObject({
      code: "RECOVERY_KEY_INVALID",
    });

    const paper = fresh();
    let shown = "";
    const person = {
      readSecret: async () => new Uint8Array(0),
      async readLine(prompt: string) {
        shown = /AGE-SECRET-KEY-1\w+/.exec(prompt)?.[0] ?? "";
        return shown.slice(-8).toLowerCase();
      },
    };
    await officer.gets(0, `vault create ${paper} --slot card:vault ${card}`, { person });
    const written = officer.file("paper", shown);
    await officer.gets(0, `vault open ${paper} --recovery file:${written}`);
    const wrong = fresh();
    await officer.gets(10, `vault create ${wrong} --slot card:vault ${card}`, { person: new TypingPerson("12345678") });
    expect(existsSync(wrong)).toBe(false);
    expect(await officer.refused(2, `vault create ${wrong} --slot card:vault ${card}`)).toMatchObject({
      code: "RECOVERY_OUT_MISSING",
    });
  });
});

describe("several together", () => {
  test("all-of: card and FIDO2, neither alone", async () => {
    const devices = "--device sim:one,sim-fido:both --pin env:PIN";
    const path = await create("--all-of card:vault,fido", devices);
    expect((await slotsOf(path))[0]).toMatchObject({
      holder: "all-of",
      legs: [{ kind: "card-ec" }, { kind: "fido2" }],
    });
    await officer.gets(0, `vault open ${path} ${devices}`);
    for (const alone of [card, "--device sim-fido:both"]) {
      expect(await officer.refused(3, `vault open ${path} ${alone}`)).toMatchObject({ code: "VAULT_SHARES_MISSING" });
    }
    const { stderr } = await officer.gets(3, `vault open ${path}`);
    expect(stderr).toMatch(
      /slot 1: card UTSIM\w+ key vault AND FIDO2 \w+ by touch alone: add --device sim:one,fido:[0-9a-f]{32}/,
    );
  });

  test("threshold: any two of three, never one", async () => {
    const all = "--device sim:one,sim:two,sim-fido:third --pin env:PIN";
    const path = await create("--threshold 2:card:vault@sim:one,card:vault@sim:two,fido", all);
    for (const pair of ["sim:one,sim:two", "sim:two,sim-fido:third", "sim-fido:third,sim:one"]) {
      await officer.gets(0, `vault open ${path} --device ${pair} --pin env:PIN`);
    }
    for (const one of ["sim:one", "sim:two", "sim-fido:third"]) {
      await officer.gets(3, `vault open ${path} --device ${one} --pin env:PIN`);
    }
  });

  test.each(["3:card:a,fido", "1:card:a,fido", "card:a,fido", "2:card:a", "x:card:a,fido"])(
    "--threshold %s is refused",
    async (words) => {
      await officer.gets(2, `vault create ${fresh()} --threshold ${words} ${card}`);
    },
  );
});

describe("making one", () => {
  test("says which device where several could be meant, and takes them in order where as many are wanted", async () => {
    const both = "--device sim:one,sim:two --pin env:PIN";
    expect(await officer.refused(2, `vault create ${fresh()} --slot card:vault --no-recovery ${both}`)).toMatchObject({
      code: "SLOT_DEVICE_AMBIGUOUS",
    });
    const path = await create("--slot card:vault --slot card:vault", both);
    expect(await slotsOf(path)).toHaveLength(3);
    for (const one of ["one", "two"]) await officer.gets(0, `vault open ${path} --device sim:${one} --pin env:PIN`);
  });

  test.each([
    [2, "--slot card:none", "KEY_NOT_FOUND"],
    [2, "--slot nonsense", "SLOT_KIND_INVALID"],
    [2, "--slot card:", "SLOT_KIND_INVALID"],
    [2, "", "OPTION_MISSING"],
    [3, "--slot fido", "DEVICE_POLICY"],
    [3, "--slot card:vault@sim:two", "DEVICE_POLICY"],
    [8, "--slot card:vault --slot card:vault", "VAULT_OPENER_ENROLLED"],
    [2, "--slot passphrase --passphrase env:TINY", "PASSPHRASE_TOO_SHORT"],
  ] as const)("refused with %i: %s", async (code, slots, error) => {
    const path = fresh();
    const refused = await officer.refused(code, `vault create ${path} ${slots} --no-recovery ${card}`, {
      env: { TINY: "seven77" },
    });
    expect(refused).toMatchObject({ code: error });
    expect(existsSync(path)).toBe(false);
  });

  test("a file that is there is left as it is, before a device is touched", async () => {
    const path = officer.file("taken.vault", "mine");
    await officer.gets(8, `vault create ${path} --slot card:vault --no-recovery --device sim:untouched`);
    expect(readFileSync(path, "utf8")).toBe("mine");
    expect(existsSync(world.path("simulator/untouched.json"))).toBe(false);
  });

  test("a wrong PIN makes no vault, --dry-run neither", async () => {
    const path = fresh();
    await officer.gets(4, `vault create ${path} --slot card:vault --no-recovery --device sim:two --pin env:WRONG`);
    await officer.fits(0, `vault create ${path} --slot card:vault --no-recovery --dry-run ${card}`);
    expect(existsSync(path)).toBe(false);
    await officer.gets(0, `pin verify --device sim:two --pin env:PIN`);
  });
});

describe("slots come and go", () => {
  test("a backup is added with the opener alone; the same device is no backup", async () => {
    const path = await create("--slot card:vault");
    const add = `vault slot add ${path}`;
    const added = await officer.fits(0, `${add} card:vault --label spare --device sim:one,sim:two --pin env:PIN`);
    expect(added).toMatchObject({ vault: { generation: 2 }, slot: { id: 3, label: "spare" } });
    await officer.gets(0, `vault open ${path} --device sim:two --pin env:PIN`);
    expect(await officer.refused(8, `${add} card:vault ${card}`)).toMatchObject({ code: "VAULT_OPENER_ENROLLED" });
    await officer.fits(0, `${add} fido --device sim:one,sim-fido:spare --pin env:PIN`);
    expect(await officer.refused(8, `${add} fido --device sim:one,sim-fido:spare --pin env:PIN`)).toMatchObject({
      code: "VAULT_OPENER_ENROLLED",
    });
    // Of two devices the one that is not enrolled yet is meant.
    await officer.fits(0, `${add} fido --device sim-fido:spare,sim-fido:spare2`);
    await officer.gets(0, `vault open ${path} --device sim-fido:spare2`);
    await officer.fits(0, `${add} passphrase --passphrase env:PHRASE ${card}`);
    await officer.gets(0, `vault open ${path} --passphrase env:PHRASE`);
    await officer.fits(
      0,
      `${add} all-of:card:bp,passphrase --new-passphrase env:PHRASE2 --passphrase env:PHRASE --device sim:one --pin env:PIN`,
    );
    await officer.fits(0, `${add} recovery --recovery-out ${path}.second ${card}`);
    await officer.gets(0, `vault open ${path} --recovery file:${path}.second`);
    await officer.fits(0, `${add} card:aes --dry-run ${card}`);
    expect(await slotsOf(path)).toHaveLength(8);
  });

  test("a removed slot opens the new generation no more, and an old copy still", async () => {
    const path = await create(
      "--slot card:vault@sim:one --slot card:vault@sim:two",
      "--device sim:one,sim:two --pin env:PIN",
    );
    const two = "--device sim:two --pin env:PIN";
    const old = readFileSync(path);
    expect(await officer.refused(3, `vault slot remove ${path} 2 ${two}`)).toMatchObject({ code: "VAULT_NO_OPENER" });
    const removed = await officer.does(`vault slot remove ${path} 2 ${card}`);
    expect(removed.stderr).toContain("copies of the file made before still open with slot 2");
    await officer.gets(3, `vault open ${path} ${two}`);
    await officer.gets(0, `vault open ${path} ${card}`);
    const copy = fresh();
    writeFileSync(copy, old);
    await officer.gets(0, `vault open ${copy} ${two}`);
    expect(await officer.refused(2, `vault slot remove ${path} 2 ${card}`)).toMatchObject({
      code: "VAULT_SLOT_UNKNOWN",
    });
    expect(await officer.refused(2, `vault slot remove ${path} two ${card}`)).toMatchObject({
      code: "SLOT_ID_INVALID",
    });
  });

  test("the last opener and the last recovery key stay unless somebody says so", async () => {
    const path = await create("--slot card:vault");
    const recovery = `--recovery file:${path}.recovery`;
    expect(await officer.refused(5, `vault slot remove ${path} 2 ${card}`)).toMatchObject({
      code: "VAULT_LAST_RECOVERY",
    });
    expect(await officer.refused(5, `vault slot remove ${path} 1 ${recovery}`)).toMatchObject({
      code: "VAULT_LAST_OPENER",
    });
    await officer.fits(0, `vault slot remove ${path} 2 --yes-lock-me-out --dry-run ${card}`);
    await officer.fits(0, `vault slot remove ${path} 2 --yes-lock-me-out ${card}`);
    await officer.gets(3, `vault open ${path} ${recovery}`);
  });

  test("rotate: a new credential, phrase or key in one generation", async () => {
    const path = await create("--slot passphrase --slot card:vault", `--passphrase env:PHRASE ${card}`);
    const rotated = await officer.fits(
      0,
      `vault slot rotate ${path} 1 --new-passphrase env:PHRASE2 --passphrase env:PHRASE`,
    );
    expect(rotated).toMatchObject({ replaced: 1, slot: { id: 4 }, vault: { generation: 2 } });
    await officer.gets(4, `vault open ${path} --passphrase env:PHRASE`);
    await officer.gets(0, `vault open ${path} --passphrase env:PHRASE2`);
    expect(await officer.refused(2, `vault slot rotate ${path} 2 ${card}`)).toMatchObject({ code: "OPTION_MISSING" });
    await officer.fits(0, `vault slot rotate ${path} 2 --slot card:bp ${card}`);
    await officer.fits(0, `vault slot rotate ${path} 3 --recovery-out ${path}.new ${card}`);
    await officer.gets(3, `vault open ${path} --recovery file:${path}.recovery`);
    await officer.gets(0, `vault open ${path} --recovery file:${path}.new`);
    await officer.fits(0, `vault slot rotate ${path} 5 --slot card:aes --dry-run ${card}`);
  });

  test("test: opens what is here, one after the other", async () => {
    const path = await create("--slot card:vault --slot card:aes");
    const tested = await officer.fits(0, `vault slot test ${path} ${card}`);
    expect(tested["slots"]).toMatchObject([{ opens: true }, { opens: true }, { opens: false, absent: true }]);
    const all = await officer.fits(0, `vault slot test ${path} --recovery file:${path}.recovery ${card}`);
    expect(all["slots"]).toMatchObject([{ opens: true }, { opens: true }, { opens: true }]);
    await officer.fits(0, `vault slot test ${path} --slot 2 ${card}`);
  });

  test("rekey: another id, other keys, the old root kept until it is dropped", async () => {
    const path = await create("--slot card:vault");
    await officer.keeps(path, "borg", phrases.secret, card);
    const derived = async () => (await officer.gets(0, `vault derive ${path} zfs tank ${card}`)).bytes;
    const before = await derived();
    const plain = officer.file("plain", "sealed before");
    await officer.gets(0, `vault seal ${path} --in ${plain} --out ${path}.sealed ${card}`);
    await officer.fits(0, `vault rekey ${path} --dry-run ${card}`);
    const rekeyed = await officer.fits(0, `vault rekey ${path} ${card}`);
    expect(rekeyed).toMatchObject({ secrets: ["borg"], dropped: [] });
    expect(rekeyed["to"]).not.toBe(rekeyed["from"]);
    expect(await derived()).not.toEqual(before);
    await officer.gets(0, `vault unseal ${path} --in ${path}.sealed --out ${path}.plain ${card}`);
    expect(await officer.fits(0, `vault open ${path} ${card}`)).toMatchObject({ retired: [{ id: rekeyed["from"] }] });
    await officer.gets(0, `vault rekey ${path} --drop-retired ${card}`);
    await officer.gets(3, `vault unseal ${path} --in ${path}.sealed --out ${path}.plain2 ${card}`);
  });

  test("guard: the vaults that would be lost with the token", async () => {
    const home = { HSMADM_HOME: world.path("guard-home") };
    const at = "--device sim:g --pin env:PIN";
    await officer.gets(0, "device init --device sim:g --label g --so-pin env:SO --pin env:PIN --dkek-shares none", {
      env: home,
    });
    await officer.gets(0, `key generate --type ec:p256 --label vault ${at}`, { env: home });
    expect(await officer.fits(0, "vault guard --device sim:g", { env: home })).toMatchObject({ vaults: [] });
    const path = fresh();
    await officer.gets(0, `vault create ${path} --slot card:vault --no-recovery ${at}`, { env: home });
    expect(await officer.fits(5, "vault guard --device sim:g", { env: home })).toMatchObject({
      ok: false,
      vaults: [{ role: "only", path }],
    });
    await officer.gets(0, `vault slot add ${path} recovery --recovery-out ${path}.r ${at}`, { env: home });
    expect(await officer.fits(0, "vault guard --device sim:g", { env: home })).toMatchObject({
      vaults: [{ role: "besides-recovery" }],
    });
  });
});

test("a bare header tells nobody who is meant: --anonymous", async () => {
  const path = await create("--slot card:vault --anonymous");
  const { stdout } = await officer.gets(0, `vault status ${path} --json`);
  expect(stdout).not.toMatch(/UTSIM|"vault"$/m);
  await officer.gets(0, `vault open ${path} ${card}`);
});

test("nothing secret was printed", () => {
  for (const secret of [...Object.values(secrets), ...Object.values(phrases)])
    expect(world.printed).not.toContain(secret);
});
