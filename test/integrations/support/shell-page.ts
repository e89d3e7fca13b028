import type { Workshop } from "./workshop.ts";

const mark = "\u001e";

/**
 * A page with the console blocks run again in one shell, as somebody would who reads it from top to bottom, and what the
 * programs print now below each line. A failure is shown as `[exit N]`.
 */
export async function shellPage(text: string, shop: Workshop): Promise<string> {
  const blocks = [...text.matchAll(/```console\n([\s\S]*?)```/g)].map(([whole, block = ""]) => ({
    whole,
    lines: [...block.matchAll(/^\$ (.+(?:\\\n.+)*)$/gm)].map(([, line = ""]) => line),
  }));
  const lines = blocks.flatMap((block) => block.lines);
  shop.file(".session", lines.map((line) => `printf '${mark}'\n{ ${line}\n} 2>&1\ntold $?\n`).join(""));
  const told = 'told() { [ "$1" = 0 ] || echo "[exit $1]"; }';
  const { stdout } = await shop.sh(`${told}; . ./.session`);
  const names = new Pseudonyms();
  const shown = stdout
    .split(mark)
    .slice(1)
    .map((output) => names.in(output.replaceAll(`${shop.folder}/`, "")))
    .map((output) => (output === "" || output.endsWith("\n") ? output : `${output}\n`));
  let at = 0;
  return blocks.reduce((page, { whole, lines: own }) => {
    const now = own.map((line) => `$ ${line}\n${shown[at++] ?? ""}`).join("");
    return page.replace(whole, () => `\`\`\`console\n${now}\`\`\``);
  }, text);
}

/** What is drawn anew each time has names of its own in the pages, the same one wherever it comes again. */
class Pseudonyms {
  readonly #names = new Map<string, string>();
  readonly #drawn: readonly (readonly [pattern: RegExp, names: readonly string[]])[] = [
    [/\bv1-[a-z2-7]{26}\b/g, ["v1-f7dk2mzqxw4c3haqj6rbtyn5le", "v1-q3nb5tzw6uxk2yha4mrc7dlfeo"]],
    [/(?<=\bFIDO2 )[0-9a-f]{8}\b/g, ["3f2a0011", "8c41d7e5", "b90e2f6a"]],
    [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, []],
    [/\bage1[02-9ac-hj-np-z]{58}\b/g, ["age1r6xk0q2vyl3gd9eh8tj5wmz7n4csa2u0fxp9k3dy6vq8lw5h7tsqzj4n2m"]],
  ];

  in(output: string): string {
    return this.#drawn.reduce(
      (text, [pattern, names]) => text.replace(pattern, (drawn) => this.#nameOf(drawn, pattern, names)),
      output,
    );
  }

  #nameOf(drawn: string, pattern: RegExp, names: readonly string[]): string {
    const key = names.length === 0 ? "time" : `${pattern.source} ${drawn}`;
    const known = [...this.#names.keys()].filter((one) => one.startsWith(pattern.source)).length;
    const name = this.#names.get(key) ?? names[known] ?? "2026-11-20T12:00:00Z";
    this.#names.set(key, name);
    return name;
  }
}
