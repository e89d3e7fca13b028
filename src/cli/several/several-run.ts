import { TransportError } from "../../apdu/transport-error.ts";
import { recogniseAtr } from "../../cards/smartcard-hsm/atr.ts";
import type { HsmError } from "../../errors.ts";
import type { TraceRecorder } from "../../transport/trace/recorder.ts";
import { type OpenDevice, recordedBy, type SessionContext, useDevice } from "../devices/device-session.ts";
import type { RawDevice } from "../devices/raw-device.ts";
import { asHsmError } from "../failure.ts";

/** One of several devices, not reached yet. */
export interface Target {
  /** The operator's word for it; `null` when it is one of `--all`. */
  readonly asked: string | null;
  /** `reader "NAME"`, `sim:NAME`, `trace:FILE`; for a name that nothing answers to, the name. */
  readonly where: string;
  /** Nobody asked for this very card: one that is no token at all is left out. */
  readonly perhapsForeign: boolean;
  readonly open: () => Promise<RawDevice>;
}

/** What became of one device. */
export type DeviceRow<T> = { readonly asked: string | null; readonly where: string } & (
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly error: HsmError }
);

export interface SeveralRows<T> {
  /** In the order of the targets. */
  readonly rows: readonly DeviceRow<T>[];
  /** Cards in readers that are no tokens. */
  readonly leftOut: readonly string[];
  /** Whether there is anything in the trace: a card that was reached, or one that could not be. */
  readonly recorded: boolean;
}

/**
 * Works on all of them at the same time, one command after the other on each. A device that fails takes no other with
 * it, and this ends when the last one was given back.
 */
export async function runTargets<T>(
  context: SessionContext,
  targets: readonly Target[],
  recorder: TraceRecorder | undefined,
  work: (device: OpenDevice) => Promise<T>,
): Promise<SeveralRows<T>> {
  const reached = targets.map((target) => settled(target.open()));
  const recorded = recorder !== undefined && (await recordAll(targets, reached, recorder));
  const done = await Promise.all(targets.map((target, i) => workOn(context, target, reached[i], work)));
  return {
    rows: done.filter((row) => row !== null),
    leftOut: targets.filter((_, i) => done[i] === null).map(({ where }) => where),
    recorded,
  };
}

type Reached = { readonly raw: RawDevice } | { readonly error: unknown };

function settled(opening: Promise<RawDevice>): Promise<Reached> {
  return opening.then(
    (raw) => ({ raw }),
    (error: unknown) => ({ error }),
  );
}

/**
 * The trace tells the connections in the order of the rows, so that its replay gives the same rows: all are awaited first.
 * A name that nothing answered to is no connection.
 * @returns whether anything stands in the trace now
 */
async function recordAll(
  targets: readonly Target[],
  reached: Promise<Reached>[],
  recorder: TraceRecorder,
): Promise<boolean> {
  let recorded = false;
  for (const [i, device] of (await Promise.all(reached)).entries()) {
    if ("raw" in device) {
      reached[i] = Promise.resolve({ raw: await recordedBy(recorder, device.raw) });
    } else if (device.error instanceof TransportError) {
      recorder.recordFailedConnect(targets[i]?.where ?? "", device.error);
    } else continue;
    recorded = true;
  }
  return recorded;
}

async function workOn<T>(
  context: SessionContext,
  target: Target,
  reached: Promise<Reached> | undefined,
  work: (device: OpenDevice) => Promise<T>,
): Promise<DeviceRow<T> | null> {
  const { asked, where } = target;
  const device = await reached;
  try {
    if (device === undefined || "error" in device) throw device?.error;
    return { asked, where, ok: true, result: await useDevice(context, device.raw, work) };
  } catch (thrown) {
    const error = asHsmError(thrown);
    const atr = device !== undefined && "raw" in device ? device.raw.channel.atr : null;
    // Only a card that neither has the applet nor looks like one that should: a token that is broken is told.
    const foreign = error.code === "NOT_A_SMARTCARD_HSM" && atr !== null && recogniseAtr(atr) === null;
    return target.perhapsForeign && foreign ? null : { asked, where, ok: false, error };
  }
}
