import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { violations } from "../support/json-schema.ts";
import { Officer, secrets } from "../support/officer.ts";
import { TestWorld } from "../support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const custodians = ["c1", "c2", "c3"];

function schemaOf(name: string): Record<string, unknown> {
  const path = new URL(`../../../docs/schema/${name}.json`, import.meta.url);
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

const here = (...names: string[]) => names.map((name) => `--custodian sim:${name}`).join(" ");
const message = world.path("message");
const keyOf = new Map<string, string>();

beforeAll(async () => {
  writeFileSync(message, "to be signed");
  for (const name of custodians) {
    await officer.initialised(name);
    await officer.gets(0, `key generate --type ec:brainpoolP256r1 --label login --device sim:${name} --pin env:PIN`);
    const document = await officer.document(
      0,
      `pka export login --out ${world.path(`${name}.pka`)} --device sim:${name}`,
    );
    keyOf.set(name, String(document["chr"]));
  }
});

for (const profile of ["genuine", "pico"]) {
  describe(`a ${profile} token, 2 of 3`, () => {
    const at = `--device sim:${profile}`;
    // A Pico HSM registers keys for who is logged in.
    const pin = profile === "pico" ? "--pin env:PIN" : "";

    test("is set up, registers three custodians, and says so", async () => {
      await officer.gets(0, `simulator create ${profile} --profile ${profile}`);
      await officer.gets(0, `device init ${at} --so-pin env:SO --pin env:PIN --dkek-shares none --pka 2-of-3`);
      expect(await told(0, `pka status ${at}`)).toMatchObject({
        setUp: true,
        status: { total: 3, missing: 3, required: 2 },
      });
      expect(await codeOf(4, `pka login ${here("c1", "c2")} --custodian-pin env:PIN ${at}`)).toBe("PKA_KEYS_MISSING");
      const files = `${world.path("c1.pka")} ${world.path("c2.pka")}`;
      await told(0, `pka register ${files} ${at} --dry-run`);
      await told(0, `pka register ${files} ${at} ${pin}`);
      await told(0, `pka register --custodian sim:c3 ${at} ${pin}`);
      const status = await told(0, `pka status ${at}`);
      expect(status).toMatchObject({ status: { total: 3, missing: 0, required: 2, authenticated: 0 } });
      expect(await codeOf(8, `pka register ${world.path("c1.pka")} ${at}`)).toBe("PKA_FULL");
      await officer.gets(0, `simulator create twice-${profile} --profile ${profile}`);
      const twice = `--device sim:twice-${profile}`;
      await officer.gets(0, `device init ${twice} --so-pin env:SO --pin env:PIN --dkek-shares none --pka 1-of-3`);
      expect(await codeOf(2, `pka register ${world.path("c1.pka")} ${files} ${twice} ${pin}`)).toBe("PKA_KEY_TWICE");
      await told(0, `pka register ${world.path("c1.pka")} ${twice} ${pin}`);
      expect(await codeOf(8, `pka register ${world.path("c1.pka")} ${twice} ${pin}`)).toBe("PKA_KEY_TWICE");
    });

    test("two custodians log in, whichever they are, and the work is done on that connection", async () => {
      const login = `${here("c1", "c3")} --custodian-pin env:PIN ${at}`;
      const first = await told(0, `pka run ${login} -- key generate --type ec:p256 --label work`);
      expect(first).toMatchObject({
        login: {
          required: 2,
          authenticated: 2,
          signed: [keyOf.get("c1"), keyOf.get("c3")],
          oneTooFew: { status: "not-tried" },
        },
        result: { name: "key generate", exitCode: 0, document: { command: "key generate", ok: true } },
      });
      const out = world.path(`${profile}.sig`);
      const again = await told(
        0,
        `pka run ${here("c2", "c3")} --custodian-pin env:PIN ${at} -- key sign work --in ${message} --out ${out}`,
      );
      expect(again).toMatchObject({ login: { oneTooFew: { status: "refused" } }, result: { exitCode: 0 } });
      await officer.gets(0, `key verify work --in ${message} --signature ${out} ${at}`);
    });

    test("pka login tells that it works, and that one too few was refused", async () => {
      expect(await told(0, `pka login ${here("c3", "c1")} --custodian-pin env:PIN ${at}`)).toMatchObject({
        login: { oneTooFew: { status: "refused", reason: null }, pinToo: false },
      });
      const { stdout } = await officer.gets(0, `pka login ${here("c3", "c1")} --custodian-pin env:PIN ${at}`);
      expect(stdout).toContain("with one too few it refused to sign");
    });

    test("one is too few, the same one twice is one, a stranger is none", async () => {
      expect(await codeOf(4, `pka login ${here("c1")} --custodian-pin env:PIN ${at}`)).toBe("PKA_TOO_FEW");
      await officer.initialised(`stranger-${profile}`);
      const strangers = `key generate --type ec:p256 --label login --device sim:stranger-${profile} --pin env:PIN`;
      await officer.gets(0, strangers);
      expect(await codeOf(8, `pka login ${here("c1", `stranger-${profile}`)} --custodian-pin env:PIN ${at}`)).toBe(
        "PKA_NOT_REGISTERED",
      );
    });

    test("a custodian's wrong PIN costs that custodian's token one try, and logs in to nothing", async () => {
      expect(
        await codeOf(4, `pka login ${here("c1", "c2")} --custodian-pin env:PIN --custodian-pin env:WRONG ${at}`),
      ).toBe("PIN_WRONG");
      await officer.gets(0, "pin verify --device sim:c2 --pin env:PIN");
    });

    test("files carried between two computers", async () => {
      const [challenge, answer] = [world.path(`${profile}.challenge`), world.path(`${profile}.answer`)];
      const far = keyOf.get("c2") ?? "";
      const running = officer.does(
        `pka login ${here("c1")} --custodian-pin env:PIN --challenge-out ${challenge} --answer ${far}=${answer} --wait 20 ${at} --json`,
      );
      while (!existsSync(challenge)) await new Promise((resolve) => setImmediate(resolve));
      await told(0, `pka answer ${challenge} --out ${answer} --device sim:c2 --pin env:PIN`);
      const outcome = await running;
      expect(outcome.code, outcome.stderr).toBe(0);
      const document = JSON.parse(outcome.stdout) as Record<string, unknown>;
      expect(violations(schemaOf("pka-login"), document)).toEqual([]);
      expect(document).toMatchObject({ login: { signed: [keyOf.get("c1"), far] } });

      // The same answer, to the challenge of another login.
      expect(
        await codeOf(
          9,
          `pka login ${here("c1")} --custodian-pin env:PIN --challenge-out ${challenge} --yes --answer ${far}=${answer} ${at}`,
        ),
      ).toBe("PKA_ANSWER_OTHER_CHALLENGE");
      const missing = world.path(`${profile}.never`);
      expect(
        await codeOf(
          12,
          `pka login ${here("c1")} --custodian-pin env:PIN --challenge-out ${challenge} --yes --answer ${far}=${missing} --wait 0.05 ${at}`,
        ),
      ).toBe("PKA_ANSWER_LATE");
    });

    test("session run: several commands, one login; it ends at the first that fails", async () => {
      const file = world.path(`${profile}.session`);
      const [one, two] = [world.path(`${profile}.1`), world.path(`${profile}.2`)];
      writeFileSync(
        file,
        `# a ceremony\nkey sign work --in "${message}" --out '${one}'\n\nhsmadm key sign work --in ${message} --out ${two}\nkey list\n`,
      );
      const document = await told(0, `session run ${file} ${here("c1", "c2")} --custodian-pin env:PIN ${at}`);
      expect(document).toMatchObject({
        commands: [{ line: 2, exitCode: 0 }, { line: 4, exitCode: 0 }, { line: 5 }],
        left: 0,
      });
      for (const path of [one, two]) await officer.gets(0, `key verify work --in ${message} --signature ${path} ${at}`);

      writeFileSync(file, `key list\nkey show nothing\nkey delete work\n`);
      const failed = await told(2, `session run ${file} ${here("c1", "c2")} --custodian-pin env:PIN ${at} --yes`);
      expect(failed["error"]).toMatchObject({
        code: "KEY_NOT_FOUND",
        details: { line: 2, left: 1, commands: [{ line: 1 }] },
      });
      await officer.gets(0, `key show work ${at}`);
    });

    test("without the custodians the token signs nothing", async () => {
      const { code } = await officer.does(`key sign work --in ${message} --out - --pin env:PIN ${at}`);
      expect(code).not.toBe(0);
    });
  });
}

describe("what may not be in a session is told before a card is touched", () => {
  const login = `${here("c1", "c2")} --custodian-pin env:PIN --device sim:nobody`;
  test.each([
    ["OPTION_MISSING", `pka run ${login}`],
    ["COMMAND_UNKNOWN", `pka run ${login} -- openssl version`],
    ["SESSION_COMMAND", `pka run ${login} -- pin verify`],
    ["SESSION_COMMAND", `pka run ${login} -- pka run ${login} -- key list`],
    ["SESSION_OPTION", `pka run ${login} -- key list --device sim:c1`],
    ["OPTION_MISSING", "pka login --answer x --device sim:nobody"],
    ["OPTION_MISSING", "pka login --challenge-out x --device sim:nobody"],
    ["OPTION_MISSING", "pka register --device sim:nobody"],
  ])("%s: %s", async (code, argv) => {
    expect(await codeOf(2, argv)).toBe(code);
    expect(existsSync(world.path("simulator/nobody.json"))).toBe(false);
  });

  test.each([
    ["nothing in it", "# only words\n"],
    ["a command that is none", "key lisst\n"],
    ["an open quote", 'key show "work\n'],
  ])("a session file with %s", async (_what, content) => {
    const file = world.path("bad.session");
    writeFileSync(file, content);
    await officer.gets(2, `session run ${file} ${login}`);
  });
});

test("session run with the user PIN: one VERIFY for all lines", async () => {
  const file = world.path("pin.session");
  writeFileSync(
    file,
    `key sign login --in ${message} --out ${world.path("p1")}\nkey rename login other\nkey rename other login\n`,
  );
  const trace = world.path("session.trace");
  await told(0, `session run ${file} --device sim:c1 --pin env:PIN --trace ${trace}`);
  const text = readFileSync(trace, "utf8");
  expect(text.match(/^> 00 20 00 81 [0-9A-F]/gm)).toHaveLength(1);
});

test("a token that was not set up for it", async () => {
  expect(await told(0, "pka status --device sim:c1")).toMatchObject({ setUp: false, status: null });
  expect(await codeOf(7, `pka register ${world.path("c2.pka")} --device sim:c1`)).toBe("PKA_NOT_SET_UP");
  expect(await codeOf(7, `pka login ${here("c2", "c3")} --custodian-pin env:PIN --device sim:c1`)).toBe(
    "PKA_NOT_SET_UP",
  );
});

test("a changed file registers nobody", async () => {
  const bytes = new Uint8Array(readFileSync(world.path("c1.pka")));
  const path = world.path("changed.pka");
  for (const at of [0, 5, 40, 300, 500]) {
    const changed = bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    writeFileSync(path, changed);
    await officer.gets(9, `pka register ${path} --device sim:genuine`);
  }
});

test("nothing that was printed holds a PIN", () => {
  for (const secret of Object.values(secrets)) expect(world.printed).not.toContain(secret);
});
