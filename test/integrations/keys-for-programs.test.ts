import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { describeBuilt } from "../cli/support/built.ts";
import { missing, type Need } from "../support/needs.ts";
import { furnish, pins, Workshop } from "./support/workshop.ts";

/** What the pages do not show: that nothing else comes out, and what happens when nothing comes out at all. */
function suite(name: string, needs: readonly Need[], tests: () => void): void {
  const reason = missing(...needs);
  if (reason !== null && process.env["HSMADM_TEST_NOTHING_MISSING"] !== undefined) throw new Error(reason);
  describe.skipIf(reason !== null)(name, tests);
}

describeBuilt("keys for other programs", () => {
  const shop = new Workshop("keys-for-programs");
  const desk = "--device sim-fido:desk";
  const office = "--device sim:office --pin file:user.pin";
  const absent = "--device sim:spare --pin file:user.pin";
  const noKey = /nothing here opens/;

  beforeAll(async () => {
    await furnish(shop, "office", "spare");
    await shop.does(
      `hsmadm vault create our.vault --slot card:vault@sim:office --slot fido@sim-fido:desk --recovery-out recovery.txt --device sim:office,sim-fido:desk --pin file:user.pin`,
    );
    shop.file(
      "raw.key",
      Uint8Array.from({ length: 32 }, (_, i) => i * 8),
    );
    await shop.does(`hsmadm vault set our.vault zfs/tank --in raw.key ${desk}`);
    await shop.does(`openssl rand -base64 33 | hsmadm vault set our.vault borg ${desk}`);
  });

  suite("ZFS", ["openssl"], () => {
    /** What the stand-in was called with and what it read. */
    const log = () =>
      readFileSync(shop.path(".zfs.log"), "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { argv: string[]; stdin: string });

    test("32 raw bytes for keyformat=raw, the same from each device", async () => {
      const change = "zfs change-key -o keylocation=prompt -o keyformat=raw tank";
      await shop.does(`hsmadm vault derive our.vault zfs tank ${desk} | ${change}`);
      await shop.does(`hsmadm vault derive our.vault zfs tank ${office} --raw | ${change}`);
      const [first, second] = log().slice(-2);
      expect(first?.argv).toEqual(["change-key", "-o", "keylocation=prompt", "-o", "keyformat=raw", "tank"]);
      expect(first?.stdin).toMatch(/^[0-9a-f]{64}$/);
      expect(second?.stdin).toBe(first?.stdin);
    });

    test("64 hex digits and nothing else for keyformat=hex", async () => {
      await shop.does(`hsmadm vault derive our.vault zfs pool ${desk} --hex | zfs change-key -o keyformat=hex pool`);
      const text = Buffer.from(log().at(-1)?.stdin ?? "", "hex").toString();
      expect(text).toMatch(/^[0-9a-f]{64}$/);
    });

    test("a key that was there before: kept, and given as it was", async () => {
      await shop.does("zfs change-key -o keyformat=raw old <raw.key && zfs unload-key old");
      const give = `hsmadm vault get our.vault zfs/tank --raw ${desk}`;
      await shop.does(`${give} | zfs load-key -n old`);
      expect((await shop.sh(`${give} | zfs load-key -n old && zfs load-key old <raw.key`)).code).toBe(0);
      expect(log().at(-1)?.argv).toEqual(["load-key", "old"]);
      expect(log().at(-1)?.stdin).toBe(readFileSync(shop.path("raw.key")).toString("hex"));
    });

    test("-n loads nothing; another dataset's key is refused", async () => {
      await shop.does("zfs unload-key tank");
      const derive = (context: string) => `hsmadm vault derive our.vault zfs ${context} ${desk}`;
      await shop.does(`${derive("tank")} | zfs load-key -n tank && ${derive("tank")} | zfs load-key tank`);
      expect((await shop.sh(`${derive("tank2")} | zfs load-key -n tank`)).stderr).toContain("Incorrect key provided");
    });

    test("no device of the vault here: zfs is given nothing, not half a key", async () => {
      const { code, stderr } = await shop.sh(`hsmadm vault derive our.vault zfs tank ${absent} | zfs load-key -n tank`);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(noKey);
      expect(stderr).toContain("Raw key too short (expected 32).");
      expect(log().at(-1)?.stdin).toBe("");
    });

    test("the new device is none of the enrolled ones", async () => {
      for (const add of ["fido@sim-fido:desk", "card:vault@sim:office"]) {
        const { code, stderr } = await shop.sh(
          `hsmadm vault slot add our.vault ${add} --device sim-fido:desk,sim:office --pin file:user.pin`,
        );
        expect([code, stderr]).toEqual([8, expect.stringContaining("opens the vault already")]);
      }
    });
  });

  suite("LUKS", ["cryptsetup"], () => {
    const fast = "--batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000";
    const derive = (context: string, how = desk) => `hsmadm vault derive our.vault luks ${context} ${how}`;
    const opens = (context: string, how?: string) =>
      shop.sh(`${derive(context, how)} | cryptsetup open --test-passphrase --key-file=- disk.img`);

    beforeAll(async () => {
      await shop.does(
        `truncate -s 20M disk.img && ${derive("disk")} | cryptsetup luksFormat ${fast} --key-file=- disk.img`,
      );
    });

    test("each device opens it; another context, or none of the devices, does not", async () => {
      expect((await opens("disk")).code).toBe(0);
      expect((await opens("disk", office)).code).toBe(0);
      expect((await opens("other")).code).toBe(2);
      const { code, stderr } = await opens("disk", absent);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(noKey);
    });

    test("luksAddKey: a second key beside the first, either opens it", async () => {
      await shop.does(`${derive("disk")} >disk.key`);
      await shop.does(`${derive("second")} | cryptsetup luksAddKey ${fast} --key-file disk.key disk.img -`);
      expect((await opens("second")).code).toBe(0);
      expect((await opens("disk")).code).toBe(0);
    });

    test("vault get --raw of a key file", async () => {
      const get = `hsmadm vault get our.vault zfs/tank --raw ${desk}`;
      await shop.does(`${derive("disk")} >disk.key`);
      await shop.does(`${get} | cryptsetup luksAddKey ${fast} --key-file disk.key disk.img -`);
      await shop.does(`${get} | cryptsetup open --test-passphrase --key-file=- disk.img`);
    });
  });

  suite("Borg", ["borg", "openssl"], () => {
    const command = (how: string) => ({
      BORG_PASSCOMMAND: `hsmadm vault get ${shop.path("our.vault")} borg --text ${how}`,
    });

    beforeAll(async () => {
      await shop.does("borg init --encryption repokey-blake2 repo", command(desk));
    });

    test("a repository that one device made opens with the other", async () => {
      await shop.does("borg create repo::one raw.key", command(desk));
      const { BORG_PASSCOMMAND } = command("--device sim:office");
      const helper = { HSMADM_PASSPHRASE_HELPER: `cat ${shop.path("user.pin")}` };
      expect(await shop.does("borg list --short repo", { BORG_PASSCOMMAND, ...helper })).toBe("one\n");
      const recovery = command(`--recovery file:${shop.path("recovery.txt")}`);
      expect(await shop.does("borg list --short repo", recovery)).toBe("one\n");
    });

    test("no device named, or none of the vault's here: borg gets no passphrase and stops", async () => {
      for (const [how, words] of [
        ["", "no device was contacted"],
        [`--device sim:spare --pin file:${shop.path("user.pin")}`, "nothing here opens"],
      ] as const) {
        const { code, stderr } = await shop.sh("borg list repo", command(how));
        expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
        expect(stderr).toContain("BORG_PASSCOMMAND failed");
      }
    });
  });

  test("no PIN and no try was spent on what holds no key", async () => {
    expect(await shop.does("hsmadm pin status --device sim:spare")).toContain("3 tries left");
    for (const secret of Object.values(pins)) expect(shop.printed).not.toContain(secret);
  });
});
