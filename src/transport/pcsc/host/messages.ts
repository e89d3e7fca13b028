/** What the main process and its reader host say to each other. One host serves one card connection at a time. */
import type { PcscFailure } from "../pcsc-codes.ts";
import type { ReaderInfo } from "../reader-info.ts";

export type Share = "shared" | "exclusive";

export type HostRequest =
  /** Load a binding, connect to PC/SC, and answer once the list of readers is whole. */
  | { readonly do: "start"; readonly driver: string | null }
  /** Load one binding and say how that went; nothing is opened. */
  | { readonly do: "probe"; readonly driver: string }
  | { readonly do: "connect"; readonly reader: string; readonly share: Share }
  | { readonly do: "transmit"; readonly command: Uint8Array }
  | { readonly do: "reset" }
  /** Leave the card as it is and give it back. */
  | { readonly do: "disconnect" };

export interface HostAnswers {
  start: { readonly driver: string; readonly readers: readonly ReaderInfo[] };
  probe: BindingProbeAnswer;
  connect: { readonly atr: Uint8Array };
  transmit: { readonly answer: Uint8Array };
  reset: { readonly atr: Uint8Array };
  disconnect: Record<string, never>;
}

export interface BindingProbeAnswer {
  readonly loads: boolean;
  readonly version: string | null;
  /** Why it does not load, in Node's words. */
  readonly error: string | null;
}

export type HostFailure =
  | {
      readonly kind: "pcsc";
      readonly driver: string;
      readonly failure: PcscFailure;
      /** What PC/SC said first, where the host found out more by looking again. */
      readonly first: PcscFailure | null;
      /** Another program had reset the card, and the host has connected to it again: its ATR. */
      readonly reconnected: Uint8Array | null;
    }
  | { readonly kind: "not-loadable"; readonly reasons: readonly { readonly driver: string; readonly reason: string }[] }
  | { readonly kind: "other"; readonly text: string };

export type ToHost = HostRequest & { readonly id: number };

export type FromHost =
  | { readonly id: number; readonly ok: true; readonly result: HostAnswers[keyof HostAnswers] }
  | { readonly id: number; readonly ok: false; readonly failure: HostFailure }
  | { readonly event: "readers"; readonly readers: readonly ReaderInfo[] }
  /** PC/SC stopped telling about readers: the service went away. */
  | { readonly event: "broken"; readonly failure: PcscFailure };
