/**
 * pcsc-mini (npm, kofi-q): prebuilt for every Node, so it stands in where pcsclite cannot load. Its traps, and what is
 * done here: `start` throws when there is no service; no event says "that was the whole list", so it is taken as whole
 * after a moment of silence; its errors have names instead of numbers; its buffer is too
 * small for extended answers unless one is given; the ATR of its reader events is not the card's, so a reader's ATR is
 * known only after a connection.
 */
import { createRequire } from "node:module";
import { codeOfName, PcscFailureError, pcscCodes } from "../pcsc-codes.ts";
import { type ReaderInfo, readerInfo } from "../reader-info.ts";
import { type BindingCard, type BindingListener, longestAnswer, type PcscBinding } from "./binding.ts";
import type { Share } from "./messages.ts";

/** The first list is whole when nothing was told for so long: after a reader was told, or when there is none. */
const quietMs = { afterNews: 40, withoutNews: 300 } as const;

/** What is used of it. Its own types cannot be: where it did not install they are absent, and the build must go on. */
interface PcscMini {
  readonly Client: new () => Client;
  readonly CardMode: { readonly EXCLUSIVE: number; readonly SHARED: number };
  readonly CardDisposition: { readonly LEAVE: number; readonly RESET: number };
}

interface Client {
  on(type: "reader", listener: (reader: Reader) => void): unknown;
  on(type: "error", listener: (error: unknown) => void): unknown;
  start(): unknown;
  reader(name: string): Reader | undefined;
}

interface Reader {
  name(): string;
  on(type: "change", listener: (status: { readonly raw: number }) => void): unknown;
  on(type: "disconnect", listener: () => void): unknown;
  connect(mode: number): Promise<Card>;
}

interface Card {
  state(): Promise<{ readonly atr: Uint8Array }>;
  transmit(command: Uint8Array, room: ArrayBuffer): Promise<Uint8Array>;
  reconnect(mode: number, action: number): Promise<unknown>;
  disconnect(action: number): Promise<void>;
}

export async function loadPcscMini(): Promise<PcscBinding> {
  const load = createRequire(import.meta.url);
  return new PcscMiniBinding(load("pcsc-mini") as PcscMini);
}

class PcscMiniBinding implements PcscBinding {
  readonly #mini: PcscMini;
  readonly #readers = new Map<string, ReaderInfo>();
  #listener: BindingListener | null = null;
  #client: Client | null = null;

  constructor(module: PcscMini) {
    this.#mini = module;
  }

  async start(listener: BindingListener): Promise<void> {
    const client = new this.#mini.Client();
    this.#client = client;
    await new Promise<void>((resolve, reject) => {
      let quiet = setTimeout(resolve, quietMs.withoutNews);
      const news = (): void => {
        if (this.#listener !== null) {
          this.#tell();
          return;
        }
        clearTimeout(quiet);
        quiet = setTimeout(resolve, quietMs.afterNews);
      };
      client.on("reader", (reader) => this.#added(reader, news));
      client.on("error", (error) => {
        clearTimeout(quiet);
        const why = failure("SCardGetStatusChange", error);
        if (this.#listener === null) reject(why);
        else listener.broken({ call: why.call, code: why.code, text: why.text });
      });
      try {
        client.start();
      } catch (error) {
        clearTimeout(quiet);
        reject(failure("SCardEstablishContext", error));
      }
    });
    this.#listener = listener;
    this.#tell();
  }

  #added(reader: Reader, news: () => void): void {
    const name = reader.name();
    this.#readers.set(name, readerInfo(name, 0, null));
    news();
    // The ATR that comes with the event is not the card's (0.1.3 hands out memory it has given back): see connect.
    reader.on("change", (status) => {
      const state = readerInfo(name, status.raw, null);
      const known = state.state === "empty" ? null : (this.#readers.get(name)?.atr ?? null);
      this.#readers.set(name, { ...state, atr: known });
      news();
    });
    reader.on("disconnect", () => {
      this.#readers.delete(name);
      news();
    });
  }

  #tell(): void {
    this.#listener?.readers([...this.#readers.values()]);
  }

  async connect(name: string, share: Share): Promise<BindingCard> {
    const reader = this.#client?.reader(name);
    if (reader === undefined)
      throw new PcscFailureError("SCardConnect", pcscCodes.unknownReader, `no reader "${name}"`);
    const { CardMode, CardDisposition } = this.#mini;
    const mode = share === "exclusive" ? CardMode.EXCLUSIVE : CardMode.SHARED;
    const card = await call("SCardConnect", () => reader.connect(mode));
    const atr = async (): Promise<Uint8Array> => new Uint8Array((await call("SCardStatus", () => card.state())).atr);
    const first = await atr();
    const info = this.#readers.get(name);
    if (info !== undefined && info.state !== "empty") this.#readers.set(name, { ...info, atr: first });
    return {
      atr: first,
      async transmit(command) {
        const room = new ArrayBuffer(longestAnswer);
        return new Uint8Array(await call("SCardTransmit", () => card.transmit(command, room)));
      },
      async reconnect(how) {
        const action = how === "reset" ? CardDisposition.RESET : CardDisposition.LEAVE;
        await call("SCardReconnect", () => card.reconnect(mode, action));
        return atr();
      },
      disconnect: () => call("SCardDisconnect", () => card.disconnect(CardDisposition.LEAVE)),
    };
  }
}

async function call<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failure(name, error);
  }
}

function failure(name: string, error: unknown): PcscFailureError {
  const text = error instanceof Error ? error.message : String(error);
  const given = (error as { code?: unknown } | null)?.code;
  const code = codeOfName(given) ?? codeOfName(/^\[ (\w+) \]/.exec(text)?.[1]);
  return new PcscFailureError(name, code, typeof given === "string" ? `${given}: ${text}` : text);
}
