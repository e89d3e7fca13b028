import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith, stackNeeds } from "../support/needs.ts";
import { makeStack, type Stack, type StepResult, type Token } from "./stack.ts";

/**
 * OpenSC's own tools drive simulated tokens through pcscd and vpcd, as they would a card: what ties the simulator to
 * the world (issue 2, "Done when", b and c). OpenSSL verifies what the tokens sign.
 */
const pin = ["--pin", "648219"];
const soPin = "3537363231383830";
const login = ["pkcs11-tool", "--login", ...pin];
const needs = [...stackNeeds, "opensc-tool", "sc-hsm-tool", "pkcs11-tool", "pkcs15-tool", "openssl"];

function succeeded(result: StepResult | undefined): string {
  expect(result, result?.stderr).toMatchObject({ exit: 0 });
  return result?.stdout ?? "";
}

describeWith(needs, "OpenSC's tools and simulated tokens", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await makeStack();
    writeFileSync(join(stack.folder, "data"), "The quick brown fox jumps over the lazy dog\n");
  });
  afterAll(() => stack.remove());

  /** Runs `openssl` in the folder of the session. */
  function openssl(...args: readonly string[]): string {
    return execFileSync("openssl", args, { cwd: stack.folder, encoding: "utf8" });
  }

  test.each([
    ["genuine", "Version              : 4.1", /^UTSIM[A-Z2-9]{6}$/m],
    ["pico", "Version              : 6.6", /^ESPICOHSMTR$/m],
  ] as const)("a %s token is initialised, makes keys and signs", async (profile, version, serial) => {
    const token: Token = { name: `whole-${profile}`, profile, seed: `opensc ${profile}` };
    const results = await stack.run(
      [token],
      [
        ["sc-hsm-tool"],
        ["sc-hsm-tool", "--initialize", "--so-pin", soPin, ...pin, "--dkek-shares", "0", "--label", "bench card"],
        ["sc-hsm-tool"],
        ["pkcs11-tool", "--list-slots"],
        [...login, "--keypairgen", "--key-type", "RSA:2048", "--id", "10", "--label", "rsa one"],
        [...login, "--keypairgen", "--key-type", "EC:prime256v1", "--id", "11", "--label", "ec one"],
        ["pkcs11-tool", "--read-object", "--type", "pubkey", "--id", "10", "-o", "rsa.der"],
        ["pkcs11-tool", "--read-object", "--type", "pubkey", "--id", "11", "-o", "ec.der"],
        [...login, "--sign", "-m", "SHA256-RSA-PKCS", "--id", "10", "-i", "data", "-o", "rsa.sig"],
        [
          ...login,
          "--sign",
          "-m",
          "ECDSA-SHA256",
          "--signature-format",
          "openssl",
          "--id",
          "11",
          "-i",
          "data",
          "-o",
          "ec.sig",
        ],
        ["pkcs15-tool", "--dump"],
        ["pkcs11-tool", "--generate-random", "32", "-o", "random"],
      ],
    );
    expect(succeeded(results[0])).toContain("SmartCard-HSM has never been initialized");
    succeeded(results[1]);
    const status = succeeded(results[2]);
    expect(status).toContain(version);
    expect(status).toMatch(/User PIN reset with SO-PIN enabled/);
    expect(status).toMatch(/SO-PIN tries left {4}: 15\nUser PIN tries left {2}: 3/);
    expect(succeeded(results[3])).toMatch(/token label {8}: bench card \(UserPIN\)/);
    expect(/serial num {9}: (.*)/.exec(results[3]?.stdout ?? "")?.[1]).toMatch(serial);
    for (const result of results.slice(4)) succeeded(result);
    const dump = results[10]?.stdout ?? "";
    for (const part of ["PIN [UserPIN]", "PIN [SOPIN]", "Private RSA Key [rsa one]", "Private EC Key [ec one]"]) {
      expect(dump).toContain(part);
    }
    expect(readFileSync(join(stack.folder, "random")).length).toBe(32);
    const verify = (key: string, signature: string) =>
      openssl("dgst", "-sha256", "-verify", key, "-keyform", "DER", "-signature", signature, "data").trim();
    expect(verify("rsa.der", "rsa.sig")).toBe("Verified OK");
    expect(verify("ec.der", "ec.sig")).toBe("Verified OK");
  });

  test.each(["genuine", "pico"] as const)("PINs of a %s token are changed, blocked and unblocked", async (profile) => {
    const listKeys = (code: string) => ["pkcs11-tool", "--login", "--pin", code, "-O", "--type", "privkey"];
    const results = await stack.run(
      [{ name: `pins-${profile}`, profile }],
      [
        ["sc-hsm-tool", "--initialize", "--so-pin", soPin, ...pin],
        [...login, "--change-pin", "--new-pin", "123456"],
        listKeys("648219"),
        listKeys("648219"),
        listKeys("648219"),
        ["sc-hsm-tool"],
        listKeys("123456"),
        ["pkcs11-tool", "--login", "--login-type", "so", "--so-pin", soPin, "--init-pin", "--new-pin", "654321"],
        ["sc-hsm-tool"],
        listKeys("654321"),
        [
          "pkcs11-tool",
          "--login",
          "--login-type",
          "so",
          "--so-pin",
          "0000000000000000",
          "--init-pin",
          "--new-pin",
          "111111",
        ],
        ["sc-hsm-tool"],
      ],
    );
    succeeded(results[0]);
    succeeded(results[1]);
    expect(results[2]?.stderr).toContain("CKR_PIN_INCORRECT");
    expect(results[3]?.stderr).toContain("CKR_PIN_INCORRECT");
    expect(results[5]?.stdout).toContain("User PIN locked");
    expect(results[6]?.stderr).toContain("CKR_PIN_LOCKED");
    succeeded(results[7]);
    expect(results[8]?.stdout).toContain("User PIN tries left  : 3");
    succeeded(results[9]);
    expect(results[10]?.exit).not.toBe(0);
    expect(results[11]?.stdout).toContain("SO-PIN tries left    : 14");
  });

  test("a genuine token is not initialised with a wrong SO-PIN, a pico is", async () => {
    for (const [profile, exit, tries] of [
      ["genuine", "failed with PIN code or key incorrect", "14"],
      ["pico", "", "15"],
    ] as const) {
      const [, second, status] = await stack.run(
        [{ name: `so-${profile}`, profile }],
        [
          ["sc-hsm-tool", "--initialize", "--so-pin", soPin, ...pin],
          ["sc-hsm-tool", "--initialize", "--so-pin", "0000000000000000", ...pin],
          ["sc-hsm-tool"],
        ],
      );
      expect(second?.stderr, profile).toContain(exit);
      expect(status?.stdout, profile).toContain(`SO-PIN tries left    : ${tries}`);
    }
  });

  test("a token waits for its DKEK shares, and makes no keys before", async () => {
    const results = await stack.run(
      [{ name: "shares", profile: "genuine" }],
      [
        ["sc-hsm-tool", "--initialize", "--so-pin", soPin, ...pin, "--dkek-shares", "2"],
        ["sc-hsm-tool"],
        [...login, "--keypairgen", "--key-type", "EC:prime256v1", "--id", "11", "--label", "x"],
      ],
    );
    succeeded(results[0]);
    expect(results[1]?.stdout).toMatch(/DKEK shares {10}: 2\nDKEK import pending, 2 share\(s\) still missing/);
    expect(results[2]?.exit).not.toBe(0);
  });

  test("two tokens in two readers are told apart by serial", async () => {
    const initialise = (reader: number) => [
      "sc-hsm-tool",
      "--reader",
      String(reader),
      "--initialize",
      "--so-pin",
      soPin,
      ...pin,
    ];
    const results = await stack.run(
      [
        { name: "left", profile: "genuine" },
        { name: "right", profile: "genuine" },
      ],
      [initialise(0), [...initialise(1), "--label", "right"], ["pkcs11-tool", "--list-slots"]],
    );
    const slots = succeeded(results[2]);
    const serials = [...slots.matchAll(/serial num {9}: (UTSIM[A-Z2-9]{6})/g)].map(([, serial]) => serial);
    expect(serials).toHaveLength(2);
    expect(new Set(serials).size).toBe(2);
    const written = ["left", "right"].map((name) => {
      const state = JSON.parse(readFileSync(join(stack.folder, `${name}.json`), "utf8")) as { device: { chr: string } };
      return state.device.chr.slice(0, -5);
    });
    expect(serials).toEqual(written);
  });
});
