import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { doctorRungs } from "../../src/services/doctor/doctor.ts";
import { doctorFaults } from "../../src/services/doctor/doctor-faults.ts";
import type { DoctorDocument } from "../doctor/support/document.ts";
import { violations } from "./support/json-schema.ts";
import { Officer, secrets } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const world = new TestWorld();
const officer = new Officer(world);

beforeAll(() => officer.initialised("d"));

describe("hsmadm doctor on a simulated token", () => {
  test("climbs to the top, each rung once and in order", async () => {
    const { stdout } = await officer.gets(0, "doctor --device sim:d");
    const rungs = [...stdout.matchAll(/^ok {3}(\w+)/gm)].map(([, name]) => name);
    expect(rungs).toEqual([...doctorRungs]);
    expect(stdout).toContain("longest answer:");
    expect(stdout).toContain("everything holds");
    expect(stdout).toContain("SIMULATED");
  });

  test("spends no try and asks for no PIN", async () => {
    const before = await officer.tries("d");
    await officer.gets(0, "doctor --device sim:d --no-input");
    expect(await officer.tries("d")).toEqual(before);
  });

  test("can be recorded, and the recording is climbed as the token was", async () => {
    const trace = world.path("d.apdu");
    await officer.gets(0, `doctor --device sim:d --trace ${trace}`);
    await officer.gets(0, `doctor --device trace:${trace}`);
    const written = readFileSync(trace, "utf8");
    for (const secret of Object.values(secrets)) expect(written).not.toContain(secret);
    // What was there is not overwritten, and no ladder is climbed for that.
    const { stdout } = await officer.gets(8, `doctor --device sim:d --trace ${trace}`);
    expect(stdout).toBe("");
  });

  test("a recording that ends early fails on the rung it ends at, with the exit code of the fault", async () => {
    const trace = world.path("cut.apdu");
    await officer.gets(0, `doctor --device sim:d --trace ${trace}`);
    const { writeFileSync } = await import("node:fs");
    const lines = readFileSync(trace, "utf8").split("\n");
    const second = lines.findIndex(
      (line, i) => line.startsWith(">") && lines.slice(0, i).some((l) => l.startsWith(">")),
    );
    writeFileSync(trace, `${lines.slice(0, second).join("\n")}\n`);
    const document = (await officer.document(9, `doctor --device trace:${trace}`)) as unknown as DoctorDocument;
    expect(document).toMatchObject({
      ok: false,
      firstFailing: "extended",
      error: { kind: "check-failed", exitCode: 9 },
    });
    const schema = JSON.parse(readFileSync(`${docs}schema/doctor.json`, "utf8")) as Record<string, unknown>;
    expect(violations(schema, document)).toEqual([]);
  });

  test("--device none is the command line's fault", async () => {
    await officer.gets(2, "doctor --device none");
  });
});

describe("docs/doctor.md", () => {
  const page = existsSync(`${docs}doctor.md`) ? readFileSync(`${docs}doctor.md`, "utf8") : "";

  test("has every rung and every fault, and no other", () => {
    const rows = [...page.matchAll(/^\| `([a-z]+)` /gm)].map(([, name]) => name);
    expect(rows).toEqual([...doctorRungs]);
    const faults = [...page.matchAll(/^\| `([A-Z_]+)` +\| (.+?) +\|$/gm)].map(([, name, problem]) => [name, problem]);
    expect(faults).toEqual(Object.entries(doctorFaults).map(([name, { problem }]) => [name, problem]));
  });

  test("shows a ladder as the command prints it", async () => {
    const shown = /```\n(hsmadm [\s\S]*?)```/.exec(page)?.[1] ?? "";
    await officer.gets(0, "device init --device sim:doc --label doc --so-pin env:SO --pin env:PIN --dkek-shares none", {
      env: { HSMADM_SIMULATOR_SEED: "doctor" },
    });
    const { stdout } = await officer.gets(0, "doctor --device sim:doc");
    const told = stdout
      .replace(/^hsmadm \S+/, "hsmadm VERSION")
      .replace(/version: [\d.]+; platform: .+/, "version: 20.20.2; platform: linux x64");
    expect(shown).toBe(told);
  });
});
