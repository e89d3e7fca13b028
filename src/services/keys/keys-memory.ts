import { readFile } from "node:fs/promises";
import { writePrivateFile } from "../atomic-file.ts";

/** A key as it was when the token was last listed: enough to find it and to see whether it is still the same. */
export interface RememberedKey {
  readonly ref: number;
  readonly label: string;
  /** Hex. */
  readonly id: string;
  /** SHA-256 of its description and its certificate, hex; empty where there was none. */
  readonly digest: string;
  /** What the card said of it; `undefined`: it was not asked yet. */
  readonly metadata?:
    | {
        readonly algorithms: readonly number[] | null;
        readonly domain: number | null;
      }
    | null
    | undefined;
}

/** Remembers which keys are on which token (by the hash of its device key). Nothing in it is secret or missed. */
export interface KeyMemory {
  recall(token: string): Promise<readonly RememberedKey[] | null>;
  keep(token: string, keys: readonly RememberedKey[]): Promise<void>;
  forget(token: string): Promise<void>;
}

/** What remembers nothing. */
export const noKeyMemory: KeyMemory = {
  recall: async () => null,
  keep: async () => undefined,
  forget: async () => undefined,
};

const version = 1;
const mostTokens = 64;
const largest = 1024 * 1024;

type Tokens = Record<string, readonly RememberedKey[]>;

/** A file in the state folder. One that cannot be read or written is as good as none: the token is asked instead. */
export function fileKeyMemory(path: string): KeyMemory {
  const change = async (alter: (tokens: Tokens) => Tokens): Promise<void> => {
    try {
      const before = await read(path);
      const after = alter(before);
      if (JSON.stringify(before) === JSON.stringify(after)) return;
      const tokens = Object.fromEntries(Object.entries(after).slice(-mostTokens));
      await writePrivateFile(path, `${JSON.stringify({ version, tokens }, null, 2)}\n`);
    } catch {
      // Without it the next command asks the token for its list.
    }
  };
  return {
    recall: async (token) => (await read(path))[token] ?? null,
    keep: (token, keys) => change(({ [token]: _, ...others }) => ({ ...others, [token]: keys })),
    forget: (token) => change(({ [token]: _, ...others }) => others),
  };
}

async function read(path: string): Promise<Tokens> {
  try {
    const text = await readFile(path, "utf8");
    if (text.length > largest) return {};
    const document = JSON.parse(text) as { version?: unknown; tokens?: unknown } | null;
    if (document?.version !== version || typeof document.tokens !== "object" || document.tokens === null) return {};
    return Object.fromEntries(
      Object.entries(document.tokens).filter(([, keys]) => Array.isArray(keys) && keys.every(isRemembered)),
    ) as Tokens;
  } catch {
    return {};
  }
}

function isRemembered(value: unknown): value is RememberedKey {
  const { ref, label, id, digest, metadata } = (value ?? {}) as Partial<Record<keyof RememberedKey, unknown>>;
  if (!Number.isInteger(ref) || (ref as number) < 1 || (ref as number) > 255) return false;
  if (typeof label !== "string" || typeof id !== "string" || typeof digest !== "string") return false;
  if (metadata === undefined || metadata === null) return true;
  const { algorithms, domain } = metadata as { algorithms?: unknown; domain?: unknown };
  return (
    (algorithms === null || (Array.isArray(algorithms) && algorithms.every(Number.isInteger))) &&
    (domain === null || Number.isInteger(domain))
  );
}
