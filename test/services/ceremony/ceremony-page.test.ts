import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { addEntry, readCeremony } from "../../../src/services/ceremony/ceremony-file.ts";
import { ceremonyPage, escaped } from "../../../src/services/ceremony/ceremony-page.ts";
import { checkClosing } from "../../../src/services/ceremony/ceremony-signature.ts";
import { describeWith } from "../../support/needs.ts";
import { close, command, folder, noMemory, token, writer } from "./support.ts";

const here = folder();
const script = `<script>document.title="owned"</script><img src=x onerror=alert(1)>`;
const label = `"><b>bold</b> \u202Eesrever & 'quoted'`;

/** A record with everything in it that a page may stumble over. */
async function page(name: string, options: { readonly closed: boolean; readonly entries: number }): Promise<string> {
  const path = join(here, name);
  for (let i = 0; i < options.entries; i++) {
    const tokens = [{ ...token(label), before: null, after: null }];
    const error = i % 4 === 3 ? { code: "PIN_WRONG", message: `wrong user PIN ${script}` } : null;
    const words = ["pin", "verify", "--pin", "prompt", "--device", `sim:${"long".repeat(12)}`, script];
    const failed = error === null ? {} : { exitCode: 4, result: "authentication", error };
    await addEntry(path, command(words, i % 3 === 0 ? { tokens, officer: script, ...failed } : failed), writer());
  }
  if (options.closed) await close(path, 1);
  const record = await readCeremony(path, noMemory);
  return ceremonyPage(record, record.closing === null ? null : checkClosing(record.closing));
}

describe("the page of a ceremony record", () => {
  test("has no markup that anybody typed, and loads nothing", async () => {
    const html = await page("markup", { closed: true, entries: 5 });
    expect(html).not.toMatch(/<script|<img|<b>bold|onerror=alert\(1\)>/);
    expect(html).toContain("&lt;script&gt;");
    expect(html).toContain("[U+202E]esrever &amp; &#39;quoted&#39;");
    expect(html).not.toMatch(/https?:|url\(|@import|<[^>]*\s(?:src|href)=/);
  });

  test("says whether it is closed", async () => {
    expect(await page("open", { closed: false, entries: 1 })).toContain("Open: nothing closes it");
    const closed = await page("closed", { closed: true, entries: 1 });
    expect(closed).toContain("Closed by a signature");
    expect(closed).toContain("SIMULATED");
    expect(closed).not.toContain("Open:");
  });

  test("shows what hides or turns text round", () => {
    expect(escaped("a\u0000b\u200Bc\nd\u2066")).toBe("a[U+0000]b[U+200B]c[U+000A]d[U+2066]");
    expect(escaped(`<&>"'`)).toBe("&lt;&amp;&gt;&quot;&#39;");
  });
});

const browser = "chromium";

describeWith([browser], "the page in a browser", () => {
  // Headless, for a machine without a sandbox of its own; the page runs nothing.
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${join(here, "browser")}`];
  const chromium = (...args: readonly string[]) =>
    execFileSync(browser, [...flags, ...args], { stdio: ["ignore", "pipe", "ignore"], timeout: 120_000 });

  test("shows what was typed as text, and runs none of it", { timeout: 240_000 }, async () => {
    const file = join(here, "page.html");
    writeFileSync(file, await page("browser", { closed: true, entries: 6 }));
    const dom = chromium("--dump-dom", pathToFileURL(file).href).toString();
    expect(dom).toMatch(/<title>Ceremony record [0-9a-f]{32}<\/title>/);
    expect(dom).not.toMatch(/<script|<img|<b>bold/);
    expect(dom).toContain("&lt;script&gt;");
  });

  test("prints on A4 across, on as many pages as it takes", { timeout: 240_000 }, async () => {
    const file = join(here, "long.html");
    const pdf = join(here, "long.pdf");
    writeFileSync(file, await page("long", { closed: true, entries: 40 }));
    chromium("--no-pdf-header-footer", `--print-to-pdf=${pdf}`, pathToFileURL(file).href);
    const printed = readFileSync(pdf, "latin1");
    const pages = [...printed.matchAll(/\/Type\s*\/Page\b/g)].length;
    expect(pages).toBeGreaterThan(3);
    expect(pages).toBeLessThan(20);
    const boxes = [...printed.matchAll(/\/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]/g)].map(([, w, h]) => [
      Number(w),
      Number(h),
    ]);
    expect(boxes.length).toBeGreaterThan(0);
    for (const [width = 0, height = 0] of boxes) {
      expect(Math.abs(width - 842)).toBeLessThan(2);
      expect(Math.abs(height - 595)).toBeLessThan(2);
    }
  });
});
