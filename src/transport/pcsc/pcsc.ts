/**
 * Real readers, over PC/SC. All native code lives in child processes ("reader hosts", see host/), one for each open
 * connection: a reader that stops answering ends by deadline and takes nothing else with it.
 */
import type { CardChannel } from "../../apdu/channel.ts";
import { isTransportFault, TransportError } from "../../apdu/transport-error.ts";
import type { DriverName } from "./driver-name.ts";
import type { Share } from "./host/messages.ts";
import { HostProcess, type RequestLimit } from "./host-process.ts";
import { connectChannel } from "./pcsc-channel.ts";
import { type ReaderEvent, type ReaderInfo, readerChanges } from "./reader-info.ts";

export interface PcscOptions {
  /** Which binding; absent: the first that loads. */
  readonly driver?: DriverName | undefined;
  /** Milliseconds for every single call, unless a command is known to take longer. */
  readonly timeoutMs: number;
  /** Path of the compiled reader host, where it does not lie beside this code (tests). */
  readonly hostEntry?: string | undefined;
}

export interface Pcsc {
  /** The binding in use. */
  readonly driver: string;
  listReaders(): Promise<ReaderInfo[]>;
  /** First what is there now (as added and inserted), then every change, until `signal` aborts. Survives a restart of the service. */
  watch(signal: AbortSignal): AsyncIterable<ReaderEvent>;
  /** Shared for reading, exclusive for writes of several steps. The card is left as it is on close. */
  connect(reader: string, options: { readonly share: Share }): Promise<CardChannel>;
  /** Ends everything, connections included. */
  close(): Promise<void>;
}

/**
 * @throws TransportError `SERVICE_NOT_RUNNING`, `ACCESS_REFUSED`, `BINDING_NOT_LOADABLE`, `TIMEOUT`
 */
export async function openPcsc(options: PcscOptions): Promise<Pcsc> {
  const pcsc = new HostPool(options);
  await pcsc.listReaders();
  return pcsc;
}

const retryServiceMs = 500;

class HostPool implements Pcsc {
  driver = "";
  readonly #options: PcscOptions;
  readonly #idle: HostProcess[] = [];
  readonly #all = new Set<HostProcess>();
  #closed = false;

  constructor(options: PcscOptions) {
    this.#options = options;
  }

  listReaders(): Promise<ReaderInfo[]> {
    return this.#withHost(async (host) => {
      this.#release(host);
      return [...host.readers];
    });
  }

  connect(reader: string, { share }: { readonly share: Share }): Promise<CardChannel> {
    return this.#withHost((host) => {
      if (!host.readers.some(({ name }) => name === reader)) throw noSuchReader(reader, host.readers);
      return connectChannel(host, reader, share, this.#options.timeoutMs, () => this.#release(host));
    });
  }

  async *watch(signal: AbortSignal): AsyncGenerator<ReaderEvent> {
    let known: readonly ReaderInfo[] = [];
    let running = true;
    while (!signal.aborted) {
      let host: HostProcess;
      try {
        host = await this.#acquire();
      } catch (error) {
        if (!isTransportFault(error, "SERVICE_NOT_RUNNING")) throw error;
        if (running) yield { change: "service-stopped" };
        running = false;
        await pause(retryServiceMs, signal);
        continue;
      }
      if (!running) yield { change: "service-started" };
      running = true;
      try {
        while (!signal.aborted && host.end === null && !host.stale) {
          const now = host.readers;
          yield* readerChanges(known, now);
          known = now;
          if (host.readers === now && host.end === null && !host.stale) await news(host, signal);
        }
      } finally {
        host.listen(null);
        this.#release(host);
      }
      if (signal.aborted) return;
      yield* readerChanges(known, []);
      known = [];
      if (this.#closed) return;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const host of this.#all) host.dismiss();
    this.#all.clear();
    this.#idle.length = 0;
  }

  /**
   * Does something that presents nothing to a card. When the service had gone away in the meantime the host is dropped
   * and a new one asked, once.
   */
  async #withHost<T>(work: (host: HostProcess) => Promise<T>): Promise<T> {
    let first: unknown;
    for (let attempt = 1; ; attempt++) {
      let host: HostProcess | null = null;
      try {
        host = await this.#acquire();
        return await work(host);
      } catch (error) {
        if (host !== null && !this.#idle.includes(host)) this.#release(host);
        const lost = isTransportFault(error, "SERVICE_NOT_RUNNING");
        // The service was there when the first host started: a service that is absent altogether needs no second look.
        if (!lost || this.driver === "") throw error;
        if (attempt > 1) throw again(error, attempt, first);
        first = error;
      }
    }
  }

  /** An idle host that is still good, or a new one. */
  async #acquire(): Promise<HostProcess> {
    if (this.#closed) throw new TransportError("CHANNEL_CLOSED", "PC/SC was closed already");
    for (let host = this.#idle.pop(); host !== undefined; host = this.#idle.pop()) {
      if (host.end === null && !host.stale) return host;
      this.#drop(host);
    }
    const host = new HostProcess(this.#options.hostEntry);
    this.#all.add(host);
    try {
      const driver = this.#options.driver ?? null;
      const started = await host.request({ do: "start", driver }, startLimit(this.#options.timeoutMs));
      this.driver = started.driver;
      if (host.readers.length === 0) host.readers = started.readers;
      return host;
    } catch (error) {
      this.#drop(host);
      throw error;
    }
  }

  #release(host: HostProcess): void {
    if (this.#closed || host.end !== null || host.stale || host.busy) this.#drop(host);
    else this.#idle.push(host);
  }

  #drop(host: HostProcess): void {
    this.#all.delete(host);
    host.kill();
  }
}

/** A busy machine needs its time to start a process: a short deadline is meant for the card. */
const startMs = 3000;

function startLimit(timeoutMs: number): RequestLimit {
  return {
    where: "PC/SC",
    what: "the first call",
    ms: Math.max(timeoutMs, startMs),
    advice: "the service or the driver of a reader hangs: `systemctl restart pcscd`, and unplug the readers one by one",
  };
}

function news(host: HostProcess, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener("abort", done);
      host.listen(null);
      resolve();
    };
    signal.addEventListener("abort", done);
    host.listen(done);
    // An abort from before would never be told.
    if (signal.aborted) done();
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

function noSuchReader(name: string, readers: readonly ReaderInfo[]): TransportError {
  if (readers.length === 0) {
    return new TransportError("NO_READER", "no card reader is connected", {
      advice: "plug in a reader or a token; `hsmadm doctor` shows what PC/SC sees",
    });
  }
  const there = readers.map((reader) => `"${reader.name}"`).join(", ");
  return new TransportError("NO_READER", `no reader is named "${name}"`, {
    advice: `readers that are there: ${there}`,
  });
}

function again(error: TransportError, attempts: number, firstCause: unknown): TransportError {
  const { advice, layer, details } = error;
  return new TransportError(error.code, error.message, { advice, layer, details, attempts, firstCause, cause: error });
}
