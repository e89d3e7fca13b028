import type { TransportFault } from "../../../apdu/transport-error.ts";
import { maxBytes } from "../masked-hex.ts";
import type { Trace } from "../trace.ts";
import { ForeignBuilder } from "./foreign-builder.ts";
import { type LogLine, logLines } from "./log-lines.ts";

/** Bytes of a line of OpenSC's hex dumps; their characters stand behind them and can look like bytes. */
const dumpWidth = 16;

/** PC/SC codes (winscard) that OpenSC prints when SCardTransmit fails; all others are a failed exchange. */
const faults: Readonly<Record<string, TransportFault>> = {
  "80100068": "CARD_RESET",
  "80100069": "CARD_REMOVED",
  "80100066": "CARD_MUTE",
  "80100017": "READER_GONE",
};

/** The dump that is being read: how many of its bytes are still to come. */
interface OpenDump {
  readonly direction: "Outgoing" | "Incoming";
  readonly line: number;
  readonly length: number;
  readonly bytes: number[];
}

/**
 * Reads a debug log of OpenSC (`OPENSC_DEBUG=9`): its `Outgoing APDU (n bytes):` and `Incoming APDU …` dumps, in the
 * spelling of 0.16 and later and in the older `APDU data [ n bytes] ====`, with readers, ATRs and the ends of
 * connections from the lines around them. Several processes may have written one after the other. All other lines,
 * which hold values of PKCS#11 calls, are left out.
 * @param name of the file, for errors
 * @throws HsmError `TRACE_INVALID` with the line
 */
export function readOpenscLog(text: string, name: string): Trace {
  const builder = new ForeignBuilder(name);
  builder.header["tool"] = "OpenSC";
  const state = new OpenscReader(builder);
  for (const line of logLines(text)) state.read(line);
  return state.finish();
}

class OpenscReader {
  readonly #builder: ForeignBuilder;
  #dump: OpenDump | undefined;
  #reader: string | undefined;

  constructor(builder: ForeignBuilder) {
    this.#builder = builder;
  }

  read({ number, text }: LogLine): void {
    if (this.#dump !== undefined) {
      this.#readDump(this.#dump, number, text);
      return;
    }
    const head = /(Outgoing|Incoming) APDU (?:data )?[([]\s*(\d{1,6}) bytes?[)\]]/.exec(text);
    if (head !== null) {
      const length = Number(head[2]);
      if (length > maxBytes) this.#builder.refuse(number, `${length} bytes are more than any APDU has`);
      this.#dump = { direction: head[1] as OpenDump["direction"], line: number, length, bytes: [] };
      this.#endDump(this.#dump);
      return;
    }
    this.#readEvent(number, text);
  }

  finish(): Trace {
    if (this.#dump !== undefined) {
      this.#builder.refuse(this.#dump.line, "the log ends inside this dump: it is cut off");
    }
    return this.#builder.finish();
  }

  #readDump(dump: OpenDump, number: number, text: string): void {
    const wanted = Math.min(dumpWidth, dump.length - dump.bytes.length);
    const words = text.slice(0, 3 * wanted).trimEnd();
    if (words.length !== 3 * wanted - 1 || !/^[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2})*$/.test(words)) {
      const missing = `${wanted} bytes of the dump of line ${dump.line} are expected here`;
      this.#builder.refuse(number, `${missing}: the log is cut off, or another program wrote into it`);
    }
    for (const word of words.split(" ")) dump.bytes.push(Number.parseInt(word, 16));
    this.#endDump(dump);
  }

  #endDump(dump: OpenDump): void {
    if (dump.bytes.length < dump.length) return;
    this.#dump = undefined;
    const bytes = Uint8Array.from(dump.bytes);
    if (dump.direction === "Outgoing") this.#builder.command(dump.line, bytes);
    else this.#builder.answer(dump.line, bytes);
  }

  #readEvent(number: number, text: string): void {
    const builder = this.#builder;
    const version = /opensc version: (\S{1,40})/.exec(text)?.[1];
    if (version !== undefined) builder.header["tool"] = `OpenSC ${version}`;
    const reader = /refresh_attributes: (.+) check$/.exec(text)?.[1];
    if (reader !== undefined) this.#reader = reader;
    if (/\bpcsc_connect: called/.test(text)) builder.connect(number, this.#reader);
    const atr = /match_atr_table: ATR +: ([0-9A-Fa-f:]+)$/.exec(text)?.[1];
    if (atr !== undefined) builder.atr(builder.readAtr(number, atr));
    if (/SCardDisconnect returned: /.test(text)) builder.close(number);
    const failure = /SCardTransmit(?:\/Control)? failed: 0x([0-9A-Fa-f]{8})/.exec(text)?.[1]?.toLowerCase();
    if (failure !== undefined) {
      builder.fault(number, faults[failure] ?? "EXCHANGE_FAILED", `SCardTransmit: 0x${failure}, says the log`);
    }
    if (/pcsc_reconnect: Reconnecting to the card/.test(text) && !builder.silent) builder.reset(number, "warm");
  }
}
