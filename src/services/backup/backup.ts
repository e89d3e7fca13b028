import { fromHex, toHex } from "../../bytes/hex.ts";
import { fileIds } from "../../cards/smartcard-hsm/file-ids.ts";
import type { TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { DkekState } from "../../cards/smartcard-hsm/token-status.ts";
import type { BackupExtraFile, BackupGap, BackupKey, BackupManifest } from "../../crypto/backup/backup-manifest.ts";
import { keyKindOf, parseKeyBlob } from "../../crypto/keys/key-blob.ts";
import { HsmError } from "../../errors.ts";
import { type BackupSource, readIfThere } from "./backup-card.ts";
import { domainName, domainProblem, usableDomains } from "./backup-domains.ts";

/** Files that travel with the keys: certificates of authorities, public data objects, and what describes them. */
const travelling: readonly number[] = [
  fileIds.authorityCertificate,
  fileIds.certificateDescription,
  fileIds.dataDescription,
  fileIds.publicData,
];

/** Whether a backup may hold, and a restore write, this file. */
export function mayTravel(fid: number): boolean {
  return travelling.includes(fid & 0xff00);
}

export interface BackupFacts {
  /** ISO 8601, UTC. */
  readonly created: string;
  /** `hsmadm 0.1.0`. */
  readonly createdBy: string;
  /** Of the device: a token that says nothing of it may be known to be simulated all the same. */
  readonly simulated: boolean;
}

export interface BackupStep {
  /** From 1. */
  readonly number: number;
  readonly of: number;
  readonly label: string;
}

/** A key in what a backup would hold, before anything is wrapped. */
export interface BackupCandidate {
  readonly key: TokenKey;
  /** Why it has to stay; `null`: it can be wrapped as far as can be told. */
  readonly reason: string | null;
}

/**
 * What a backup would hold. No login needed; where the token shows its check value to nobody else, `domains` were read
 * after one.
 * @throws HsmError as {@link usableDomains}
 */
export function backupCandidates(
  keys: readonly TokenKey[],
  domains: readonly DkekState[],
  token: string,
): BackupCandidate[] {
  const usable = usableDomains(domains, token);
  return keys.map((key) => {
    const index = key.metadata?.domain ?? 0;
    const domain = domains.find((candidate) => candidate.index === index);
    if (usable.has(index)) return { key, reason: unknownKind(key) };
    const problem = domain === undefined ? "is not there" : domainProblem(domain);
    return { key, reason: `${domainName(index, domains)} ${problem}` };
  });
}

/** Of a key that nothing describes a backup could not be proved. */
function unknownKind({ kind, bits }: TokenKey): string | null {
  if (kind !== "unknown" && bits !== null) return null;
  return "neither description nor certificate tell what kind of key it is";
}

/**
 * Wraps every key and reads what belongs to it: at most four exchanges a key. Needs a login. Nothing on the token is
 * changed, so it may be broken off and run again.
 * @throws HsmError as {@link usableDomains}, before a key is touched; `KCV_UNEXPECTED` (check-failed) when a key turns out
 *   to be wrapped under a DKEK that the token does not show
 */
export async function collectBackup(
  card: BackupSource,
  facts: BackupFacts,
  progress: (step: BackupStep) => void = () => undefined,
): Promise<BackupManifest> {
  const identity = await card.identity();
  const token = identity.serial || "the token";
  const domains = await card.keyDomains();
  usableDomains(domains, token);
  const candidates = backupCandidates(await card.listKeys({ metadata: true }), domains, token);
  const keys: BackupKey[] = [];
  const notExported: BackupGap[] = [];
  for (const [i, { key, reason }] of candidates.entries()) {
    progress({ number: i + 1, of: candidates.length, label: key.label });
    const stays = (why: string) => notExported.push({ reference: key.ref, label: key.label || null, reason: why });
    if (reason !== null) {
      stays(reason);
      continue;
    }
    try {
      keys.push(entryOf(key, await card.wrapKey(key.ref), domains, token));
    } catch (error) {
      if (!(error instanceof HsmError) || error.kind !== "not-supported") throw error;
      stays(error.message);
    }
  }
  const { files, left } = await travellingFiles(card);
  return { ...(await headOf(card, facts)), keys, notExported: [...notExported, ...left], files };
}

/**
 * What a backup would hold, without the wrapped keys: no login needed, nothing but reading. A check value that the token
 * shows to nobody before a login is empty.
 * @throws HsmError as {@link usableDomains}
 */
export async function previewBackup(card: BackupSource, facts: BackupFacts): Promise<BackupManifest> {
  const identity = await card.identity();
  const domains = (await card.keyDomains()).map((domain) =>
    domain.kcvNote === "before-login" ? { ...domain, kcv: "" } : domain,
  );
  const keys: BackupKey[] = [];
  const notExported: BackupGap[] = [];
  const all = await card.listKeys({ metadata: true });
  for (const { key, reason } of backupCandidates(all, domains, identity.serial || "the token")) {
    if (reason !== null || key.kind === "unknown") {
      notExported.push({ reference: key.ref, label: key.label || null, reason: reason ?? "" });
      continue;
    }
    const domain = domains.find(({ index }) => index === (key.metadata?.domain ?? 0));
    keys.push({
      ...described(key),
      kind: key.kind,
      domain: domain?.index ?? 0,
      kcv: fromHex(domain?.kcv ?? ""),
      blob: new Uint8Array(0),
    });
  }
  const { files, left } = await travellingFiles(card);
  return { ...(await headOf(card, facts)), keys, notExported: [...notExported, ...left], files };
}

async function headOf(
  card: BackupSource,
  { created, createdBy, simulated }: BackupFacts,
): Promise<Pick<BackupManifest, "created" | "createdBy" | "device">> {
  const { serial, key } = await card.identity();
  return { created, createdBy, device: { serial, identity: key || null, label: await card.label(), simulated } };
}

/** What is known of a key without wrapping it. */
function described(key: TokenKey): Omit<BackupKey, "kind" | "domain" | "kcv" | "blob"> {
  const id = toHex(key.id);
  return {
    reference: key.ref,
    label: key.label || null,
    id: id === "" || key.id.length > 64 ? null : id,
    bits: key.bits ?? 0,
    curve: key.curve,
    description: key.descriptionBytes,
    certificate: key.certificateBytes,
    useCounter: key.metadata?.usesLeft ?? null,
  };
}

function entryOf(key: TokenKey, blob: Uint8Array, domains: readonly DkekState[], token: string): BackupKey {
  const parsed = parseKeyBlob(blob);
  const kcv = toHex(parsed.kcv);
  const domain = domains.find((candidate) => candidate.kcv === kcv);
  if (domain === undefined) {
    throw new HsmError(
      "KCV_UNEXPECTED",
      "check-failed",
      `${token} wrapped key ${key.ref} under a DKEK with KCV ${kcv}, which is none that it shows`,
      { advice: "no backup was written; `hsmadm doctor` shows what the token answers", token },
    );
  }
  return { ...described(key), kind: keyKindOf(parsed), domain: domain.index, kcv: parsed.kcv, blob };
}

/**
 * Not every token lists these files: a Pico HSM names descriptions only. So what a description speaks of is asked for by
 * its own name, which has the same last byte.
 */
async function travellingFiles(card: BackupSource): Promise<{ files: BackupExtraFile[]; left: BackupGap[] }> {
  const listed = await card.listFiles();
  const lastBytes = (prefix: number): number[] =>
    listed.filter((fid) => (fid & 0xff00) === prefix).map((fid) => fid & 0xff);
  const asked = new Set([
    ...listed.filter(mayTravel),
    ...lastBytes(fileIds.certificateDescription).map((last) => fileIds.authorityCertificate + last),
    ...lastBytes(fileIds.dataDescription).map((last) => fileIds.publicData + last),
  ]);
  const files: BackupExtraFile[] = [];
  for (const fid of [...asked].sort((a, b) => a - b)) {
    const content = await readIfThere(card, fid);
    if (content !== null) files.push({ fid: fid.toString(16).toUpperCase().padStart(4, "0"), content });
  }
  const there = new Set(files.map(({ fid }) => Number.parseInt(fid, 16)));
  const secret = new Set([
    ...lastBytes(fileIds.secretData),
    ...lastBytes(fileIds.dataDescription).filter((last) => !there.has(fileIds.publicData + last)),
  ]);
  return {
    // What describes a private data object stays with it.
    files: files.filter(({ fid }) => {
      const number = Number.parseInt(fid, 16);
      return (number & 0xff00) !== fileIds.dataDescription || !secret.has(number & 0xff);
    }),
    left: [...secret].map((last) => ({
      reference: last,
      label: null,
      reason: "no key but a private data object: it would stand in the file in the clear, so it is left out",
    })),
  };
}

/** What a person has to know of a backup that was made. */
export function backupWarnings(manifest: BackupManifest, domains: readonly DkekState[]): string[] {
  const warnings: string[] = [];
  const random = domains.filter(({ state }) => state === "random").map(({ kcv }) => kcv);
  if (manifest.keys.some(({ kcv }) => random.includes(toHex(kcv)))) {
    warnings.push(
      "the DKEK was made inside the token, nobody has shares of it: this backup restores on this token only, and not after it is initialised again",
    );
  }
  if (manifest.keys.some(({ useCounter }) => useCounter !== null)) {
    warnings.push("a wrapped key does not carry its use counter: restored, it may be used without limit");
  }
  return warnings;
}
