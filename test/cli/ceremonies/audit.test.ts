import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { violations } from "../support/json-schema.ts";
import { Officer, secretEnv, secrets } from "../support/officer.ts";
import { TestWorld } from "../support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const record = world.path("ceremony.log");
const into = `--ceremony ${record} --officer Ada`;
const closed = world.path("closed.log");

function schema(name: string): Record<string, unknown> {
  const url = new URL(`../../../docs/schema/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as Record<string, unknown>;
}

async function fits(name: string, argv: string): Promise<Record<string, unknown>> {
  const document = await officer.document(0, argv);
  expect(violations(schema(name), document), argv).toEqual([]);
  return document;
}

type Entry = Record<string, unknown> & { words: string[]; tokens: Record<string, unknown>[] };

async function entries(path = record): Promise<Entry[]> {
  const document = await officer.document(0, `audit show ${path}`);
  return (document["entries"] as Entry[]).slice(1);
}

async function lastEntry(): Promise<Entry> {
  const last = (await entries()).at(-1);
  if (last === undefined) throw new Error("no entry");
  return last;
}

const init = "--so-pin env:SO --pin env:PIN --dkek-shares";

beforeAll(async () => {
  await officer.gets(0, `device init --device sim:root --label root ${init} random ${into}`);
  await officer.gets(0, `key generate --type ec:p256 --label signer --device sim:root --pin env:PIN ${into}`);
  await officer.gets(0, `key list --device sim:root --ceremony ${closed}`);
  await officer.gets(0, `pin verify --device sim:root --pin env:PIN --ceremony ${closed} --officer Ada`);
  await officer.gets(0, `audit close ${closed} --key signer --device sim:root --pin env:PIN --officer Ada`);
});

describe("--ceremony", () => {
  test("writes down who did what on which token, the tries before and after, and the KCV", async () => {
    const [first] = await entries();
    expect(first).toMatchObject({
      kind: "command",
      officer: "Ada",
      command: "device init",
      exitCode: 0,
      result: "done",
      error: null,
      tool: "hsmadm 0.0.0-test",
    });
    expect(first?.words.join(" ")).toBe(
      "device init --label root --so-pin env --pin env --dkek-shares random --device sim:root",
    );
    expect(first?.tokens).toMatchObject([
      {
        chr: expect.stringMatching(/^UTSIM.{6}00000$/),
        label: "root",
        simulated: true,
        before: { state: "uninitialised", userPin: { triesLeft: null }, kcvs: [] },
        after: { state: "operational", kcvs: [{ domain: 0, kcv: expect.stringMatching(/^[0-9A-F]{16}$/) }] },
      },
    ]);
  });

  test("writes down a failure too, with what it cost", async () => {
    await officer.gets(4, `pin verify --device sim:root --pin env:WRONG ${into}`);
    expect(await lastEntry()).toMatchObject({
      exitCode: 4,
      result: "authentication",
      error: { code: "PIN_WRONG" },
      tokens: [{ before: { userPin: { triesLeft: 3 } }, after: { userPin: { triesLeft: 2 } } }],
    });
    await officer.gets(0, `pin verify --device sim:root --pin env:PIN ${into}`);
    expect(await lastEntry()).toMatchObject({ result: "done", tokens: [{ before: { userPin: { triesLeft: 2 } } }] });
  });

  test("tells no secret, whatever stands on the command line", async () => {
    await officer.gets(0, `pin verify --device sim:root --pin literal:${secrets.pin} ${into}`);
    expect((await lastEntry()).words.join(" ")).toContain("--pin literal ");
    await officer.gets(2, `pin verify --device sim:root --pin ${secrets.pin} ${into}`);
    expect((await lastEntry()).words.join(" ")).toContain("--pin [withheld] ");
    await officer.gets(0, `so-pin explain ${secrets.soPin} ${into}`);
    expect((await lastEntry()).words).toEqual(["so-pin", "explain", "[withheld]"]);
    await officer.gets(0, `guard --device sim:root ${into} -- true ${secrets.pin}`);
    expect((await lastEntry()).words.slice(-2)).toEqual(["--", "[withheld]"]);
    const written = readFileSync(record, "utf8");
    for (const secret of Object.values(secrets)) expect(written).not.toContain(secret);
  });

  test("refuses a closed or damaged record before the token is touched", async () => {
    const before = await officer.tries("root");
    await officer.gets(8, `pin verify --device sim:root --pin env:WRONG --ceremony ${closed}`);
    const damaged = world.path("damaged.log");
    writeFileSync(damaged, readFileSync(closed, "utf8").replace("Ada", "Eve"));
    await officer.gets(9, `pin verify --device sim:root --pin env:WRONG --ceremony ${damaged}`);
    await officer.gets(11, `pin verify --device sim:root --pin env:WRONG --ceremony ${world.path("no/folder")}`);
    expect(await officer.tries("root")).toEqual(before);
  });

  test("writes nothing for a dry run, and nothing where it is not asked to", async () => {
    const untouched = world.path("untouched.log");
    await officer.gets(0, `pin verify --device sim:root --pin env:PIN --dry-run --ceremony ${untouched}`);
    expect(existsSync(untouched)).toBe(false);
    await officer.gets(2, "pin status --device sim:root --officer Ada");
    await officer.gets(2, `audit verify ${record} --ceremony ${untouched}`);
    expect(existsSync(untouched)).toBe(false);
  });

  test("tells when what was done is in no record", async () => {
    const path = world.path("lost.log");
    await officer.gets(0, `pin status --device sim:root --ceremony ${path}`);
    // Damaged while the command is at work: its helper for the PIN does it.
    const helper = world.path("helper.sh");
    writeFileSync(helper, `#!/bin/sh\nprintf x >>${path}\nprintf ${secrets.pin}\n`, { mode: 0o700 });
    const { stderr } = await officer.gets(13, `pin verify --device sim:root --pin cmd:${helper} --ceremony ${path}`);
    expect(stderr).toContain("`pin verify` is over (exit 0) and stands in no ceremony record");
  });
});

describe("audit", () => {
  test("every document fits its schema", async () => {
    await fits("audit-show", `audit show ${record}`);
    await fits("audit-show", `audit show ${closed}`);
    await fits("audit-verify", `audit verify ${record}`);
    await fits("audit-export", `audit export ${closed}`);
    await fits("audit-export", `audit export ${closed} --html --out ${world.path("dry.html")} --dry-run`);
    expect(existsSync(world.path("dry.html"))).toBe(false);
    await fits("audit-close", `audit close ${record} --key signer --device sim:root --pin env:PIN --dry-run`);
    const other = world.path("other.log");
    await officer.gets(0, `device status --device sim:root --ceremony ${other}`);
    await fits("audit-close", `audit close ${other} --key signer --device sim:root --pin env:PIN`);
  });

  test("verify says that an open record is open; --closed does not let it pass", async () => {
    const open = await officer.gets(0, `audit verify ${record}`);
    expect(open.stderr).toContain("is open");
    const { stderr } = await officer.gets(9, `audit verify ${record} --closed`);
    expect(stderr).toContain("no signature closes it");
  });

  test("verify proves who closed it, where that key was made, and whether it is the one that was wanted", async () => {
    const document = await fits("audit-verify", `audit verify ${closed} --closed`);
    expect(document).toMatchObject({
      verified: true,
      signerChecked: false,
      record: {
        state: "closed",
        commands: 2,
        closing: { officer: "Ada", origin: "attested", root: "UTSIMULAT00001", simulated: true },
      },
    });
    const pem = world.path("signer.pem");
    await officer.gets(0, `key public signer --device sim:root --out ${pem}`);
    expect(await officer.document(0, `audit verify ${closed} --signer ${pem}`)).toMatchObject({ signerChecked: true });
    await officer.gets(0, `key generate --type ec:p256 --label other --device sim:root --pin env:PIN`);
    const foreign = world.path("foreign.pem");
    await officer.gets(0, `key public other --device sim:root --out ${foreign}`);
    const { stderr } = await officer.gets(9, `audit verify ${closed} --signer ${foreign}`);
    expect(stderr).toContain("another key closed it");
    await officer.gets(9, `audit verify ${record} --signer ${pem}`);
  });

  test("verify looks for a head that was written down", async () => {
    const [, second] = await entries(closed);
    const head = String(second?.["hash"]).replace(/.{4}/g, "$& ").trim();
    expect((await world.run(["audit", "verify", closed, "--head", head], { env: secretEnv })).code).toBe(0);
    await officer.gets(9, `audit verify ${closed} --head ${"0".repeat(64)}`);
    await officer.gets(2, `audit verify ${closed} --head abc`);
  });

  test("verify, show and export refuse with the same error what does not hold", async () => {
    const damaged = world.path("line-gone.log");
    writeFileSync(damaged, readFileSync(closed, "utf8").split("\n").toSpliced(1, 1).join("\n"));
    for (const verb of ["show", "verify", "export"]) {
      const document = await officer.document(9, `audit ${verb} ${damaged}`);
      expect(document["error"]).toMatchObject({ code: "CEREMONY_LINE_REMOVED", kind: "check-failed" });
    }
  });

  test.each([
    ["rsa:2048", "rsa-pkcs1-sha256"],
    ["ec:brainpoolP384r1", "ecdsa-sha256"],
  ])("close signs with a key of type %s", async (type, scheme) => {
    const path = world.path(`${type.replace(":", "-")}.log`);
    await officer.gets(
      0,
      `key generate --type ${type} --label ${type} --device sim:root --pin env:PIN --ceremony ${path}`,
    );
    await officer.gets(0, `audit close ${path} --key label:${type} --device sim:root --pin env:PIN`);
    expect(await officer.document(0, `audit verify ${path} --closed`)).toMatchObject({
      record: { closing: { scheme, origin: "attested" } },
    });
  });

  test("close takes an emulator's key, and says that nobody vouches for it", async () => {
    await officer.gets(0, "simulator create pico --profile pico");
    const path = world.path("pico.log");
    await officer.gets(0, `device init --device sim:pico --label p ${init} none --ceremony ${path}`);
    await officer.gets(0, "key generate --type ec:p256 --label k --device sim:pico --pin env:PIN");
    await officer.gets(0, `audit close ${path} --key k --device sim:pico --pin env:PIN`);
    expect(await officer.document(0, `audit verify ${path}`)).toMatchObject({
      record: { closing: { origin: "not-verifiable", root: null } },
    });
    const [first] = await entries(path);
    expect(first?.tokens).toMatchObject([
      { chr: "ESPICOHSMTR00001", deviceKey: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });

  test("close wants a record and a key, and leaves the record open when the PIN is wrong", async () => {
    await officer.gets(11, `audit close ${world.path("none.log")} --key signer --device sim:root --pin env:PIN`);
    await officer.gets(2, `audit close ${record} --device sim:root --pin env:PIN`);
    await officer.gets(4, `audit close ${record} --key signer --device sim:root --pin env:WRONG`);
    await officer.gets(0, `pin verify --device sim:root --pin env:PIN`);
    expect(await officer.document(0, `audit verify ${record}`)).toMatchObject({ record: { state: "open" } });
  });

  test("nothing secret was printed", () => {
    // `so-pin explain` is asked to.
    for (const secret of [secrets.pin, secrets.wrongPin]) expect(world.printed).not.toContain(secret);
  });
});
