import { concat } from "../bytes/bytes.ts";
import { toHex } from "../bytes/hex.ts";
import { HsmError } from "../errors.ts";

/** A command APDU (ISO 7816-4 section 5.1). */
export interface CommandApdu {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  /** Absent or empty: no Lc is sent (case 1 or 2). At most 65535 bytes. */
  readonly data?: Uint8Array | undefined;
  /** Bytes wanted at most, 1-65536; absent: none are asked for (case 1 or 3). 256 is short `00`, 65536 extended `0000`. */
  readonly le?: number | undefined;
  /** Forces the extended form where the short one would do: SmartCard-HSM wants it for READ BINARY and others. */
  readonly extended?: boolean | undefined;
}

export const shortLimits = { data: 255, le: 256 } as const;
export const extendedLimits = { data: 65_535, le: 65_536 } as const;

/** Whether the command goes out in the extended form. */
export function isExtended(command: CommandApdu): boolean {
  const length = command.data?.length ?? 0;
  if (length > shortLimits.data || (command.le ?? 0) > shortLimits.le) return true;
  return command.extended === true && (length > 0 || command.le !== undefined);
}

/** @throws HsmError `APDU_INVALID` when a field is out of range: a fault of the caller */
export function encodeCommand(command: CommandApdu): Uint8Array {
  const { cla, ins, p1, p2, le } = command;
  for (const [name, value] of Object.entries({ cla, ins, p1, p2 })) {
    if (!Number.isInteger(value) || value < 0 || value > 0xff) throw invalid(`${name} ${value} is not a byte`);
  }
  const data = command.data ?? new Uint8Array(0);
  if (data.length > extendedLimits.data) throw invalid(`${data.length} bytes of data are more than 65535`);
  if (le !== undefined && (!Number.isInteger(le) || le < 1 || le > extendedLimits.le)) {
    throw invalid(`Le ${le} is not in 1-65536`);
  }
  const parts: Uint8Array[] = [Uint8Array.of(cla, ins, p1, p2)];
  if (!isExtended(command)) {
    if (data.length > 0) parts.push(Uint8Array.of(data.length), data);
    if (le !== undefined) parts.push(Uint8Array.of(le & 0xff));
    return concat(...parts);
  }
  parts.push(Uint8Array.of(0));
  if (data.length > 0) parts.push(Uint8Array.of(data.length >> 8, data.length & 0xff), data);
  if (le !== undefined) parts.push(Uint8Array.of((le >> 8) & 0xff, le & 0xff));
  return concat(...parts);
}

/**
 * The inverse of {@link encodeCommand}, for the simulator and for reading traces.
 * @throws HsmError `APDU_INVALID` when the bytes are no APDU of any case
 */
export function decodeCommand(bytes: Uint8Array): CommandApdu {
  const [cla, ins, p1, p2] = bytes;
  if (cla === undefined || ins === undefined || p1 === undefined || p2 === undefined) {
    throw invalid(`${bytes.length} bytes are no command APDU, its header alone has 4`);
  }
  const header = { cla, ins, p1, p2 };
  const body = bytes.subarray(4);
  const [b0, b1, b2] = body;
  if (b0 === undefined) return header;
  if (body.length === 1) return { ...header, le: b0 === 0 ? 256 : b0 };
  if (b0 !== 0) {
    if (body.length === 1 + b0) return { ...header, data: body.subarray(1) };
    if (body.length === 2 + b0)
      return { ...header, data: body.subarray(1, 1 + b0), le: (body[1 + b0] as number) || 256 };
    throw invalid(`Lc is ${b0}, but ${body.length - 1} bytes follow`, bytes);
  }
  if (b1 === undefined || b2 === undefined) throw invalid("extended length is cut off", bytes);
  const length = b1 * 256 + b2;
  if (body.length === 3) return { ...header, le: length === 0 ? 65_536 : length, extended: true };
  if (length > 0 && body.length === 3 + length) return { ...header, data: body.subarray(3), extended: true };
  if (length > 0 && body.length === 5 + length) {
    const le = (body[3 + length] as number) * 256 + (body[4 + length] as number);
    return { ...header, data: body.subarray(3, 3 + length), le: le || 65_536, extended: true };
  }
  throw invalid(`extended Lc is ${length}, but ${body.length - 3} bytes follow`, bytes);
}

// Only the header is printed: the data of a command may be a PIN.
function invalid(problem: string, bytes?: Uint8Array): HsmError {
  const where = bytes === undefined ? "" : ` (${toHex(bytes.subarray(0, 4), " ")} …)`;
  return new HsmError("APDU_INVALID", "unexpected", `not a command APDU: ${problem}${where}`);
}
