import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { derToPlain } from "../../src/crypto/curves/ecdsa.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { defaultWorld } from "../../src/simulator/world.ts";
import { operation } from "../simulator/support/keys.ts";
import { challengeOf, mse } from "../simulator/support/pka.ts";
import { selectApplet, send, sendAll, verifyPin } from "../simulator/support/token.ts";
import { describeWith, stackNeeds } from "../support/needs.ts";
import { makeStack, type Stack, type StepResult } from "./stack.ts";

/** sc-hsm-tool sets up a login by public keys, and a key it registered opens the token (issue 6, item 3). */
const needs = [...stackNeeds, "opensc-tool", "sc-hsm-tool", "pkcs11-tool"];

/** Some twenty starts of OpenSC on a machine that may have other work, in milliseconds. */
const patience = 240_000;

function scHsm(reader: number, ...args: readonly string[]): string[] {
  return ["sc-hsm-tool", "--reader", String(reader), ...args];
}

/** A P-256 key on the token in this reader; each reader has a slot. */
function newKey(slot: number, id: string): string[] {
  const words = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", `key ${id}`];
  return ["pkcs11-tool", "--slot-index", String(slot), "--login", "--pin", "648219", ...words];
}

function succeeded(result: StepResult | undefined): void {
  expect(result, result?.stderr).toMatchObject({ exit: 0 });
}

const userPinStatus = "00200081";

describeWith(needs, "public key login as sc-hsm-tool sets it up", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await makeStack();
  });
  afterAll(() => stack.remove());

  test(
    "initialised, exported from the custodian, registered; the custodian's answer opens the token",
    async () => {
      const pins = ["--so-pin", "3537363231383830", "--pin", "648219"];
      const results = await stack.run(
        [
          { name: "target", profile: "genuine" },
          { name: "custodian", profile: "genuine" },
        ],
        [
          scHsm(0, "--initialize", ...pins, "--public-key-auth", "2"),
          scHsm(1, "--initialize", ...pins),
          scHsm(0, "--public-key-auth-status"),
          scHsm(1, "--public-key-auth-status"),
          newKey(1, "1"),
          scHsm(1, "--export-for-pub-key-auth", "one.pka", "--key-reference", "1"),
          scHsm(0, "--register-public-key", "one.pka"),
          scHsm(0, "--public-key-auth-status"),
          scHsm(0, "--register-public-key", "one.pka"),
          scHsm(0),
        ],
      );
      const [, , fresh, none, , , , registered, again, overview] = results;
      for (const result of [...results.slice(0, 3), ...results.slice(4, 8), overview]) succeeded(result);
      expect(fresh?.stdout).toBe(status({ total: 2, missing: 2 }));
      expect(registered?.stdout).toBe(status({ total: 2, missing: 1 }));
      expect(overview?.stdout).toContain("Public key authentication active.");
      expect(none).toMatchObject({ exit: 1, stderr: expect.stringContaining("Not allowed") });
      expect(again).toMatchObject({ exit: 1, stderr: expect.stringContaining("File already exists") });

      // OpenSC has no command to log in with: what it registered is used here.
      const target = await powerOn("target");
      const custodian = await powerOn("custodian");
      await send(custodian, verifyPin);
      const chr = target.state.publicKeys?.registered[0]?.chr ?? "";
      expect(await send(target, mse("A4", chr))).toBe("9000");
      const signed = toHex(utf8Bytes(target.state.device?.chr ?? "")) + (await challengeOf(target));
      const signature = await send(custodian, operation("68", "01", "73", signed));
      const answer = toHex(derToPlain(fromHex(signature.slice(0, -4)), 32));
      expect(await sendAll(target, userPinStatus, `0082000040${answer}`, userPinStatus)).toEqual([
        "6300",
        "9000",
        "9000",
      ]);
    },
    patience,
  );

  async function powerOn(name: string): Promise<SimulatedToken> {
    const state: unknown = JSON.parse(readFileSync(join(stack.folder, `${name}.json`), "utf8"));
    const token = SimulatedToken.restore(state, defaultWorld());
    token.powerOn();
    await send(token, selectApplet);
    return token;
  }
});

function status({ total, missing }: { readonly total: number; readonly missing: number }): string {
  return [
    `Number of public keys:     ${total}`,
    `Missing public keys:       ${missing}`,
    "Required pubkeys for auth: 1",
    "Authenticated public keys: 0",
    "",
  ].join("\n");
}
