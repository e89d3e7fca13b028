import { connect, type Socket } from "node:net";
import { HsmError, messageOf } from "../errors.ts";
import type { SimulatedCard } from "./channel.ts";
import { encodeFrame, FrameReader, type VpcdMessage, vpcdControl } from "./vpcd-frames.ts";

/** TCP port of vpcd's first reader; each further one has the next (0x8C7B). */
export const vpcdPort = 35_963;

export type VpcdEvent =
  | { readonly kind: "connected" | "disconnected" }
  /** Not there (yet): told once until it is. */
  | { readonly kind: "waiting"; readonly reason: string };

export interface ServeOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Ends the service. */
  readonly signal: AbortSignal;
  readonly onEvent?: ((event: VpcdEvent) => void) | undefined;
}

const firstPauseMs = 50;
const longestPauseMs = 2000;
const loopback: readonly string[] = ["127.0.0.1", "::1", "localhost"];

/**
 * Puts a token into a virtual reader of pcscd and answers for it until the signal ends it. When pcscd is not there or
 * goes away, it is tried again with growing pauses; the token is then out of the reader, and powered anew afterwards.
 * @returns after the end, when the last command is answered or given up
 * @throws HsmError `VPCD_HOST` (usage) for a host that is not this machine: the link has no protection of any kind
 */
export async function serveVpcd(token: SimulatedCard, options: ServeOptions): Promise<void> {
  const { host = "127.0.0.1", port = vpcdPort, signal, onEvent } = options;
  if (!loopback.includes(host)) {
    throw new HsmError("VPCD_HOST", "usage", `vpcd at ${host}: only this machine (127.0.0.1) is served`);
  }
  let pause = firstPauseMs;
  let told = false;
  while (!signal.aborted) {
    const socket = connect({ host, port, noDelay: true });
    const outcome = await session(token, socket, signal, () => {
      pause = firstPauseMs;
      told = false;
      onEvent?.({ kind: "connected" });
    });
    if (signal.aborted) break;
    if (outcome.connected) onEvent?.({ kind: "disconnected" });
    if (outcome.reason !== null && !told) onEvent?.({ kind: "waiting", reason: outcome.reason });
    told = outcome.reason !== null;
    await sleep(pause, signal);
    pause = Math.min(2 * pause, longestPauseMs);
  }
}

interface Outcome {
  readonly connected: boolean;
  /** Why the connection ended, `null` when the other end closed it. */
  readonly reason: string | null;
}

/** One connection, from its attempt to its end. */
function session(token: SimulatedCard, socket: Socket, signal: AbortSignal, onConnect: () => void): Promise<Outcome> {
  return new Promise((resolve) => {
    const reader = new FrameReader();
    let connected = false;
    let reason: string | null = null;
    // One after the other, in the order they came.
    let work: Promise<void> = Promise.resolve();
    const stop = () => socket.destroy();
    signal.addEventListener("abort", stop, { once: true });
    socket.on("connect", () => {
      connected = true;
      onConnect();
    });
    socket.on("data", (bytes) => {
      try {
        for (const message of reader.push(new Uint8Array(bytes))) {
          work = work
            .then(() => answer(token, socket, message))
            .catch((error: unknown) => {
              reason = messageOf(error);
              socket.destroy();
            });
        }
      } catch (error) {
        reason = messageOf(error);
        socket.destroy();
      }
    });
    socket.on("error", (error) => {
      reason = messageOf(error);
    });
    socket.on("close", () => {
      signal.removeEventListener("abort", stop);
      // A key that is being made is finished and saved before the token is given back.
      void work.then(() => resolve({ connected, reason }));
    });
  });
}

async function answer(token: SimulatedCard, socket: Socket, message: VpcdMessage): Promise<void> {
  if (socket.destroyed) return;
  if (message.kind === "command") {
    const response = await token.transceive(message.apdu);
    if (!socket.destroyed) socket.write(encodeFrame(response));
    return;
  }
  switch (message.code) {
    case vpcdControl.powerOn:
    case vpcdControl.powerOff:
    case vpcdControl.reset:
      token.reset();
      return;
    case vpcdControl.getAtr:
      socket.write(encodeFrame(token.profile.atr));
      return;
    default:
      throw new RangeError(`vpcd asked for ${message.code}, which is not known`);
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
