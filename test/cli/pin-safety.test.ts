import { readFileSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Officer, secrets } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

describe("no try is ever burnt by us", () => {
  test("the floor: an attempt that could leave fewer than one user PIN try is not made", async () => {
    await officer.initialised("floor");
    await officer.gets(4, "pin verify --device sim:floor --pin env:WRONG");
    await officer.gets(4, "pin verify --device sim:floor --pin env:WRONG2");
    expect(await officer.tries("floor")).toEqual({ user: 1, so: 15 });
    for (const argv of [
      "pin verify --device sim:floor --pin env:PIN",
      "pin verify --device sim:floor --pin env:PIN --yes",
      "pin change --device sim:floor --pin env:PIN --new-pin env:NEW",
      "device label x --device sim:floor --pin env:PIN",
    ]) {
      const { stderr } = await officer.gets(5, argv);
      expect(stderr).toContain("NOT sent");
      expect(await officer.tries("floor")).toEqual({ user: 1, so: 15 });
    }
    await officer.gets(0, "pin verify --device sim:floor --pin env:PIN --min-tries 0");
    expect(await officer.tries("floor")).toEqual({ user: 3, so: 15 });
  });

  test("the SO-PIN floor keeps three tries unless --min-so-tries names fewer", async () => {
    await officer.initialised("so");
    for (let left = 15; left > 3; left--) {
      const wrong = { env: { WRONGSO: `00000000000000${left.toString(16).padStart(2, "0")}` } };
      await officer.gets(
        left > 3 ? 4 : 5,
        "so-pin change --device sim:so --so-pin env:WRONGSO --new-so-pin env:NEWSO",
        wrong,
      );
    }
    expect(await officer.tries("so")).toEqual({ user: 3, so: 3 });
    for (const argv of [
      "so-pin change --device sim:so --so-pin env:SO --new-so-pin env:NEWSO",
      "pin unblock --device sim:so --so-pin env:SO --new-pin env:NEW",
      "device init --device sim:so --so-pin env:SO --pin env:PIN --yes",
    ]) {
      const { stderr } = await officer.gets(5, argv);
      expect(stderr).toContain("NOT sent");
    }
    expect(await officer.tries("so")).toEqual({ user: 3, so: 3 });
    await officer.gets(0, "so-pin change --device sim:so --so-pin env:SO --new-so-pin env:NEWSO --min-so-tries 2");
    expect(await officer.tries("so")).toEqual({ user: 3, so: 15 });
  });

  test("the ledger: the same wrong PIN is not sent twice, by any command, until something changes", async () => {
    await officer.initialised("ledger", "--retries 5");
    await officer.gets(4, "pin verify --device sim:ledger --pin env:WRONG");
    for (const argv of [
      "pin verify --device sim:ledger --pin env:WRONG",
      "pin change --device sim:ledger --pin env:WRONG --new-pin env:NEW",
      "device label x --device sim:ledger --pin env:WRONG",
    ]) {
      const { error } = (await officer.document(5, argv)) as { error: { code: string; message: string } };
      expect(error.code).toBe("PIN_REFUSED_BEFORE");
      expect(error.message).toContain("NOT sent");
    }
    expect(await officer.tries("ledger")).toEqual({ user: 4, so: 15 });
    await officer.gets(4, "pin verify --device sim:ledger --pin env:WRONG --no-ledger");
    expect(await officer.tries("ledger")).toEqual({ user: 3, so: 15 });
    await officer.gets(0, "pin verify --device sim:ledger --pin env:PIN");
    // After a success the entry is gone: it would be sent again, as the token may have got this PIN meanwhile.
    await officer.gets(4, "pin verify --device sim:ledger --pin env:WRONG");
  });

  test("the ledger is a file of mode 0600 without the PIN in it", async () => {
    const file = world.path("ledger.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).not.toContain(secrets.wrongPin);
  });

  test("a wrong PIN says how many tries are left, in words and in JSON", async () => {
    await officer.initialised("count", "--retries 5");
    const { stderr, stdout } = await officer.gets(4, "pin verify --device sim:count --pin env:WRONG");
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^hsmadm: error: wrong user PIN on UTSIM\w{6} \(4 tries left\)\nhsmadm: hint: /);
    const document = await officer.document(4, "pin verify --device sim:count --pin env:WRONG2");
    expect(document).toMatchObject({
      schemaVersion: 1,
      ok: false,
      command: "pin verify",
      error: { kind: "authentication", exitCode: 4, triesLeft: 3, which: "user-pin" },
    });
  });

  test("malformed PINs are refused on the host, before the token is even opened", async () => {
    for (const [argv, env] of [
      ["pin change --device sim:untouched --pin env:PIN --new-pin env:NEW", { NEW: "12345" }],
      ["pin change --device sim:untouched --pin env:PIN --new-pin env:NEW", { NEW: "1234567890123456" }],
      ["pin verify --device sim:untouched --pin env:PIN", { PIN: "" }],
      ["pin unblock --device sim:untouched --so-pin env:SO", { SO: "57621880" }],
      ["device init --device sim:untouched --so-pin env:SO --pin env:PIN", { SO: "5ec2e7a1b2c3d4" }],
    ] as const) {
      const { stderr } = await officer.gets(2, argv, { env });
      expect(stderr).toMatch(/^hsmadm: error: /);
    }
    expect((await officer.gets(0, "simulator list")).stdout).not.toContain("untouched");
  });

  test("--dry-run sends nothing that could cost a try or change anything", async () => {
    await officer.initialised("dry");
    for (const argv of [
      "pin verify --device sim:dry --pin env:WRONG",
      "pin change --device sim:dry --pin env:WRONG --new-pin env:NEW",
      "pin unblock --device sim:dry --so-pin env:WRONGSO --new-pin env:NEW",
      "so-pin change --device sim:dry --so-pin env:WRONGSO --new-so-pin env:NEWSO",
      "device label other --device sim:dry --pin env:WRONG",
      "device init --device sim:dry --so-pin env:WRONGSO --pin env:NEW",
      "simulator reset --device sim:dry",
      "simulator remove --device sim:dry",
    ]) {
      expect(await officer.document(0, `${argv} --dry-run`), argv).toMatchObject({ ok: true, dryRun: true });
    }
    expect(await officer.tries("dry")).toEqual({ user: 3, so: 15 });
    expect((await officer.gets(0, "device status --device sim:dry")).stdout).toContain('"dry"');
  });
});

describe("what an officer does with PINs", () => {
  test("change, block, unblock, SO-PIN change", async () => {
    await officer.initialised("work");
    await officer.gets(0, "pin change --device sim:work --pin env:PIN --new-pin env:NEW");
    await officer.gets(0, "pin verify --device sim:work --pin env:NEW");
    for (const pin of ["WRONG", "WRONG2"]) await officer.gets(4, `pin verify --device sim:work --pin env:${pin}`);
    await officer.gets(6, "pin verify --device sim:work --pin env:PIN --min-tries 0");
    expect((await officer.gets(0, "device status --device sim:work")).stdout).toMatch(/State +user PIN blocked/);
    await officer.gets(6, "pin verify --device sim:work --pin env:NEW");
    await officer.gets(4, "pin unblock --device sim:work --so-pin env:WRONGSO --new-pin env:PIN");
    const unblocked = await officer.document(0, "pin unblock --device sim:work --so-pin env:SO --new-pin env:PIN");
    expect(unblocked).toMatchObject({ unblocked: true, newPin: true, userPin: { state: "ready", triesLeft: 3 } });
    await officer.gets(0, "so-pin change --device sim:work --so-pin env:SO --new-so-pin env:NEWSO");
    expect(await officer.tries("work")).toEqual({ user: 3, so: 15 });
  });

  test("a transport PIN ends with the first change", async () => {
    await officer.gets(
      0,
      "device init --device sim:post --so-pin env:SO --pin env:PIN --transport-pin --dkek-shares none",
    );
    expect((await officer.gets(0, "device status --device sim:post")).stdout).toContain("transport PIN");
    expect((await officer.does("pin verify --device sim:post --pin env:PIN")).code).not.toBe(0);
    const changed = await officer.document(0, "pin change --device sim:post --pin env:PIN --new-pin env:NEW");
    expect(changed).toMatchObject({ changed: true, transportPinEnded: true });
    await officer.gets(0, "pin verify --device sim:post --pin env:NEW");
  });

  test("the prompt names token, PIN, tries and stake; new values are asked for twice", async () => {
    await officer.initialised("asked");
    const person = new TypingPerson(secrets.pin, secrets.newPin, secrets.newPin);
    await officer.gets(0, "pin change --device sim:asked", { person });
    expect(person.prompts[0]).toMatch(
      /^asked, UTSIM\w{6}, SIMULATED: user PIN \(3 tries left, a wrong one costs one\): $/,
    );
    expect(person.prompts).toHaveLength(3);
    expect(person.prompts[1]).toContain("new user PIN");
  });

  test("a changed mind at the second prompt sends nothing", async () => {
    await officer.initialised("mind");
    const differing = [secrets.newPin, secrets.pin];
    const person = new TypingPerson(secrets.wrongPin, ...differing, ...differing, ...differing);
    await officer.gets(2, "pin change --device sim:mind", { person });
    expect(person.left).toBe(0);
    await officer.gets(10, "pin change --device sim:mind", { person: new TypingPerson(secrets.wrongPin, "") });
    expect(await officer.tries("mind")).toEqual({ user: 3, so: 15 });
  });

  test("a slip at a new PIN is asked again, and spends no try", async () => {
    await officer.initialised("slip");
    const person = new TypingPerson(secrets.pin, "short", secrets.newPin, secrets.pin, secrets.newPin, secrets.newPin);
    const { stderr } = await officer.gets(0, "pin change --device sim:slip", { person });
    expect(stderr).toMatch(/must be 6 to 15 characters, this one has 5; once more:\n/);
    expect(stderr).toMatch(/was not the same the second time.*; once more:\n/);
    await officer.gets(0, "pin verify --device sim:slip --pin env:NEW");
  });

  test("unblock asks for the new PIN that this token wants", async () => {
    await officer.initialised("unasked");
    const person = new TypingPerson(secrets.soPin, secrets.newPin, secrets.newPin);
    await officer.gets(0, "pin unblock --device sim:unasked", { person });
    expect(person.prompts).toHaveLength(3);
    await officer.gets(0, "pin verify --device sim:unasked --pin env:NEW");
  });

  test("without a terminal or with --no-input nobody is asked", async () => {
    await officer.initialised("alone");
    const { stderr } = await officer.gets(2, "pin verify --device sim:alone");
    expect(stderr).toContain("--pin SOURCE");
    const person = new TypingPerson(secrets.pin);
    await officer.gets(2, "pin verify --device sim:alone --no-input", { person });
    await officer.gets(2, "pin verify --device sim:alone --pin prompt --no-input", { person });
    expect(person.prompts).toEqual([]);
  });
});

test("none of the planted secrets was ever printed", () => {
  expect(world.printed.length).toBeGreaterThan(1000);
  for (const secret of Object.values(secrets)) {
    expect(world.printed).not.toContain(secret);
    expect(world.printed.toLowerCase()).not.toContain(Buffer.from(secret).toString("hex"));
    expect(world.printed).not.toContain(Buffer.from(secret).toString("base64"));
  }
});
