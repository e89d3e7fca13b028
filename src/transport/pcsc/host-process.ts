import type { ChildProcess } from "node:child_process";
import { timeout } from "../../apdu/deadline.ts";
import { TransportError } from "../../apdu/transport-error.ts";
import { messageOf } from "../../errors.ts";
import { pcscError, transportErrorOf } from "./failures.ts";
import type { FromHost, HostAnswers, HostRequest } from "./host/messages.ts";
import { findHostEntry, startHost } from "./host/start-host.ts";
import { isServiceLoss, type PcscFailure } from "./pcsc-codes.ts";
import type { ReaderInfo } from "./reader-info.ts";

interface Waiting {
  readonly where: string;
  resolve(result: HostAnswers[keyof HostAnswers]): void;
  reject(error: unknown): void;
}

export interface RequestLimit {
  /** For messages: `reader "NAME"`. */
  readonly where: string;
  /** For the message of a missed deadline: `a command`. */
  readonly what: string;
  /** Milliseconds until the host is killed. */
  readonly ms: number;
  /** What to do after a missed deadline, where no card was concerned. */
  readonly advice?: string;
}

/**
 * The main process's end of a reader host. Every request has a deadline; one that is missed kills the host, because a
 * native thread that does not come back cannot be ended in any other way.
 */
export class HostProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #end: TransportError | null = null;
  /** Told of every change of the readers, and of the host's end. */
  onNews: (() => void) | null = null;
  readers: readonly ReaderInfo[] = [];

  /** @param entry the compiled `host/reader-host`; where it lies is found out when absent */
  constructor(entry: string | undefined) {
    const path = entry ?? findHostEntry();
    if (path === null) {
      throw new TransportError("BINDING_NOT_LOADABLE", "this installation has no reader host", {
        advice: "build the project with `npm run build`, or install it again",
        layer: "reader host",
      });
    }
    this.#child = startHost(path);
    this.#child.on("message", (message: FromHost) => this.#heard(message));
    this.#child.on("error", (error) => this.#over(`could not be started: ${messageOf(error)}`, error));
    this.#child.on("exit", (code, signal) => this.#over(`ended unexpectedly (${signal ?? `exit ${code}`})`));
    this.#holdOpen();
  }

  /** Why it can no longer be used, or `null`. */
  get end(): TransportError | null {
    return this.#end;
  }

  get busy(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * @throws TransportError
   */
  async request<Name extends HostRequest["do"]>(
    request: HostRequest & { readonly do: Name },
    limit: RequestLimit,
  ): Promise<HostAnswers[Name]> {
    if (this.#end !== null) throw this.#end;
    const id = this.#next++;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      return await new Promise<HostAnswers[Name]>((resolve, reject) => {
        const take = (result: HostAnswers[keyof HostAnswers]): void => resolve(result as HostAnswers[Name]);
        this.#waiting.set(id, { where: limit.where, resolve: take, reject });
        timer = setTimeout(
          () => this.kill(timeout(limit.where, limit.what, limit.ms, { layer: "reader host", advice: limit.advice })),
          Math.min(limit.ms, 2 ** 31 - 1),
        );
        this.#holdOpen();
        this.#child.send({ ...request, id }, (error) => {
          if (error !== null) this.#over(`does not listen: ${messageOf(error)}`, error);
        });
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
      this.#holdOpen();
    }
  }

  /** Ends the host at once; the card, if it holds one, is given back by the PC/SC service. */
  kill(reason: TransportError = new TransportError("CHANNEL_CLOSED", "the connection to the reader was closed")): void {
    this.#stop(reason);
    this.#child.kill("SIGKILL");
    if (this.#child.connected) this.#child.disconnect();
  }

  /** Lets the host give the card back and end by itself. One with a command on its way is killed. */
  dismiss(): void {
    if (this.busy || this.#end !== null) {
      this.kill();
      return;
    }
    this.#stop(new TransportError("CHANNEL_CLOSED", "PC/SC was closed already"));
    this.#holdOpen();
    if (this.#child.connected) this.#child.disconnect();
  }

  #heard(message: FromHost): void {
    if ("event" in message) {
      if (message.event === "broken") this.#broken(message.failure);
      else this.readers = message.readers;
      this.onNews?.();
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    if (message.ok) waiting.resolve(message.result);
    else waiting.reject(transportErrorOf(message.failure, waiting.where));
  }

  /** Set when the host no longer hears of readers: its list is stale, but a connection may still work. */
  stale = false;

  #broken(failure: PcscFailure): void {
    this.stale = true;
    if (isServiceLoss(failure.code)) this.kill(pcscError(failure, "PC/SC", { layer: "reader host" }));
  }

  #over(what: string, cause?: unknown): void {
    const advice = "`hsmadm doctor` tells which PC/SC binding works on this machine; `--driver` picks one";
    this.#stop(
      new TransportError("EXCHANGE_FAILED", `the reader host ${what}`, { advice, layer: "reader host", cause }),
    );
  }

  #stop(reason: TransportError): void {
    if (this.#end !== null) return;
    this.#end = reason;
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
    this.#waiting.clear();
    this.onNews?.();
  }

  /** An idle host must not keep the command from ending. */
  #holdOpen(): void {
    if (this.busy || this.onNews !== null) {
      this.#child.ref();
      this.#child.channel?.ref();
    } else {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }

  /** Listens for news until called again with `null`; keeps the process alive meanwhile. */
  listen(listener: (() => void) | null): void {
    this.onNews = listener;
    this.#holdOpen();
  }
}
