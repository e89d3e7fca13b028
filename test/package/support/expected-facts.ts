import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cards, recordStory } from "../../apdu-fixtures/record.ts";
import { type Facts, stories } from "../../apdu-fixtures/stories.ts";
import { root } from "./scratch-project.ts";

/** What each recorded story told when a token answered it, by the path of its file in apdu-fixtures/. */
export async function expectedFacts(scratchFile: string): Promise<Record<string, Facts>> {
  const facts: Record<string, Facts> = {};
  for (const profile of ["genuine", "pico"] as const) {
    const { folder } = cards[profile];
    for (const file of readdirSync(join(root, "apdu-fixtures", folder))) {
      const story = stories.find(({ name }) => `${name}.apdu` === file);
      if (story === undefined) throw new Error(`no story is named ${file}`);
      facts[`${folder}/${file}`] = await recordStory(story, profile, scratchFile);
    }
  }
  return facts;
}
