import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { describeWith, stackNeeds, withPcscd } from "../support/needs.ts";
import { bin, describeBuilt, Running } from "./support/built.ts";
import { secretEnv, secrets } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";
import { phrases } from "./support/vault-officer.ts";

/** Vaults with a card and a FIDO2 device in two real readers: pcscd and vpcd, the built command, nothing else. */

const story = fileURLToPath(new URL("support/vault-story.sh", import.meta.url));
const kept = { code: 0, out: "kept in it" };

interface Step {
  readonly code: number;
  readonly out: string;
}

describeBuilt("vaults through pcscd and vpcd readers", () => {
  describeWith(stackNeeds, "a card and a FIDO2 device", () => {
    const steps = new Map<string, Step>();
    const step = (name: string): Step => steps.get(name) ?? { code: -1, out: `no step ${name}` };
    let told = "";

    beforeAll(async () => {
      const world = new TestWorld();
      const env = {
        ...process.env,
        ...secretEnv,
        PHRASE: phrases.passphrase,
        HSMADM_HOME: world.home,
        NODE: process.execPath,
        BIN: bin,
      };
      const ended = await new Running(withPcscd, ["bash", story], { env }).ended;
      told = ended.stdout + ended.stderr;
      for (const match of ended.stdout.matchAll(/^=== (.+)\n([\s\S]*?)\n?--- (\d+)$/gm)) {
        steps.set(match[1] ?? "", { out: match[2] ?? "", code: Number(match[3]) });
      }
    }, 180_000);

    test("both are there, each in its reader", () => {
      expect(step("init"), told).toMatchObject({ code: 0 });
      expect(step("key")).toMatchObject({ code: 0 });
      const { authenticators } = JSON.parse(step("fido").out) as { authenticators: { device: string }[] };
      expect(authenticators).toContainEqual(
        expect.objectContaining({ device: "pcsc:Virtual PCD 00 01", problem: null }),
      );
    });

    test("--device auto enrols both, and each of them opens", () => {
      expect(step("create any"), step("create any").out).toMatchObject({ code: 0 });
      expect(step("set any"), step("set any").out).toMatchObject({ code: 0 });
      for (const opener of ["card", "fido", "auto"]) expect(step(`any by ${opener}`), opener).toEqual(kept);
      expect(step("any by nobody")).toMatchObject({ code: 3, out: expect.stringContaining("no device was contacted") });
      const { probe } = JSON.parse(step("probe").out) as { probe: { opens: number[] } };
      expect(probe.opens).toEqual([1, 2]);
    });

    test("card and FIDO2 together: neither alone", () => {
      expect(step("create both"), step("create both").out).toMatchObject({ code: 0 });
      expect(step("both by auto"), step("set both").out).toEqual(kept);
      for (const opener of ["card", "fido"]) expect(step(`both by ${opener}`), opener).toEqual({ code: 3, out: "" });
    });

    test("two of card, FIDO2 and passphrase: every two, never one", () => {
      expect(step("create two-of-three"), step("create two-of-three").out).toMatchObject({ code: 0 });
      for (const pair of ["auto", "card-phrase", "fido-phrase"]) expect(step(`two-of-three by ${pair}`)).toEqual(kept);
      for (const one of ["phrase", "fido"]) expect(step(`two-of-three by ${one}`)).toEqual({ code: 3, out: "" });
    });

    test("a recording shows what was done, and does not open the vault again", () => {
      expect(step("trace")).toEqual(kept);
      expect(step("replay").out).toMatch(/trace card\.apdu, line \d+/);
      expect(step("replay")).toMatchObject({ code: 9 });
    });

    test("the card pulled out: what is left opens what it can, and what is missing is said", () => {
      expect(step("any by auto, no card")).toEqual(kept);
      expect(step("both by auto, no card")).toEqual({ code: 3, out: "" });
      expect(step("both says").out).toMatch(/card UTSIM\w+/);
      expect(step("any, nothing there")).toMatchObject({ code: 3 });
    });

    test("nothing secret was printed", () => {
      for (const secret of [...Object.values(secrets), ...Object.values(phrases)]) expect(told).not.toContain(secret);
    });
  });
});
