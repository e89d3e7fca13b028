import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bin, describeBuilt } from "../cli/support/built.ts";
import { describeWith, missing, stackNeeds } from "../support/needs.ts";
import { makeStack, type Stack, type StepResult } from "./stack.ts";

/**
 * Custodians' keys go between sc-hsm-tool and hsmadm both ways, through a real pcscd, and hsmadm logs in with them, which
 * OpenSC cannot (issue 6, item 3).
 */
const needs = [...stackNeeds, "opensc-tool", "sc-hsm-tool", "pkcs11-tool"];
const suite =
  missing(...needs) === null ? describeBuilt : (name: string, body: () => void) => describeWith(needs, name, body);

/** Some twenty starts of OpenSC on a machine that may have other work, in milliseconds. */
const patience = 240_000;
const pins = ["--so-pin", "3537363231383830", "--pin", "648219"];

function scHsm(reader: number, ...args: readonly string[]): string[] {
  return ["sc-hsm-tool", "--reader", String(reader), ...args];
}

function newKey(id: string): string[] {
  const words = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", `key ${id}`];
  return ["pkcs11-tool", "--slot-index", "1", "--login", "--pin", "648219", ...words];
}

function succeeded(result: StepResult | undefined): string {
  expect(result, `${result?.stdout}${result?.stderr}`).toMatchObject({ exit: 0 });
  return result?.stdout ?? "";
}

suite("custodians' keys of sc-hsm-tool and of hsmadm", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await makeStack();
    writeFileSync(join(stack.folder, "message"), "to be signed");
  });
  afterAll(() => stack.remove());

  function hsmadm(reader: number, ...words: readonly string[]): string[] {
    const env = [`HSMADM_HOME=${stack.folder}`, "PIN=648219", "SO=3537363231383830"];
    const [noun = "", verb = "", ...rest] = words;
    const device = ["--device", `Virtual PCD 00 0${reader}`, "--json"];
    return ["env", ...env, process.execPath, bin, noun, verb, ...device, ...rest];
  }

  const readers = ["target", "custodians"].map((name) => ({ name, profile: "genuine" as const }));
  const twice = ["--custodian", "Virtual PCD 00 01", "--custodian", "Virtual PCD 00 01", "--custodian-pin", "env:PIN"];

  test(
    "set up by sc-hsm-tool: each registers the other's file; hsmadm logs in and works",
    async () => {
      const results = await stack.run(readers, [
        scHsm(0, "--initialize", ...pins, "--public-key-auth", "2", "--required-pub-keys", "2"),
        scHsm(1, "--initialize", ...pins),
        newKey("1"),
        // OpenSC gives all keys of a token one name.
        hsmadm(
          1,
          "key",
          "generate",
          "--type",
          "ec:brainpoolP256r1",
          "--label",
          "login",
          "--key-ref",
          "2",
          "--pin",
          "env:PIN",
        ),
        scHsm(1, "--export-for-pub-key-auth", "theirs.pka", "--key-reference", "1"),
        hsmadm(1, "pka", "export", "ref:2", "--out", "ours.pka"),
        hsmadm(0, "pka", "register", "theirs.pka"),
        scHsm(0, "--register-public-key", "ours.pka"),
        scHsm(0, "--public-key-auth-status"),
        hsmadm(0, "pka", "status"),
        hsmadm(0, "pka", "run", ...twice, "--", "key", "generate", "--type", "ec:p256", "--label", "work"),
        hsmadm(0, "pka", "run", ...twice, "--", "key", "sign", "work", "--in", "message", "--out", "signature"),
        hsmadm(0, "key", "verify", "work", "--in", "message", "--signature", "signature"),
        hsmadm(1, "device", "verify"),
      ]);
      for (const result of results) succeeded(result);
      expect(results[8]?.stdout).toContain("Missing public keys:       0");
      expect(JSON.parse(results[9]?.stdout ?? "")).toMatchObject({ status: { total: 2, missing: 0, required: 2 } });
      expect(JSON.parse(results[11]?.stdout ?? "")).toMatchObject({ login: { oneTooFew: { status: "refused" } } });
      expect(JSON.parse(results[13]?.stdout ?? "")).toMatchObject({
        trust: "simulated",
        possession: { status: "proved" },
      });
    },
    patience,
  );

  test(
    "set up by hsmadm: sc-hsm-tool reads it and registers there",
    async () => {
      const other = ["target-2", "custodians-2"].map((name) => ({ name, profile: "genuine" as const }));
      const init = ["--so-pin", "env:SO", "--pin", "env:PIN", "--dkek-shares", "none", "--pka", "1-of-3"];
      const results = await stack.run(other, [
        hsmadm(0, "device", "init", ...init),
        scHsm(1, "--initialize", ...pins),
        newKey("1"),
        scHsm(0, "--public-key-auth-status"),
        hsmadm(1, "pka", "export", "ref:1", "--out", "one.pka"),
        scHsm(0, "--register-public-key", "one.pka"),
        hsmadm(0, "pka", "login", "--custodian", "Virtual PCD 00 01", "--custodian-pin", "env:PIN"),
      ]);
      for (const result of results) succeeded(result);
      expect(results[3]?.stdout).toContain("Number of public keys:     3");
      expect(results[3]?.stdout).toContain("Required pubkeys for auth: 1");
      expect(results[5]?.stdout).toContain("Missing public keys:       2");
    },
    patience,
  );
});
