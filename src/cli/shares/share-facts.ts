import { toHex } from "../../bytes/hex.ts";
import { keyCheckValue } from "../../crypto/shares/dkek.ts";
import { usage } from "../failure.ts";
import type { Document } from "../output.ts";
import { sha256 } from "./share-files.ts";
import type { OpenedShare } from "./share-open.ts";

/** A share file as JSON documents tell it once it is open. The KCV is public; the share is in nothing that is printed. */
export function shareFacts({ path, content, share }: OpenedShare): Document {
  return { file: path, sha256: sha256(content), kcvAlone: toHex(keyCheckValue(share)) };
}

/** `--expect-kcv`, 8 bytes. @throws HsmError `OPTION_VALUE` (usage) */
export function expectedKcv(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const digits = text.replace(/[:\s]/g, "");
  if (!/^[0-9A-Fa-f]{16}$/.test(digits)) throw usage("OPTION_VALUE", "--expect-kcv wants 16 hex digits");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
