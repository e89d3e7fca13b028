import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

/** The rooms of src/ and which others each may import. `src/errors.ts` is open to all. An architecture document that cannot rot. */
const mayImport: Record<string, readonly string[]> = {
  bytes: [],
  apdu: ["bytes"],
  crypto: ["bytes"],
  transport: ["bytes", "apdu"],
  simulator: ["bytes", "apdu", "crypto"],
  cards: ["bytes", "apdu", "crypto"],
  services: ["bytes", "crypto", "cards"],
  cli: ["bytes", "apdu", "crypto", "transport", "simulator", "cards", "services"],
};

const src = resolve(import.meta.dirname, "../../src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const importPattern = /\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g;

function imports(file: string): string[] {
  return [...readFileSync(join(src, file), "utf8").matchAll(importPattern)].map((match) => match[1] as string);
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
}

/** The room a relative import leads to, or `null` for the open files at the top. */
function roomOf(file: string, target: string): string | null {
  const path = relative(src, resolve(src, dirname(file), target));
  return path.includes("/") ? (path.split("/")[0] as string) : null;
}

describe("rooms and arrows", () => {
  test("every folder of src is a room with known arrows", () => {
    const rooms = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(rooms.map((entry) => entry.name).sort()).toEqual(Object.keys(mayImport).sort());
  });

  for (const [room, allowed] of Object.entries(mayImport)) {
    test(`${room} imports only ${allowed.join(", ") || "itself"}`, () => {
      const wrong: string[] = [];
      for (const file of files.filter((name) => name.startsWith(`${room}/`))) {
        for (const target of imports(file).filter((name) => name.startsWith("."))) {
          const other = roomOf(file, target);
          const open = other === null && target.endsWith("/errors.ts");
          if (!open && other !== room && !(other !== null && allowed.includes(other))) wrong.push(`${file}: ${target}`);
        }
      }
      expect(wrong).toEqual([]);
    });
  }

  test("exactly one file names pcsclite as a module", () => {
    const naming = files.filter((file) => /["']pcsclite["']/.test(readFileSync(join(src, file), "utf8")));
    expect(naming).toHaveLength(1);
    expect(naming[0]).toMatch(/^transport\/pcsc\//);
  });

  test("exactly one file loads node-hid, and only when it is asked for", () => {
    const naming = files.filter((file) => /import\(["']node-hid["']\);/.test(readFileSync(join(src, file), "utf8")));
    expect(naming).toEqual(["transport/hid/hid-devices.ts"]);
    const always = files.filter((file) => /from ["']node-hid["']/.test(readFileSync(join(src, file), "utf8")));
    expect(always).toEqual([]);
  });

  test("console, process and colours stay in cli and in the reader host's entry", () => {
    const wrong = files.filter((file) => {
      if (file.startsWith("cli/") || file.startsWith("transport/pcsc/host/")) return false;
      const code = withoutComments(readFileSync(join(src, file), "utf8"));
      return /\bconsole\.|\bprocess\.(stdout|stderr|argv|exit|env)\b/.test(code);
    });
    expect(wrong).toEqual([]);
  });

  test("no source carries an unfinished mark or a loosened type", () => {
    const wrong: string[] = [];
    for (const file of files) {
      const text = readFileSync(join(src, file), "utf8");
      for (const pattern of [/\bTODO\b/, /\bFIXME\b/, /@ts-(ignore|expect-error)/]) {
        if (pattern.test(text)) wrong.push(`${file}: ${pattern.source}`);
      }
      // Prose may say it, code may not.
      if (/\bas any\b/.test(withoutComments(text))) wrong.push(`${file}: as any`);
    }
    expect(wrong).toEqual([]);
  });
});
