import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bin, describeBuilt } from "../cli/support/built.ts";
import { describeWith, missing, stackNeeds } from "../support/needs.ts";
import { makeStack, type Stack, type StepResult, type Token } from "./stack.ts";

/**
 * DKEK shares go between sc-hsm-tool and hsmadm both ways, with one password and with a split one, into tokens behind a
 * real pcscd (issue 4, item 1).
 */
const needs = [...stackNeeds, "opensc-tool", "sc-hsm-tool"];
const suite =
  missing(...needs) === null ? describeBuilt : (name: string, body: () => void) => describeWith(needs, name, body);

/** Two derivations of sc-hsm-tool, of 20 s of CPU time each, on a machine that may have other work, in milliseconds. */
const patience = 480_000;
const password = "correct-horse-74kX91qz";

function scHsm(reader: number, ...args: readonly string[]): string[] {
  return ["sc-hsm-tool", "--reader", String(reader), ...args];
}

function initialise(reader: number, label: string): string[] {
  const pins = ["--so-pin", "3537363231383830", "--pin", "648219"];
  return scHsm(reader, "--initialize", ...pins, "--dkek-shares", "2", "--label", label);
}

function succeeded(result: StepResult | undefined): string {
  expect(result, result?.stderr).toMatchObject({ exit: 0 });
  return result?.stdout ?? "";
}

function kcvIn(status: string): string {
  return /DKEK key check value : ([0-9A-F]{16})/.exec(status)?.[1] ?? "no KCV";
}

suite("DKEK shares of sc-hsm-tool and of hsmadm", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await makeStack();
  });
  afterAll(() => stack.remove());

  function hsmadm(...words: readonly string[]): string[] {
    return ["env", `HSMADM_HOME=${stack.folder}`, `PW=${password}`, process.execPath, bin, ...words];
  }

  function token(name: string): Token {
    return { name, profile: "genuine" };
  }

  test(
    "one password: each opens the other's file, and both tokens have one DKEK",
    async () => {
      const results = await stack.run(
        [token("left"), token("right")],
        [
          initialise(0, "left"),
          initialise(1, "right"),
          scHsm(0, "--create-dkek-share", "theirs.pbe", "--password", password),
          hsmadm("share", "create", "ours.pbe", "--password", "env:PW"),
          hsmadm("share", "import", "theirs.pbe", "--password", "env:PW", "--device", "left", "--json"),
          scHsm(0, "--import-dkek-share", "ours.pbe", "--password", password),
          hsmadm("share", "import", "ours.pbe", "theirs.pbe", "--password", "env:PW", "--device", "right", "--json"),
          scHsm(0),
          scHsm(1),
        ],
      );
      for (const result of results) succeeded(result);
      expect(JSON.parse(results[4]?.stdout ?? "")).toMatchObject({ state: { state: "pending", outstanding: 1 } });
      const { state } = JSON.parse(results[6]?.stdout ?? "") as { state: { kcv: string } };
      expect(state.kcv).toMatch(/^[0-9A-F]{16}$/);
      expect(kcvIn(succeeded(results[7]))).toBe(state.kcv);
      expect(kcvIn(succeeded(results[8]))).toBe(state.kcv);
    },
    patience,
  );

  test(
    "a split password: the cards of each open the other's file, part numbers above 9 included",
    async () => {
      const tokens = [token("split")];
      const create = "--pwd-shares-threshold 2 --pwd-shares-total 3 --create-dkek-share split-theirs.pbe";
      const made = await stack.run(tokens, [
        initialise(0, "split"),
        ["sh", "-c", `yes '' | head -20 | sc-hsm-tool --reader 0 ${create} >theirs.parts`],
        hsmadm("share", "create", "split-ours.pbe", "--split", "2-of-11", "--cards", "cards"),
      ]);
      for (const result of made) succeeded(result);
      chmodSync(join(stack.folder, "theirs.parts"), 0o600);

      const cards = [10, 11].map((id) =>
        readFileSync(join(stack.folder, "cards", `split-ours.pbe.part-${id}-of-11.txt`), "utf8"),
      );
      const field = (card: string, name: RegExp) => name.exec(card)?.[1] ?? "";
      const typed = cards.map((card) => [field(card, /type (\w\w) there/), field(card, /^Share value : (\S+)/m)]);
      expect(typed.map(([id]) => id)).toEqual(["0a", "0b"]);
      const prime = field(cards[0] ?? "", /^Prime +: (\S+)/m);
      writeFileSync(
        join(stack.folder, "typed"),
        [prime, "", ...(typed[0] ?? []), "", ...(typed[1] ?? []), ""].join("\n"),
      );

      const results = await stack.run(tokens, [
        hsmadm("share", "import", "split-theirs.pbe", "--share-parts", "file:theirs.parts", "--device", "split"),
        ["sh", "-c", "sc-hsm-tool --reader 0 --import-dkek-share split-ours.pbe --pwd-shares-total 2 <typed"],
        scHsm(0),
        hsmadm("domain", "list", "--device", "split", "--json"),
      ]);
      for (const result of results) succeeded(result);
      expect(results[1]?.stdout).toContain("DKEK share imported");
      const { domains } = JSON.parse(results[3]?.stdout ?? "") as { domains: { kcv: string }[] };
      expect(kcvIn(succeeded(results[2]))).toBe(domains[0]?.kcv);
    },
    patience,
  );
});
