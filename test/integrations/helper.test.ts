import { existsSync, readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { describeBuilt } from "../cli/support/built.ts";
import { furnish, pins, Workshop } from "./support/workshop.ts";

/** The helper of tzpfms, asked by the built command in a process of its own without a terminal. */
describeBuilt("the passphrase helper", () => {
  const shop = new Workshop("helper");
  const open = "hsmadm vault open our.vault --device sim:office";
  const asked = () => readFileSync(shop.path("asked"), "utf8").trimEnd().split("\n");

  beforeAll(async () => {
    await furnish(shop, "office", "other");
    const add = "--device sim:office --pin file:user.pin";
    await shop.does(`hsmadm vault create our.vault --slot card:vault --recovery-out recovery.txt ${add}`);
  });

  test("$0 is the helper's own text, then message, token and two empty words", async () => {
    const helper = `printf '%s\\n' "$0" "$#" "$@" >${shop.path("asked")}; cat ${shop.path("user.pin")}`;
    await shop.does(open, { TZPFMS_PASSPHRASE_HELPER: helper });
    const [self, count, message, whom, ...rest] = readFileSync(shop.path("asked"), "utf8").split("\n");
    expect([self, count, rest]).toEqual([helper, "4", ["", "", ""]]);
    expect(message).toBe(`User PIN for ${whom} (3 tries left, a wrong one costs one)`);
    expect(whom).toMatch(/^office, UTSIM\w+, SIMULATED$/);
  });

  test("a new passphrase is asked for twice: new, then new and again", async () => {
    const helper = `printf '%s,%s\\n' "$3" "$4" >>${shop.path("twice")}; echo "correct horse"`;
    const add = `hsmadm vault slot add our.vault passphrase --device sim:office --pin file:user.pin --new-passphrase prompt`;
    await shop.does(add, { HSMADM_PASSPHRASE_HELPER: helper });
    expect(readFileSync(shop.path("twice"), "utf8")).toBe("new,\nnew,again\n");
    const phrase = "hsmadm vault open our.vault --passphrase prompt";
    await shop.does(phrase, { HSMADM_PASSPHRASE_HELPER: "echo 'correct horse'" });
    // One line feed goes, no more.
    const two = await shop.sh(phrase, { HSMADM_PASSPHRASE_HELPER: "echo 'correct horse'; echo" });
    expect([two.code, two.stderr]).toEqual([4, expect.stringContaining("opens no slot")]);
  });

  test.each([
    ["exits with 1", "exit 1", "failed with exit code 1"],
    ["dies", "kill -TERM $$", "died of signal SIGTERM"],
    ["gives nothing", "exit 0", "gave nothing"],
    ["gives an empty line", "echo", "gave nothing"],
  ])("one that %s ends the command with 10; no try is spent", async (_, helper, words) => {
    const { code, stdout, stderr } = await shop.sh(open, { HSMADM_PASSPHRASE_HELPER: helper });
    expect([code, stdout, stderr]).toEqual([10, "", expect.stringContaining(words)]);
    expect(await shop.does("hsmadm pin status --device sim:office")).toContain("3 tries left");
  });

  test("one that is not there is tried once, then nobody can be asked", async () => {
    // A path, because PATH may hold folders a user may not search, which is another exit code.
    const helper = `echo x >>${shop.path("asked-127")}; exec /nonexistent/program`;
    const { code, stderr } = await shop.sh(`${open},sim:other`, { HSMADM_PASSPHRASE_HELPER: helper });
    expect([code, stderr]).toEqual([2, expect.stringContaining("nobody can be asked")]);
    expect(readFileSync(shop.path("asked-127"), "utf8")).toBe("x\n");
  });

  test("an empty variable is none, ours comes before the other, --no-input before both", async () => {
    const theirs = { TZPFMS_PASSPHRASE_HELPER: `cat ${shop.path("user.pin")}` };
    await shop.does(open, { HSMADM_PASSPHRASE_HELPER: "", ...theirs });
    expect((await shop.sh(open, { HSMADM_PASSPHRASE_HELPER: "exit 1", ...theirs })).code).toBe(10);
    expect((await shop.sh(`${open} --no-input`, theirs)).code).toBe(2);
    expect((await shop.sh(open, { HSMADM_PASSPHRASE_HELPER: "", TZPFMS_PASSPHRASE_HELPER: "" })).code).toBe(2);
  });

  test("it is not asked for a card that holds no key of the vault", async () => {
    const helper = `touch ${shop.path("in-vain")}; echo 1`;
    const { code } = await shop.sh(open.replace("office", "other"), { HSMADM_PASSPHRASE_HELPER: helper });
    expect([code, existsSync(shop.path("in-vain"))]).toEqual([3, false]);
    expect(asked()).not.toEqual([]);
    for (const secret of Object.values(pins)) expect(shop.printed).not.toContain(secret);
  });
});
