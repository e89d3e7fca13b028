import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { asciiText } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { curveByName } from "../../crypto/curves/curves.ts";
import { ecdsaVerify } from "../../crypto/curves/ecdsa.ts";
import { type Cvc, parseCvc } from "../../crypto/cvc/cvc.ts";
import type { TrustedRoot } from "../../crypto/cvc/cvc-chain.ts";
import { HsmError, messageOf } from "../../errors.ts";

/** A root that an officer chose to trust, besides those everybody knows. */
export interface PinnedRoot extends TrustedRoot {
  /** The file it came from. */
  readonly path: string;
}

/** Bits of the role byte that a root has: it issues issuers. */
const rootBits = 0xc0;
const largestFile = 16_384;

/**
 * Reads a root certificate (CVC, tag 7F21): its bytes, or their hex digits. It must be signed by itself and say that it is
 * a root; whom it belongs to is the officer's knowledge.
 * @throws HsmError `ROOT_FILE_UNREADABLE` (usage), `ROOT_CERTIFICATE_INVALID` (check-failed)
 */
export async function readRoot(path: string): Promise<PinnedRoot> {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new HsmError("ROOT_FILE_UNREADABLE", "usage", `${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  if (bytes.length > largestFile) throw notARoot(path, "it is too long for a certificate");
  return rootFrom(path, certificateIn(path, bytes));
}

function certificateIn(path: string, bytes: Uint8Array): Cvc {
  const text = asciiText(bytes)?.replace(/[\s:]/g, "");
  try {
    return parseCvc(text !== undefined && /^([0-9a-f]{2})+$/i.test(text) ? fromHex(text.toUpperCase()) : bytes);
  } catch (cause) {
    throw notARoot(path, messageOf(cause), cause);
  }
}

function rootFrom(path: string, { car, chr, role, publicKey, body, signature }: Cvc): PinnedRoot {
  if (car !== chr) throw notARoot(path, `"${chr}" was issued by "${car}", a root issues itself`);
  if (role === undefined || (role & rootBits) !== rootBits)
    throw notARoot(path, `"${chr}" does not have the role of a root`);
  const curve = publicKey.kind === "ec" && publicKey.curve !== undefined ? curveByName(publicKey.curve) : undefined;
  if (publicKey.kind !== "ec" || curve === undefined) throw notARoot(path, `"${chr}" has no key on a known curve`);
  if (!ecdsaVerify(curve, publicKey.point, body, "sha256", signature)) {
    throw notARoot(path, `"${chr}" was not signed by its own key`);
  }
  return {
    name: chr,
    title: `root pinned by ${path}`,
    kind: "genuine",
    curve: curve.name,
    point: publicKey.point,
    path,
  };
}

/** The roots that are pinned for good: every `*.cvc` of a folder; none where there is no such folder. */
export async function pinnedRoots(folder: string): Promise<readonly PinnedRoot[]> {
  const names = await readdir(folder).catch(() => []);
  const wanted = names.filter((name) => name.endsWith(".cvc")).sort();
  return Promise.all(wanted.map((name) => readRoot(join(folder, name))));
}

function notARoot(path: string, problem: string, cause?: unknown): HsmError {
  return new HsmError("ROOT_CERTIFICATE_INVALID", "check-failed", `${path} is no root certificate: ${problem}`, {
    advice: "a root is a card verifiable certificate (7F21) with its domain parameters, as bytes or hex digits",
    cause,
  });
}
