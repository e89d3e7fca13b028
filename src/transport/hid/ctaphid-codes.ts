/** CTAPHID commands, without the bit that marks a first packet (CTAP 2.1, 11.2.9). */
export const hidCommands = {
  ping: 0x01,
  init: 0x06,
  cbor: 0x10,
  cancel: 0x11,
  keepAlive: 0x3b,
  error: 0x3f,
  /** From here on they are the maker's. */
  firstVendor: 0x40,
} as const;

/** Bits of the capabilities byte of an INIT answer. */
export const hidCapabilities = { wink: 0x01, cbor: 0x04, noU2f: 0x08 } as const;

export const hidErrors = {
  channelBusy: 0x06,
  invalidChannel: 0x0b,
} as const;

const errorNames: Readonly<Record<number, string>> = {
  1: "invalid command",
  2: "invalid parameter",
  3: "invalid length",
  4: "wrong sequence number",
  5: "message timeout",
  6: "channel busy",
  10: "lock required",
  11: "invalid channel",
  127: "other error",
};

/** The byte of an ERROR packet in words. */
export function hidErrorName(code: number): string {
  const number = code.toString(16).toUpperCase().padStart(2, "0");
  return `CTAPHID error ${number}, ${errorNames[code] ?? "unknown"}`;
}
