import { equal } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { Terminal } from "../io.ts";
import { askHelper, readSecretFd, readSecretFile, readSecretVariable } from "./secret-readers.ts";
import { parseSecretSource, type SecretSource, sourceGrammar } from "./secret-source.ts";

/** What a prompt says before it asks: whose PIN, how many tries, what is at stake. */
export interface PromptSubject {
  /** `demo, UTSIM0A1B2C, SIMULATED`. */
  readonly token: string;
  /** `2 tries left; a wrong one costs a try`. */
  readonly stake: string;
  /** Asks twice, or once, whatever the wish says: `device init` learns only now whether it sets the SO-PIN or presents it. */
  readonly isNew?: boolean;
}

export interface SecretWish {
  /** As typed: `pin`, `new-so-pin`. */
  readonly option: string;
  /** `user PIN`, `new SO-PIN`. */
  readonly name: string;
  readonly isNew: boolean;
  /** How it is typed, where that is not plain: `16 hex digits`. */
  readonly form?: string;
  /** Goes to a device that cannot prove what it is, which `--require-genuine` rules out. */
  readonly unprovable?: boolean;
  /** Refuses a malformed value before anything is sent, and gives the form the driver wants. @throws HsmError */
  readonly check: (bytes: Uint8Array) => Uint8Array;
}

/** A secret that is there, or can be asked for. */
export interface Secret {
  value(subject: PromptSubject): Promise<Uint8Array>;
}

const promptAttempts = 3;

/**
 * Reads secrets from where the command line says. What can be read without a person is read and checked at once,
 * before a card is touched; a prompt waits until the token and its tries are known.
 */
export class SecretReader {
  readonly #context: CommandContext;
  readonly #fds = new Set<number>();
  #helperGone = false;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  /** @throws HsmError of kind `usage` when the source is no source, cannot be read, or nobody can be asked */
  async open(wish: SecretWish): Promise<Secret> {
    return this.openFrom(wish, this.#context.args.text(wish.option));
  }

  /** As {@link open}, the SOURCE as it was typed: one of several values of an option. */
  async openFrom(wish: SecretWish, text: string | undefined): Promise<Secret> {
    const { output, globals } = this.#context;
    if (globals.requireGenuine && wish.unprovable === true)
      return { value: async () => Promise.reject(notProvable(wish)) };
    const option = `--${wish.option}`;
    if (text === undefined) {
      // Logged in already: the PIN is not presented again, so nobody need give it.
      if (this.#context.handed !== undefined && isLogin(wish))
        return { value: async () => Promise.reject(nobodyToAsk(wish)) };
      if (!this.canAsk) throw nobodyToAsk(wish);
      return { value: (subject) => this.#ask(wish, subject) };
    }
    const source = parseSecretSource(option, text);
    if (source.kind === "prompt") {
      if (!this.canAsk) throw nobodyToAsk(wish);
      return { value: (subject) => this.#ask(wish, subject) };
    }
    if (source.kind === "cmd") return { value: (subject) => this.#askHelperOf(wish, source.helper, subject) };
    if (source.kind === "literal") {
      output.warn(
        `${option} literal: everybody on this machine can see it in the list of processes; for throw-away tokens only`,
      );
    }
    const value = wish.check(await this.#read(option, source));
    return { value: async () => value };
  }

  /** The secret if the option was given, else `undefined`. */
  async openIfGiven(wish: SecretWish): Promise<Secret | undefined> {
    return this.#context.args.text(wish.option) === undefined ? undefined : this.open(wish);
  }

  async #read(option: string, source: Exclude<SecretSource, { kind: "prompt" | "cmd" }>): Promise<Uint8Array> {
    const { io, signal } = this.#context;
    switch (source.kind) {
      case "fd":
        if (this.#fds.has(source.fd)) {
          throw usage(
            "SECRET_SOURCE_REUSED",
            `${option}: file descriptor ${source.fd} was read already, for another option`,
          );
        }
        this.#fds.add(source.fd);
        return readSecretFd(option, source.fd, signal);
      case "file":
        return readSecretFile(option, source.path, io.userId);
      case "env":
        return readSecretVariable(option, source.name, io.env);
      case "literal":
        return new TextEncoder().encode(source.text);
    }
  }

  /** On the terminal, or by the helper the environment names. */
  async #ask(wish: SecretWish, subject: PromptSubject): Promise<Uint8Array> {
    const helper = this.#environmentHelper();
    return helper === undefined ? this.#prompt(wish, subject) : this.#askHelperOf(wish, helper, subject);
  }

  /** A slip of the fingers is told and asked again: nothing has been sent yet. Enter alone gives up. */
  async #prompt(wish: SecretWish, subject: PromptSubject): Promise<Uint8Array> {
    const terminal = this.#terminal();
    if (terminal === null) throw nobodyToAsk(wish);
    for (let left = promptAttempts; ; left--) {
      try {
        return await this.#promptOnce(terminal, wish, subject);
      } catch (error) {
        if (!(error instanceof HsmError) || error.kind !== "usage" || left <= 1) throw error;
        this.#context.output.say(`hsmadm: ${error.message}; once more:`);
      }
    }
  }

  async #promptOnce(terminal: Terminal, wish: SecretWish, subject: PromptSubject): Promise<Uint8Array> {
    const form = wish.form === undefined ? "" : `; ${wish.form}`;
    const typed = await terminal.readSecret(`${subject.token}: ${wish.name} (${subject.stake}${form}): `);
    if (typed.length === 0) throw new HsmError("CANCELLED", "cancelled", `no ${wish.name} was typed, nothing was sent`);
    const first = wish.check(typed);
    if ((subject.isNew ?? wish.isNew) && !equal(first, wish.check(await terminal.readSecret(`${wish.name}, again: `))))
      throw different(wish);
    return first;
  }

  async #askHelperOf(wish: SecretWish, helper: string, subject: PromptSubject): Promise<Uint8Array> {
    const { io, signal } = this.#context;
    const option = `--${wish.option}`;
    const isNew = subject.isNew ?? wish.isNew;
    const ask = (again: boolean) =>
      askHelper(
        option,
        helper,
        {
          message: `${capital(wish.name)} for ${subject.token} (${subject.stake})${again ? " (again)" : ""}`,
          whom: subject.token,
          isNew,
          again,
        },
        io.env,
        signal,
      );
    const first = this.#helperGone ? null : await ask(false);
    if (first === null) {
      // The shell has said what is missing. The helper is not tried again in this process.
      this.#helperGone = true;
      return this.#prompt(wish, subject);
    }
    const value = wish.check(first);
    if (isNew) {
      const second = await ask(true);
      if (second === null || !equal(value, wish.check(second))) throw different(wish);
    }
    return value;
  }

  /** Whether a prompt would reach anybody. */
  get canAsk(): boolean {
    return this.#terminal() !== null || this.#environmentHelper() !== undefined;
  }

  #environmentHelper(): string | undefined {
    const { io, globals } = this.#context;
    if (globals.noInput || this.#helperGone) return undefined;
    return io.env["HSMADM_PASSPHRASE_HELPER"] || io.env["TZPFMS_PASSPHRASE_HELPER"] || undefined;
  }

  #terminal(): Terminal | null {
    return terminalOf(this.#context);
  }
}

/** Whom to ask, or `null` under `--no-input` and where nobody sits. */
export function terminalOf(context: Pick<CommandContext, "io" | "globals">): Terminal | null {
  return context.globals.noInput ? null : context.io.terminal();
}

function notProvable({ name }: SecretWish): HsmError {
  return new HsmError(
    "DEVICE_NOT_PROVABLE",
    "refused",
    `no ${name} was sent: a FIDO2 authenticator cannot prove here what it is`,
    {
      advice: "leave out `--require-genuine` to trust it all the same",
    },
  );
}

function isLogin({ option, isNew }: SecretWish): boolean {
  return option === "pin" && !isNew;
}

function nobodyToAsk(wish: SecretWish): HsmError {
  return usage(
    "SECRET_MISSING",
    `no ${wish.name} was given and nobody can be asked`,
    `give --${wish.option} SOURCE: ${sourceGrammar}`,
  );
}

function different(wish: SecretWish): HsmError {
  return new HsmError("SECRETS_DIFFER", "usage", `the ${wish.name} was not the same the second time, nothing was sent`);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
