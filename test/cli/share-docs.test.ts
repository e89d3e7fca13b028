import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { TestWorld } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

const path = fileURLToPath(new URL("../../docs/dkek-ceremony.md", import.meta.url));
const page = readFileSync(path, "utf8");
const world = new TestWorld();

/** Shares and tokens are random: each gets the name that the page gives it, by the order in which they appear. */
class Names {
  readonly #given = new Map<string, string>();
  readonly #free: string[];

  constructor(...free: string[]) {
    this.#free = free;
  }

  of(value: string): string {
    const name = this.#given.get(value) ?? this.#free.shift() ?? `a further ${value}`;
    this.#given.set(value, name);
    return name;
  }
}

const kcvs = new Names("630DCD2966C43366", "B1A75E0C94D83F26", "4E09D2C7715AF8B3");
const serials = new Names("UTSIMDEMO00", "UTSIMTEAM00");

function alike(text: string): string {
  return text
    .replace(/\b[0-9A-F]{16}\b/g, (kcv) => kcvs.of(kcv))
    .replace(/UTSIM[0-9A-Z]{6}\b/g, (serial) => serials.of(serial))
    .replaceAll(`${world.home}/`, "");
}

test("docs/dkek-ceremony.md shows the ceremony as it goes", async () => {
  for (const [name, value] of [
    ["alice.password", "correct horse battery"],
    ["so.pin", "3537363231383830"],
    ["user.pin", "648219"],
  ] as const) {
    writeFileSync(world.path(name), `${value}\n`, { mode: 0o600 });
  }
  const sessions = [...page.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block = ""]) =>
    block.split(/^\$ hsmadm /m).slice(1),
  );
  expect(sessions.length).toBeGreaterThan(9);
  for (const session of sessions) {
    const [line = "", ...output] = session.split("\n");
    const words = line.split(" ").map((word) => {
      const name = word.replace(/^file:/, "");
      const isPath = /^[a-z-]+(\/|\.(pbe|password|pin)$)/.test(name) || /^cards/.test(name);
      return isPath ? word.replace(name, world.path(name)) : word;
    });
    const { stdout, stderr, code } = await world.run(words);
    expect(alike(`${stdout}${stderr}${code === 0 ? "" : `[exit ${code}]\n`}`), line).toBe(output.join("\n"));
  }
});

test("docs/dkek-ceremony.md names every verb", () => {
  for (const { words } of commands.filter(({ words: [noun] }) => noun === "share" || noun === "domain")) {
    if (words[1] !== "inspect") expect(page).toContain(words.join(" "));
  }
});
