import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Officer, secrets } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

describe("--trace FILE", () => {
  test("a session with every kind of PIN, and none of them in the file", async () => {
    const lines = [
      "device init --label traced --so-pin env:SO --pin env:PIN --dkek-shares none",
      "pin verify --pin env:WRONG",
      "pin verify --pin env:PIN",
      "pin change --pin env:PIN --new-pin env:NEW",
      "pin unblock --so-pin env:WRONGSO --new-pin env:PIN",
      "pin unblock --so-pin env:SO --new-pin env:PIN",
      "so-pin change --so-pin env:SO --new-so-pin env:NEWSO",
      "device label renamed --pin env:PIN",
    ];
    for (const [i, line] of lines.entries()) {
      const file = world.path(`${i}.apdu`);
      await officer.does(`${line} --device sim:traced --trace ${file}`);
      const text = readFileSync(file, "utf8");
      expect(text, line).toContain("**");
      const compact = text.replace(/\s+/g, "").toLowerCase();
      for (const secret of Object.values(secrets)) {
        expect(text).not.toContain(secret);
        expect(compact).not.toContain(Buffer.from(secret).toString("hex"));
        if (/^[0-9a-f]{16}$/.test(secret)) expect(compact).not.toContain(secret);
      }
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }
  });

  test("a recorded session replays through the same command with the same words", async () => {
    const file = world.path("status.apdu");
    const live = await officer.gets(0, `device status --device sim:traced --trace ${file}`);
    const replayed = await officer.gets(0, `device status --device trace:${file}`);
    const withoutPlace = (text: string) => text.replace(/^Where.*\n/m, "");
    expect(withoutPlace(replayed.stdout)).toBe(withoutPlace(live.stdout));
    expect(replayed.stdout).toContain("SIMULATED");
  });

  test("device init and pin change replay too, given any secrets of the same length", async () => {
    const init = "device init --label again --so-pin env:SO --pin env:PIN --dkek-shares 2";
    const first = world.path("init.apdu");
    const live = await officer.gets(0, `${init} --device sim:fresh --trace ${first}`);
    expect((await officer.gets(0, `${init} --device trace:${first}`)).stdout).toBe(live.stdout);
    const second = world.path("change.apdu");
    const change = "pin change --pin env:PIN --new-pin env:NEW";
    await officer.gets(0, `${change} --device sim:fresh --trace ${second}`);
    await officer.gets(0, `pin change --pin env:WRONG --new-pin env:WRONG2 --device trace:${second}`);
    expect(
      existsSync(world.path("ledger.json")) && readFileSync(world.path("ledger.json"), "utf8").includes("fresh"),
    ).toBe(false);
  });

  test("a failing command is recorded too, and fails again in replay", async () => {
    const file = world.path("wrong.apdu");
    await officer.gets(4, `pin verify --device sim:traced --pin env:WRONG --trace ${file}`);
    const { stderr } = await officer.gets(4, `pin verify --device trace:${file} --pin env:WRONG2`);
    expect(stderr).toContain("(2 tries left)");
  });

  test("an existing file is a conflict before the card is touched; --yes replaces it", async () => {
    const file = world.path("there.apdu");
    writeFileSync(file, "mine");
    const before = await officer.tries("traced");
    await officer.gets(8, `pin verify --device sim:traced --pin env:WRONG --no-ledger --trace ${file}`);
    expect(readFileSync(file, "utf8")).toBe("mine");
    expect(await officer.tries("traced")).toEqual(before);
    await officer.gets(0, `device status --device sim:traced --trace ${file} --yes`);
    expect(readFileSync(file, "utf8")).toContain("# hsmadm trace 1");
  });

  test("no token, no trace", async () => {
    const file = world.path("never.apdu");
    await officer.gets(2, `device status --device none --trace ${file}`);
    expect(existsSync(file)).toBe(false);
  });
});

describe("--device trace:FILE", () => {
  test("another command line than the recorded one, a cut one, one not used up: exit 9 with a sentence", async () => {
    const file = world.path("status.apdu");
    const unblock = `pin unblock --so-pin env:SO --new-pin env:PIN --device trace:${file}`;
    const other = await officer.gets(9, unblock);
    expect(other.stderr).toContain("other command");
    const text = readFileSync(file, "utf8");
    const cut = world.path("cut.apdu");
    writeFileSync(cut, text.slice(0, text.lastIndexOf("> 80 52")));
    await officer.gets(9, `device status --device trace:${cut}`);
    const longer = world.path("longer.apdu");
    writeFileSync(longer, text.replace("! close", "> 00 84 00 00 08\n< 90 00\n! close"));
    const { stderr, stdout } = await officer.gets(9, `device status --device trace:${longer} --json`);
    expect(stderr).toContain("hsmadm: error:");
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: "TRACE_NOT_USED_UP" } });
  });

  test("a mismatch does not show the PIN that was to be sent", async () => {
    const file = world.path("status.apdu");
    const { stderr, stdout } = await officer.gets(9, `pin verify --device trace:${file} --pin env:PIN --json`);
    for (const text of [stderr, stdout]) {
      expect(text).not.toContain(secrets.pin);
      expect(text.replace(/\s/g, "").toLowerCase()).not.toContain(Buffer.from(secrets.pin).toString("hex"));
    }
  });

  test("what is no trace is refused: binary, empty, missing", async () => {
    const file = world.path("garbage.apdu");
    for (const content of ["", "\0\xff\u0001", "hello\n", "# hsmadm trace 99\n", "{", "[]"]) {
      writeFileSync(file, content);
      await officer.gets(2, `device status --device trace:${file}`);
    }
    await officer.gets(2, `device status --device trace:${world.path("missing.apdu")}`);
  });
});
