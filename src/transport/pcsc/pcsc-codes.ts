/** Error codes of PC/SC that the code names (pcsc-lite `pcsclite.h`, Windows `winerror.h`: the same numbers). */
export const pcscCodes = {
  invalidHandle: 0x8010_0003,
  unknownReader: 0x8010_0009,
  timeout: 0x8010_000a,
  sharingViolation: 0x8010_000b,
  noSmartcard: 0x8010_000c,
  protoMismatch: 0x8010_000f,
  notReady: 0x8010_0010,
  commError: 0x8010_0013,
  notTransacted: 0x8010_0016,
  readerUnavailable: 0x8010_0017,
  noService: 0x8010_001d,
  serviceStopped: 0x8010_001e,
  noReadersAvailable: 0x8010_002e,
  commDataLost: 0x8010_002f,
  unresponsiveCard: 0x8010_0066,
  unpoweredCard: 0x8010_0067,
  resetCard: 0x8010_0068,
  removedCard: 0x8010_0069,
  securityViolation: 0x8010_006a,
} as const;

/** What a failed call into PC/SC left behind, as it travels from the reader host to the main process. */
export interface PcscFailure {
  /** Which call failed: `SCardConnect`, `SCardTransmit`. */
  readonly call: string;
  /** The code as an unsigned number, `null` where the binding gave none. */
  readonly code: number | null;
  /** The binding's own words, for `cause`. May be localised. */
  readonly text: string;
}

/** A {@link PcscFailure} on its way inside the reader host. */
export class PcscFailureError extends Error implements PcscFailure {
  readonly call: string;
  readonly code: number | null;
  readonly text: string;

  constructor(call: string, code: number | null, text: string) {
    super(text);
    this.name = "PcscFailureError";
    this.call = call;
    this.code = code;
    this.text = text;
  }
}

/**
 * The code at the end of pcsclite's messages, `SCardConnect error: Sharing violation.(0x8010000b)`. The words before it
 * are localised on Windows, so only the digits in the last parentheses count. 64-bit systems may extend the sign.
 * @returns `null` when the message ends in no code
 */
export function codeAtEnd(message: string): number | null {
  const match = /\(0x(?:f{8})?([0-9a-f]{8})\)\s*$/i.exec(message);
  return match?.[1] === undefined ? null : Number.parseInt(match[1], 16);
}

/** Code of an error name as pcsc-mini spells it, `"NoService"`; `null` for names that are not PC/SC's. */
export function codeOfName(name: unknown): number | null {
  return typeof name === "string" ? (names.get(name) ?? null) : null;
}

const names = new Map<string, number>([
  ["InvalidHandle", pcscCodes.invalidHandle],
  ["UnknownReader", pcscCodes.unknownReader],
  ["Timeout", pcscCodes.timeout],
  ["SharingViolation", pcscCodes.sharingViolation],
  ["NoSmartCard", pcscCodes.noSmartcard],
  ["ProtoMismatch", pcscCodes.protoMismatch],
  ["NotReady", pcscCodes.notReady],
  ["CommError", pcscCodes.commError],
  ["NotTransacted", pcscCodes.notTransacted],
  ["ReaderUnavailable", pcscCodes.readerUnavailable],
  ["NoService", pcscCodes.noService],
  ["ServiceStopped", pcscCodes.serviceStopped],
  ["NoReadersAvailable", pcscCodes.noReadersAvailable],
  ["CommDataLost", pcscCodes.commDataLost],
  ["UnresponsiveCard", pcscCodes.unresponsiveCard],
  ["UnpoweredCard", pcscCodes.unpoweredCard],
  ["ResetCard", pcscCodes.resetCard],
  ["RemovedCard", pcscCodes.removedCard],
  ["SecurityViolation", pcscCodes.securityViolation],
]);

/**
 * The service went away: everything that was opened through it is worthless. A `commError` is the line to the service
 * (pcsc-lite's words: "RPC transport error"), not the one to the card: pcscd that dies leaves this in every call.
 */
export function isServiceLoss(code: number | null): boolean {
  return code === pcscCodes.noService || code === pcscCodes.serviceStopped || code === pcscCodes.commError;
}

/** Failures that pulling the card or the reader out also causes, before PC/SC has noticed the pulling. */
export function mayBeRemoval(code: number | null): boolean {
  return code !== null && removalLike.has(code);
}

const removalLike = new Set<number>([
  pcscCodes.invalidHandle,
  pcscCodes.notTransacted,
  pcscCodes.commDataLost,
  pcscCodes.notReady,
  pcscCodes.unpoweredCard,
]);
