import type { PossessionProof } from "../../cards/smartcard-hsm/public-key-authentication/chip-authentication.ts";
import type { DeviceEvidence } from "../../cards/smartcard-hsm/token-status.ts";
import { type ChainVerdict, knownRoots, verifyDeviceChain } from "../../crypto/cvc/cvc-chain.ts";
import { type DateProblem, dateProblem } from "./certificate-dates.ts";
import { changeWords } from "./device-change.ts";
import type { PinnedRoot } from "./device-roots.ts";
import type { KnownDevice, KnownDevices } from "./known-devices.ts";

/**
 * - `genuine`: the chain ends in a scheme root everybody knows; `pinned`: in one the officer chose
 * - `simulated`: in the root of hsmadm's simulator, whose private keys are public: no hardware
 * - `not-verifiable`: in none we know, which is no error: emulators sign their own certificates
 * - `invalid`: it claims to end in one, and does not hold
 */
export type DeviceTrust = "genuine" | "pinned" | "simulated" | "not-verifiable" | "invalid";

/** The device key as this host met it before. */
export type KeyMemory =
  /** `unnamed`: a device without a serial cannot be recognised. */
  | { readonly status: "first-seen" | "known" | "unnamed" }
  | { readonly status: "changed"; readonly before: KnownDevice; readonly mayBe: readonly string[] };

export interface DeviceJudgement {
  readonly trust: DeviceTrust;
  readonly chain: ChainVerdict;
  readonly dates: DateProblem | null;
  readonly possession: PossessionProof;
  readonly memory: KeyMemory;
}

export interface JudgingOptions {
  /** Besides the scheme roots everybody knows. */
  readonly roots: readonly PinnedRoot[];
  /** No root counts but {@link JudgingOptions.roots}. */
  readonly onlyThese?: boolean;
  readonly known: KnownDevices;
  readonly now: Date;
}

/** Judges a device by its chain, its dates, the key it proves to have and the one it had before. Nothing is thrown for a verdict. */
export async function judgeDevice(
  evidence: DeviceEvidence,
  prove: () => Promise<PossessionProof>,
  options: JudgingOptions,
): Promise<DeviceJudgement> {
  const chain = chainOf(evidence, options);
  const trust = trustOf(chain, options.roots);
  const { device, others } = evidence.certificates ?? { device: null, others: [] };
  const inChain = chain.status === "verified" ? chain.path : [];
  const path = [...(device === null ? [] : [device]), ...others.filter(({ chr }) => inChain.includes(chr))];
  return {
    trust,
    chain,
    dates: chain.status === "verified" ? dateProblem(path, options.now) : null,
    possession: await prove(),
    memory: await memoryOf(evidence, trust, options),
  };
}

function chainOf(
  { identity, certificates }: DeviceEvidence,
  { roots, onlyThese = false }: JudgingOptions,
): ChainVerdict {
  if (certificates === null) return identity.chain;
  const { device, others } = certificates;
  // The officer's own come first: a root of theirs may have the name of another.
  if (!onlyThese) return verifyDeviceChain(device, others, [...roots, ...knownRoots]);
  const chain = verifyDeviceChain(device, others, roots);
  const elsewhere = chain.status === "verified" ? chain : verifyDeviceChain(device, others, knownRoots);
  if (chain.status === "verified" || elsewhere.status !== "verified") return chain;
  // Its certificates are in order, only their root is not the one that was named.
  return { status: "not-verifiable", reason: `it chains to ${elsewhere.root.name}, ${elsewhere.root.title}` };
}

function trustOf(chain: ChainVerdict, pinned: readonly PinnedRoot[]): DeviceTrust {
  if (chain.status !== "verified") return chain.status;
  return pinned.some((root) => root === chain.root) ? "pinned" : chain.root.kind;
}

async function memoryOf(evidence: DeviceEvidence, trust: DeviceTrust, { known }: JudgingOptions): Promise<KeyMemory> {
  const { identity } = evidence;
  if (identity.serial === "" || identity.key === "") return { status: "unnamed" };
  const before = await known.recall(identity.serial);
  if (before === null) return { status: "first-seen" };
  if (before.key === identity.key) return { status: "known" };
  return { status: "changed", before, mayBe: changeWords(before, { trust, version: versionOf(evidence) }) };
}

/** Keeps the key of a device that was judged: first seen, seen again, or accepted in the place of another. */
export async function rememberDevice(
  evidence: DeviceEvidence,
  { trust, memory }: DeviceJudgement,
  { known, now }: Pick<JudgingOptions, "known" | "now">,
): Promise<void> {
  const { serial, key, chr } = evidence.identity;
  if (memory.status === "unnamed" || trust === "invalid") return;
  const before = memory.status === "known" ? await known.recall(serial) : null;
  const seen = now.toISOString();
  const version = versionOf(evidence);
  await known.remember(serial, { key, chr, trust, version, firstSeen: before?.firstSeen ?? seen, lastSeen: seen });
}

export function versionOf({ application }: Pick<DeviceEvidence, "application">): string {
  return `${application.version.major}.${application.version.minor}`;
}
