import { randomBytes } from "node:crypto";
import { HsmError } from "../../errors.ts";
import { openShareFile, sealShareFile } from "./dkek-share-file.ts";
import {
  newSplitSecret,
  type PasswordSplit,
  passwordCandidates,
  splitPassword,
  type TypedPart,
} from "./password-split.ts";
import type { DerivationOptions } from "./share-key.ts";

/** Share files whose password is split, and changes of password or custodians that leave the share, and so the DKEK, as it is. */
export interface OpenedSplitShare {
  /** 32 bytes, secret. */
  readonly share: Uint8Array;
  /** The password that the parts gave. */
  readonly password: Uint8Array;
}

/**
 * Opens a share file with parts of its password. Every reading of the parts is tried (see `passwordCandidates`), almost
 * always one; progress runs over all of them.
 * @throws HsmError `SHARE_PASSWORD_WRONG` (authentication); as `openShareFile` and `passwordCandidates`
 */
export async function openSplitShareFile(
  content: Uint8Array,
  prime: Uint8Array,
  parts: readonly TypedPart[],
  options: DerivationOptions = {},
): Promise<OpenedSplitShare> {
  const candidates = passwordCandidates(prime, parts);
  let wrong: HsmError | undefined;
  for (const [i, password] of candidates.entries()) {
    const progress = (part: number): void => options.progress?.((i + part) / candidates.length);
    try {
      const share = await openShareFile(content, password, { ...options, progress });
      options.progress?.(1);
      return { share, password };
    } catch (error) {
      if (!(error instanceof HsmError) || error.code !== "SHARE_PASSWORD_WRONG") throw error;
      wrong = error;
    }
  }
  throw new HsmError(
    "SHARE_PASSWORD_WRONG",
    "authentication",
    "these parts do not give the password of this DKEK share",
    {
      advice: "too few parts, a mistyped one, or parts of another share: compare each with its card",
      cause: wrong,
    },
  );
}

export interface SplitSettings extends DerivationOptions {
  readonly threshold: number;
  readonly total: number;
  readonly random?: ((length: number) => Uint8Array) | undefined;
}

/** Seals a share under a new split password: for a new share, for other custodians, for another threshold. */
export async function sealSplitShareFile(
  share: Uint8Array,
  settings: SplitSettings,
): Promise<{ readonly file: Uint8Array; readonly split: PasswordSplit }> {
  const { threshold, total, random = randomBytes } = settings;
  const secret = newSplitSecret(random);
  const split = splitPassword(secret, threshold, total, { random });
  const file = await sealShareFile(share, secret, settings);
  secret.fill(0);
  return { file, split };
}
