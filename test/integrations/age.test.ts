import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeBech32 } from "../../src/crypto/age/bech32.ts";
import { fileIdentity } from "../../src/crypto/vault/vault-seed.ts";
import { describeBuilt, Running } from "../cli/support/built.ts";
import { missing } from "../support/needs.ts";
import { furnish, pins, Workshop } from "./support/workshop.ts";

/** The real age at one end, the built plugin with simulated tokens at the other. */
const needs = ["age", "age-keygen", "jq", "script"];
const reason = missing(...needs);
if (reason !== null && process.env["HSMADM_TEST_NOTHING_MISSING"] !== undefined) throw new Error(reason);

const noMatch = "age: error: no identity matched any of the recipients";

describeBuilt("age", () => {
  describe.skipIf(reason !== null)("with the program", () => {
    const shop = new Workshop("age-program");
    const pin = { HSMADM_PIN: "file:user.pin" };
    const office = { HSMADM_DEVICE: "sim:office", ...pin };
    const identities = new Map<string, string>();
    const recipients = new Map<string, string>();

    beforeAll(async () => {
      await furnish(shop, "office", "spare");
      pin.HSMADM_PIN = `file:${shop.path("user.pin")}`;
      office.HSMADM_PIN = pin.HSMADM_PIN;
      const generate = "hsmadm key generate --pin file:user.pin --device sim:office";
      await shop.does(`${generate} --type rsa:2048 --label mail && ${generate} --type ec:secp521r1 --label long`);
      for (const device of ["office", "spare"]) {
        const { keys } = JSON.parse(await shop.does(`hsmadm age identity --json --device sim:${device}`)) as {
          keys: { key: { label: string }; recipient: string; identity: string }[];
        };
        for (const { key, recipient, identity } of keys) {
          identities.set(`${device} ${key.label}`, identity);
          recipients.set(`${device} ${key.label}`, recipient);
          shop.file(`${device}-${key.label}.txt`, `${identity}\n`);
        }
      }
      shop.file("letter.txt", "Dear all\n");
      await shop.does("hsmadm age recipients --device sim:office >all.txt && age -R all.txt -o all.age letter.txt");
      await shop.does("age-keygen -o stock.txt 2>/dev/null && age-keygen -y stock.txt >stock.pub");
    });

    test("each recipient of a token alone, by its identity and by -j hsmadm", async () => {
      for (const label of ["vault", "mail", "long"]) {
        const recipient = recipients.get(`office ${label}`) ?? "";
        const file = shop.file(`${label}.age`, "");
        await shop.does(`age -r '${recipient}' letter.txt >${file}`);
        expect(await shop.does(`age -d -i office-${label}.txt ${file}`, office), label).toBe("Dear all\n");
        expect(await shop.does(`age -d -j hsmadm ${file}`, office), label).toBe("Dear all\n");
      }
    });

    test("a file of recipients for -R, and every identity opens what they were given", async () => {
      for (const label of ["vault", "mail", "long"]) {
        expect(await shop.does(`age -d -i office-${label}.txt all.age`, office)).toBe("Dear all\n");
      }
      const armored = await shop.does("age -a -R all.txt letter.txt >all.asc && age -d -j hsmadm all.asc", office);
      expect(armored).toBe("Dear all\n");
    });

    test("age -e -i: an identity is a recipient, its public key comes from the token", async () => {
      await shop.does("age -e -i office-long.txt -o own.age letter.txt", office);
      expect(await shop.does("age -d -i office-long.txt own.age", office)).toBe("Dear all\n");
      const { code, stderr } = await shop.sh("age -e -j hsmadm letter.txt >/dev/null", office);
      expect([code, stderr]).toEqual([1, expect.stringContaining("names no key to encrypt to")]);
    });

    test("beside recipients of age's own, in any order of identities", async () => {
      await shop.does(`age -r "$(cat stock.pub)" -r ${recipients.get("office vault")} -o both.age letter.txt`);
      for (const line of ["age -d -i stock.txt both.age", "age -d -i office-vault.txt both.age"]) {
        expect(await shop.does(line, office)).toBe("Dear all\n");
      }
      for (const env of [{ HSMADM_DEVICE: "none" }, { HSMADM_DEVICE: "sim:spare", ...pin }, {}]) {
        expect(await shop.does("age -d -i office-vault.txt -i stock.txt both.age", env)).toBe("Dear all\n");
      }
    });

    test("a token that is not here does not keep the next identity from opening the file", async () => {
      await shop.does(
        `age -r ${recipients.get("office vault")} -r ${recipients.get("spare vault")} -o two.age letter.txt`,
      );
      const { stdout, stderr } = await shop.sh(
        "cat office-vault.txt spare-vault.txt >two.txt; age -d -i two.txt two.age",
        {
          HSMADM_DEVICE: "sim:spare",
          ...pin,
        },
      );
      expect(stdout).toBe("Dear all\n");
      expect(stderr).toMatch(/age: hsmadm plugin: the file is for no key on card UTSIM/);
    });

    test("a file for others: age says so, the plugin says nothing", async () => {
      const { code, stderr } = await shop.sh('age -r "$(cat stock.pub)" letter.txt | age -d -j hsmadm', office);
      expect(code).toBe(1);
      expect(stderr.split("\n")[0]).toBe(noMatch);
    });

    test("HSMADM_DEVICE=none, and no HSMADM_DEVICE for a key that is not named: nothing is touched", async () => {
      for (const [env, why] of [
        [{ HSMADM_DEVICE: "none" }, "HSMADM_DEVICE says none"],
        [{}, "HSMADM_DEVICE is not set"],
      ] as const) {
        const { code, stderr } = await shop.sh("age -d -j hsmadm vault.age", env);
        expect([code, stderr]).toEqual([1, expect.stringContaining(`no device was contacted: ${why}`)]);
        expect(stderr).toContain(noMatch);
      }
    });

    test("a wrong PIN: one try, and an error that says how many are left", async () => {
      const env = { HSMADM_DEVICE: "sim:office", HSMADM_PIN: `file:${shop.file("wrong.pin", "648210")}` };
      const { code, stdout, stderr } = await shop.sh("age -d -j hsmadm all.age", env);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^age: error: hsmadm plugin: wrong user PIN on UTSIM\w+ \(2 tries left\)/m);
      // The PIN that was refused is remembered: the second time nothing is sent at all.
      const again = await shop.sh("age -d -j hsmadm all.age", env);
      expect(again.stderr).toMatch(/refused|not sent/);
      expect(await shop.does("hsmadm pin status --device sim:office")).toContain("2 tries left");
      await shop.does("hsmadm pin verify --device sim:office --pin file:user.pin");
    });

    test("without a terminal age cannot ask: the helper does, else an error says what to set", async () => {
      const device = { HSMADM_DEVICE: "sim:office" };
      const helped = await shop.sh("age -d -j hsmadm all.age", {
        ...device,
        HSMADM_PASSPHRASE_HELPER: `cat ${shop.path("user.pin")}`,
      });
      expect(helped.stdout).toBe("Dear all\n");
      const alone = await shop.sh("age -d -j hsmadm all.age", device);
      expect([alone.code, alone.stderr]).toEqual([
        1,
        expect.stringMatching(
          /age: error: hsmadm plugin: no user PIN .*: age could not ask for it.*HSMADM_PASSPHRASE_HELPER/,
        ),
      ]);
      expect(await shop.does("hsmadm pin status --device sim:office")).toContain("3 tries left");
    });

    test("on a terminal age asks for the PIN, with token and tries, before any helper", async () => {
      const env = { ...process.env, ...shop.env, HSMADM_DEVICE: "sim:office", HSMADM_PASSPHRASE_HELPER: "exit 1" };
      // No echo from the start: age asks first and only then turns it off, which a quick answer overtakes.
      const running = new Running("script", ["-qec", "stty -echo; age -d -j hsmadm all.age", "/dev/null"], {
        cwd: shop.folder,
        env,
      });
      await running.says(/office, UTSIM\w+, SIMULATED: user PIN \(3 tries left, a wrong one costs one\)/);
      running.child.stdin.write(`${pins.user}\r`);
      const { code, stdout } = await running.ended;
      expect(code).toBe(0);
      expect(stdout).toContain("Dear all");
      expect(stdout).not.toContain(pins.user);
    });

    test("AGEDEBUG=plugin shows the talk, and changes nothing", async () => {
      const { code, stdout, stderr } = await shop.sh("age -d -i office-vault.txt vault.age", {
        ...office,
        AGEDEBUG: "plugin",
      });
      expect([code, stdout]).toEqual([0, "Dear all\n"]);
      expect(stderr).toContain("-> add-identity AGE-PLUGIN-HSMADM-1");
      expect(stderr).toContain("-> file-key 0");
      expect(stderr).not.toContain(pins.user);
    });

    test("a damaged file and a damaged identity are refused", async () => {
      await shop.does("sed 's/^-> p256tag \\(....\\)/-> p256tag AAAA/' vault.age >other-tag.age");
      expect((await shop.sh("age -d -i office-vault.txt other-tag.age", office)).stderr).toContain(noMatch);
      await shop.does("{ head -c -1 vault.age; printf x; } >tampered.age");
      expect((await shop.sh("age -d -i office-vault.txt tampered.age", office)).code).toBe(1);
      const later = encodeBech32("age-plugin-hsmadm-", Uint8Array.of(9, 1, 1, 2, 3, 4)).toUpperCase();
      shop.file("later.txt", `${later}\n`);
      expect((await shop.sh("age -d -i later.txt vault.age", office)).stderr).toContain("a later version of hsmadm");
    });

    describe("vaults", () => {
      const devices = "--device sim:office,sim:spare,sim-fido:desk,sim-fido:drawer --pin file:user.pin";
      const json = (text: string) => JSON.parse(text) as { seed: string; secrets: { borg: { value: string } } };

      beforeAll(async () => {
        shop.file("phrase", "correct horse battery");
        await shop.does(
          `hsmadm vault create home.vault --slot card:vault@sim:office --slot fido@sim-fido:desk --recovery-out recovery.txt ${devices}`,
        );
        await shop.does(
          `hsmadm vault create board.vault --all-of card:vault@sim:spare,fido@sim-fido:desk --threshold 2:card:vault@sim:office,card:mail@sim:office,fido@sim-fido:drawer --slot passphrase --new-passphrase file:phrase --no-recovery ${devices}`,
        );
        for (const vault of ["home", "board"]) {
          await shop.does(
            `printf hunter2 | hsmadm vault set ${vault}.vault borg --device sim-fido:desk,sim:spare,sim:office --pin file:user.pin`,
          );
        }
      });

      const secretOf = async (vault: string, env: Record<string, string>) =>
        Buffer.from(
          json(await shop.does(`age -d -j hsmadm ${vault}.vault`, env)).secrets.borg.value,
          "base64",
        ).toString();

      test("-j hsmadm: with a card, with a FIDO2 device", async () => {
        expect(await secretOf("home", office)).toBe("hunter2");
        expect(await secretOf("home", { HSMADM_DEVICE: "sim-fido:desk" })).toBe("hunter2");
      });

      test("the recovery key and a stock age, no program of ours in PATH", async () => {
        const text = await shop.does(
          "PATH=$(echo $PATH | cut -d: -f2-); ! command -v age-plugin-hsmadm && age -d -i recovery.txt home.vault",
        );
        expect(Buffer.from(json(text).secrets.borg.value, "base64").toString()).toBe("hunter2");
      });

      test("jq reads what comes out", async () => {
        const line = "age -d -i recovery.txt home.vault | jq -r .secrets.borg.value | base64 -d";
        expect(await shop.does(line)).toBe("hunter2");
      });

      test("all-of and k-of-n open from one identity", async () => {
        expect(await secretOf("board", { HSMADM_DEVICE: "sim:spare,sim-fido:desk", ...pin })).toBe("hunter2");
        expect(await secretOf("board", { HSMADM_DEVICE: "sim:office,sim-fido:drawer", ...pin })).toBe("hunter2");
        // Two keys on one card: one PIN for both.
        expect(await secretOf("board", office)).toBe("hunter2");
      });

      test("a slot's passphrase is asked for like a PIN, when no device opens it", async () => {
        const helper = `cat ${shop.path("phrase")}`;
        expect(await secretOf("board", { HSMADM_DEVICE: "none", HSMADM_PASSPHRASE_HELPER: helper })).toBe("hunter2");
      });

      test("too few: what is missing is named", async () => {
        const { code, stderr } = await shop.sh("age -d -j hsmadm board.vault", { HSMADM_DEVICE: "sim-fido:drawer" });
        expect(code).toBe(1);
        expect(stderr).toMatch(/no passphrase|attach or give/);
        const home = await shop.sh("age -d -j hsmadm home.vault", { HSMADM_DEVICE: "sim:spare", ...pin });
        expect(home.stderr).toMatch(
          /age: hsmadm plugin: nothing here opens the file: slot 1 \(card UTSIM\w+ key vault\)/,
        );
        expect(await shop.does("hsmadm pin status --device sim:spare")).toContain("3 tries left");
      });

      test("a byte of the header that was changed is found", async () => {
        const bytes = readFileSync(shop.path("home.vault"));
        const at = bytes.indexOf("-> hsmadm/slot 1 1 ") + 60;
        bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41;
        shop.file("tampered.vault", bytes);
        const { code, stdout } = await shop.sh("age -d -i recovery.txt tampered.vault", office);
        expect([code, stdout]).toEqual([1, ""]);
        expect((await shop.sh("age -d -j hsmadm tampered.vault", office)).code).toBe(1);
      });

      test("sealed files both ways", async () => {
        const open = "--device sim-fido:desk";
        const { fileRecipient } = JSON.parse(await shop.does(`hsmadm vault open home.vault --json ${open}`)) as {
          fileRecipient: string;
        };
        await shop.does(
          `age -r ${fileRecipient} -o by-age letter.txt && hsmadm vault seal home.vault <letter.txt >by-us ${open}`,
        );
        for (const sealed of ["by-age", "by-us"]) {
          expect(await shop.does(`hsmadm vault unseal home.vault <${sealed} ${open}`)).toBe("Dear all\n");
        }
        // With the recovery key alone: the identity of sealed files comes from the seed.
        const { seed } = json(await shop.does("age -d -i recovery.txt home.vault"));
        const { secret } = fileIdentity(new Uint8Array(Buffer.from(seed, "base64")));
        shop.file("sealed.txt", encodeBech32("age-secret-key-", secret).toUpperCase());
        expect(await shop.does("age -d -i sealed.txt by-us")).toBe("Dear all\n");
      });
    });

    test("no PIN in anything that was printed", () => {
      for (const secret of Object.values(pins)) expect(shop.printed).not.toContain(secret);
    });
  });
});
