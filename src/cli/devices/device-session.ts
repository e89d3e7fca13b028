import { standardStack } from "../../apdu/standard-stack.ts";
import type { AttemptPolicy } from "../../cards/smartcard-hsm/attempt-policy.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../errors.ts";
import type { TraceRecorder } from "../../transport/trace/recorder.ts";
import type { CommandContext } from "../context.ts";
import { interruptible } from "../interruption.ts";
import { ensurePrivateFolder } from "../paths.ts";
import { type DeviceSpec, parseDeviceSpec } from "./device-spec.ts";
import type { RawDevice } from "./raw-device.ts";
import { reachDevice } from "./reach-device.ts";

/** A token that was found, opened and is the one that was meant. */
export interface OpenDevice {
  readonly card: SmartCardHsm;
  /** It says SIMULATED wherever a person looks. */
  readonly simulated: boolean;
  /** `--device` named this very token: by serial or as `sim:NAME`. What `--yes` needs to destroy something. */
  readonly exact: boolean;
}

/**
 * Opens the token the command line names, hands it to `work` and gives it back, whatever happens. The trace is finished
 * also when the command failed: a failure is what one records for.
 */
export async function withDevice<T>(
  context: CommandContext,
  access: "shared" | "exclusive",
  work: (device: OpenDevice) => Promise<T>,
): Promise<T> {
  if (context.handed !== undefined) return watched(context, context.handed, work);
  const spec = parseDeviceSpec(context.globals.device ?? "auto");
  return reachInTurn(context, (open) => open(spec, access, work));
}

type OpenInTurn<Device> = <T>(
  device: Device,
  access: "shared" | "exclusive",
  work: (device: OpenDevice) => Promise<T>,
) => Promise<T>;

/** Devices that the command line names otherwise than by `--device`, one after the other, in one trace. */
export async function inTurn<T>(
  context: CommandContext,
  session: (open: OpenInTurn<string>) => Promise<T>,
): Promise<T> {
  return reachInTurn(context, (open) => session((device, access, work) => open(parseDeviceSpec(device), access, work)));
}

async function reachInTurn<T>(
  context: CommandContext,
  session: (open: OpenInTurn<DeviceSpec>) => Promise<T>,
): Promise<T> {
  const recorder = await startRecorder(context);
  let recorded = false;
  try {
    return await session(async (spec, access, work) => {
      const raw = await reachDevice(context, spec, access, recorder);
      recorded = true;
      const result = await useDevice(context, recorder === undefined ? raw : await recordedBy(recorder, raw), work);
      raw.complete?.();
      return result;
    });
  } finally {
    await (recorded ? recorder?.finish() : recorder?.abandon());
  }
}

/** What the work with a card that was reached wants of its command. */
export interface SessionContext {
  readonly globals: Pick<CommandContext["globals"], "minTries" | "minSoTries" | "noLedger" | "requireGenuine">;
  readonly paths: Pick<CommandContext["paths"], "state" | "ledger" | "knownDevices" | "roots">;
  readonly io: Pick<CommandContext["io"], "now">;
  readonly signal: AbortSignal;
  readonly ceremony?: CommandContext["ceremony"];
}

/** Opens the card that was reached, lets `work` have it and gives it back. */
export async function useDevice<T>(
  context: SessionContext,
  raw: RawDevice,
  work: (device: OpenDevice) => Promise<T>,
): Promise<T> {
  let { channel } = raw;
  try {
    channel = interruptible(standardStack(channel, { deadlineMs: raw.deadlineMs }), context.signal);
    const { SmartCardHsm } = await import("../../cards/smartcard-hsm/smartcard-hsm.ts");
    const card = await SmartCardHsm.open(channel, { policy: await attemptPolicy(context, raw) });
    await refuseExchanged(card, raw);
    // A served or recorded simulated token is told by its certificate.
    // Always read here, so that the command asks the same of a token and of its recording.
    const { simulated } = await card.identity();
    const device = { card, simulated: raw.simulated || simulated, exact: raw.exact };
    // A recording would have to know what the watch asks.
    return raw.replayed ? await work(device) : await watched(context, device, work);
  } finally {
    await channel.close();
    await raw.close();
  }
}

/** With `--ceremony` the token is asked for its tries before the work and after it. */
async function watched<T>(
  { ceremony }: Pick<SessionContext, "ceremony">,
  device: OpenDevice,
  work: (device: OpenDevice) => Promise<T>,
): Promise<T> {
  const done = await ceremony?.watch.opened(device);
  try {
    return await work(device);
  } finally {
    await done?.();
  }
}

/** The same device, every exchange written down. */
export async function recordedBy(recorder: TraceRecorder, raw: RawDevice): Promise<RawDevice> {
  const { smartCardHsmRedactor } = await import("../../cards/smartcard-hsm/redactor.ts");
  return { ...raw, channel: recorder.record(raw.channel, smartCardHsmRedactor()) };
}

/** Between looking for the token and opening it, somebody may have put another card into the reader. */
async function refuseExchanged(card: SmartCardHsm, { expected, channel }: RawDevice): Promise<void> {
  if (expected === undefined) return;
  const { serial } = await card.identity();
  if (serial === expected.serial) return;
  throw new HsmError("DEVICE_EXCHANGED", "device", `${channel.where} holds ${serial} now, not ${expected.serial}`, {
    advice: "somebody changed the card; look with `hsmadm device list`",
  });
}

/** @throws HsmError `TRACE_EXISTS`, `TRACE_NOT_WRITABLE`, before any card is touched */
export async function startRecorder({ globals, io }: CommandContext): Promise<TraceRecorder | undefined> {
  if (globals.trace === undefined) return undefined;
  const { TraceRecorder } = await import("../../transport/trace/recorder.ts");
  return TraceRecorder.create(globals.trace, {
    overwrite: globals.yes,
    header: { tool: `hsmadm ${io.version()}` },
    now: io.now,
  });
}

/** Floors and the memory of refused PINs. A replayed card has no tries to lose and nothing to remember. */
async function attemptPolicy(context: SessionContext, raw: RawDevice): Promise<AttemptPolicy> {
  const { globals, paths } = context;
  const admit = globals.requireGenuine ? await genuineTokensOnly(context, raw) : undefined;
  const floors = { minTries: globals.minTries, minSoTries: globals.minSoTries, admit };
  if (globals.noLedger || raw.replayed) return floors;
  const { fileLedger } = await import("../../services/pins/ledger.ts");
  await ensurePrivateFolder(paths.state);
  return { ...floors, memory: fileLedger(paths.ledger) };
}

/** A recording is no token: what it said once proves nothing now, and nothing is remembered of it. */
async function genuineTokensOnly({ paths, io }: SessionContext, raw: RawDevice): Promise<AttemptPolicy["admit"]> {
  const { genuineOnly } = await import("../../services/identity/genuine-only.ts");
  const { pinnedRoots } = await import("../../services/identity/device-roots.ts");
  const { fileKnownDevices, noKnownDevices } = await import("../../services/identity/known-devices.ts");
  return genuineOnly(async () => ({
    roots: await pinnedRoots(paths.roots),
    known: raw.replayed ? noKnownDevices : fileKnownDevices(paths.knownDevices),
    now: io.now(),
  }));
}
