/**
 * pcsclite (npm, santigimeno): native, built at install against one Node version. Its traps, and what is done here:
 * the constructor throws when there is no service; "no readers" is not an event, so its `start` is listened in on;
 * connect is EXCLUSIVE unless told otherwise; `connect` on a reader it believes connected does nothing; there is no
 * reconnect; an answer longer than the buffer is an error; codes stand in the text only; what it calls back runs outside
 * of Node's own scope, so that promises settled there wait for the next event (Node >= 26.4, nodejs/node#66158).
 */
import { createRequire } from "node:module";
import { codeAtEnd, PcscFailureError } from "../pcsc-codes.ts";
import { type ReaderInfo, readerInfo } from "../reader-info.ts";
import { type BindingCard, type BindingListener, longestAnswer, type PcscBinding } from "./binding.ts";
import type { Share } from "./messages.ts";

/** What is used of it. Its own types cannot be: where it did not install they are absent, and the build must go on. */
type Pcsclite = () => Client;

interface Client {
  /** Given the native readers' list, or an error, each time it changes. Called by pcsclite itself. */
  start(told: (...list: unknown[]) => void): void;
  on(type: "error", listener: (error: unknown) => void): unknown;
  on(type: "reader", listener: (reader: CardReader) => void): unknown;
}

interface CardReader {
  readonly name: string;
  connected: boolean;
  readonly SCARD_SHARE_SHARED: number;
  readonly SCARD_SHARE_EXCLUSIVE: number;
  readonly SCARD_LEAVE_CARD: number;
  readonly SCARD_RESET_CARD: number;
  on(type: "status", listener: (status: { state: number; atr?: Uint8Array }) => void): unknown;
  on(type: "end", listener: () => void): unknown;
  on(type: "error", listener: (error: unknown) => void): unknown;
  connect(options: { share_mode: number }, done: (error: unknown, protocol: number) => void): void;
  disconnect(disposition: number, done: (error: unknown) => void): void;
  transmit(data: Buffer, longest: number, protocol: number, done: (error: unknown, answer: Buffer) => void): void;
}

/** The list is taken as whole after this time even if a reader has not told its state. */
const settleMs = 500;

export async function loadPcsclite(): Promise<PcscBinding> {
  const load = createRequire(import.meta.url);
  return new PcscliteBinding(load("pcsclite") as Pcsclite);
}

class PcscliteBinding implements PcscBinding {
  readonly #create: Pcsclite;
  readonly #readers = new Map<string, { readonly reader: CardReader; info: ReaderInfo | null }>();
  #listener: BindingListener | null = null;
  #client: Client | null = null;

  constructor(create: Pcsclite) {
    this.#create = create;
  }

  async start(listener: BindingListener): Promise<void> {
    let client: Client;
    try {
      client = this.#create();
    } catch (error) {
      throw failure("SCardEstablishContext", error);
    }
    // Kept, or the garbage collector would end the watching.
    this.#client = client;
    let batch = (): void => {};
    listenToBatches(
      client,
      later(() => batch()),
    );
    await new Promise<void>((resolve, reject) => {
      const settled = setTimeout(resolve, settleMs);
      let listed = false;
      const check = (): void => {
        if (!listed || [...this.#readers.values()].some((entry) => entry.info === null)) return;
        clearTimeout(settled);
        resolve();
      };
      batch = () => {
        listed = true;
        check();
      };
      const fail = (error: unknown): void => {
        clearTimeout(settled);
        const why = failure("SCardGetStatusChange", error);
        if (this.#listener === null) reject(why);
        else listener.broken({ call: why.call, code: why.code, text: why.text });
      };
      client.on("error", later(fail));
      client.on("reader", (reader: CardReader) => this.#added(reader, check, fail));
    });
    this.#listener = listener;
    this.#tell();
  }

  #added(reader: CardReader, told: () => void, fail: (error: unknown) => void): void {
    const entry: { readonly reader: CardReader; info: ReaderInfo | null } = { reader, info: null };
    this.#readers.set(reader.name, entry);
    const news = later((): void => {
      told();
      this.#tell();
    });
    reader.on("status", (status) => {
      entry.info = readerInfo(reader.name, status.state, status.atr);
      news();
    });
    reader.on("end", () => {
      if (this.#readers.get(reader.name) === entry) this.#readers.delete(reader.name);
      news();
    });
    reader.on("error", later(fail));
  }

  #tell(): void {
    const list = [...this.#readers.values()].map(({ reader, info }) => info ?? readerInfo(reader.name, 0, null));
    this.#listener?.readers(list);
  }

  async connect(name: string, share: Share): Promise<BindingCard> {
    const reader = this.#readers.get(name)?.reader;
    if (this.#client === null || reader === undefined) throw unknownReader(name);
    const mode = share === "exclusive" ? reader.SCARD_SHARE_EXCLUSIVE : reader.SCARD_SHARE_SHARED;
    const atr = (): Uint8Array => this.#readers.get(name)?.info?.atr ?? new Uint8Array(0);
    let protocol = await connect(reader, mode);
    return {
      atr: atr(),
      transmit: (command) => transmit(reader, command, protocol),
      async reconnect(how) {
        // Letting go of a card that was reset fails with just that news: the connecting afterwards is what counts.
        await disconnect(reader, how === "reset" ? reader.SCARD_RESET_CARD : reader.SCARD_LEAVE_CARD).catch(() => {});
        protocol = await connect(reader, mode);
        return atr();
      },
      disconnect: () => disconnect(reader, reader.SCARD_LEAVE_CARD),
    };
  }
}

/** Calls `seen` after each list of readers that arrives, the empty one included. */
function listenToBatches(client: Client, seen: () => void): void {
  const start = client.start;
  client.start = (told) =>
    start.call(client, (...list) => {
      told(...list);
      seen();
    });
}

/** From a callback of pcsclite into an event of Node's own, after which promises go on. */
function later<Told extends unknown[]>(work: (...told: Told) => void): (...told: Told) => void {
  return (...told) => void setImmediate(work, ...told);
}

function connect(reader: CardReader, mode: number): Promise<number> {
  reader.connected = false;
  return new Promise((resolve, reject) => {
    const done = later((error: unknown, protocol: number) =>
      error ? reject(failure("SCardConnect", error)) : resolve(protocol),
    );
    reader.connect({ share_mode: mode }, done);
  });
}

function disconnect(reader: CardReader, disposition: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = later((error: unknown) => (error ? reject(failure("SCardDisconnect", error)) : resolve()));
    reader.disconnect(disposition, done);
  });
}

function transmit(reader: CardReader, command: Uint8Array, protocol: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const done = later((error: unknown, answer: Buffer) =>
      error ? reject(failure("SCardTransmit", error)) : resolve(new Uint8Array(answer)),
    );
    reader.transmit(Buffer.from(command), longestAnswer, protocol, done);
  });
}

function unknownReader(name: string): PcscFailureError {
  return new PcscFailureError("SCardConnect", 0x8010_0009, `no reader "${name}"`);
}

function failure(call: string, error: unknown): PcscFailureError {
  const text = error instanceof Error ? error.message : String(error);
  const named = /^(SCard\w+) error/.exec(text)?.[1];
  return new PcscFailureError(named ?? call, codeAtEnd(text), text);
}
