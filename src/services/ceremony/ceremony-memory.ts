import { readFile } from "node:fs/promises";
import { writePrivateFile } from "../atomic-file.ts";
import { broken, type CeremonyRecord } from "./ceremony-chain.ts";

/**
 * What this computer saw of each record: how far it was and the hash there. A record that is open has nothing that keeps
 * its end; whoever wrote it notices here that something was cut off or written anew.
 */
export interface CeremonyMemory {
  recall(id: string): Promise<SeenHead | null>;
  keep(id: string, head: SeenHead): Promise<void>;
}

interface SeenHead {
  readonly sequence: number;
  readonly hash: string;
}

/** Records of other computers are not kept: only what was written here. */
const mostRecords = 1000;

/** `ceremonies.json` of the state folder. A file that cannot be understood counts as empty: nothing is refused for it. */
export function fileCeremonyMemory(path: string): CeremonyMemory {
  const load = async (): Promise<Record<string, SeenHead>> => {
    try {
      return headsIn(JSON.parse(await readFile(path, "utf8")));
    } catch {
      return {};
    }
  };
  return {
    recall: async (id) => (await load())[id] ?? null,
    async keep(id, head) {
      const { [id]: _old, ...others } = await load();
      const kept = [...Object.entries(others), [id, head] as const].slice(-mostRecords);
      await writePrivateFile(path, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`);
    },
  };
}

/**
 * @returns whether anything was remembered
 * @throws HsmError `CEREMONY_TRUNCATED`, `CEREMONY_REWRITTEN` (check-failed)
 */
export async function requireRemembered(
  memory: CeremonyMemory,
  { opening, entries }: Pick<CeremonyRecord, "opening" | "entries">,
): Promise<boolean> {
  const seen = await memory.recall(opening.id);
  if (seen === null) return false;
  const entry = entries[seen.sequence];
  if (entry === undefined) {
    const gone = seen.sequence + 1 - entries.length;
    throw broken(
      "CEREMONY_TRUNCATED",
      `this computer wrote ${gone} more ${gone === 1 ? "entry" : "entries"} behind its end`,
    );
  }
  if (entry.hash !== seen.hash) {
    throw broken("CEREMONY_REWRITTEN", `entry ${seen.sequence} is not the one that this computer wrote there`);
  }
  return true;
}

/** Kept for the next time; a state folder that cannot be written loses this, and nothing else. */
export async function rememberHead(memory: CeremonyMemory, { opening, entries, head }: CeremonyRecord): Promise<void> {
  await memory.keep(opening.id, { sequence: entries.length - 1, hash: head }).catch(() => undefined);
}

function headsIn(json: unknown): Record<string, SeenHead> {
  if (typeof json !== "object" || json === null) return {};
  return Object.fromEntries(
    Object.entries(json).filter((entry): entry is [string, SeenHead] => {
      const { sequence, hash } = (entry[1] ?? {}) as Partial<Record<string, unknown>>;
      return typeof sequence === "number" && Number.isSafeInteger(sequence) && typeof hash === "string";
    }),
  );
}
