import { utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { fileExists, fileTaken, writeNewFile } from "../../services/atomic-file.ts";
import type { Enrolment } from "../../services/vault/openers/enrolment.ts";
import { enrolRecovery } from "../../services/vault/openers/recovery-source.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { terminalOf } from "../secrets/secrets.ts";

type RecoveryKey = ReturnType<typeof enrolRecovery>;

/** How many characters have to be typed back. */
const checked = 8;

/** The recovery keys that a command makes: each goes to a file or onto paper before the vault depends on it. */
export class RecoveryKeys {
  readonly #context: CommandContext;
  readonly #made: RecoveryKey[] = [];

  constructor(context: CommandContext) {
    this.#context = context;
  }

  /**
   * Where it would go, before anything is asked or made.
   * @throws HsmError `RECOVERY_OUT_MISSING` (usage) where nobody could write it down, `FILE_EXISTS` (conflict)
   */
  async ready(): Promise<void> {
    const { args, globals } = this.#context;
    const path = args.text("recovery-out");
    if (path === undefined && terminalOf(this.#context) === null) {
      throw usage(
        "RECOVERY_OUT_MISSING",
        "the recovery key has nowhere to go: nobody can write it down",
        "give --recovery-out FILE, or --no-recovery where losing every device may lose the vault",
      );
    }
    if (path !== undefined && !globals.yes && (await fileExists(path))) throw fileTaken(path);
  }

  async make(): Promise<Enrolment> {
    if (this.#made.length > 0)
      throw usage("SLOT_KIND_INVALID", "one recovery key is made at a time", "add the other one later");
    await this.ready();
    const key = enrolRecovery();
    this.#made.push(key);
    return key;
  }

  /** Gives the key away, before the vault is written: a vault whose recovery key is nowhere would be a trap. */
  async handOver(vault: string): Promise<string | null> {
    const [key] = this.#made;
    if (key === undefined) return null;
    const { args, globals, io } = this.#context;
    const path = args.text("recovery-out");
    if (path === undefined) {
      await this.#ontoPaper(key);
      return null;
    }
    const text = [
      `# recovery key of the vault ${vault}`,
      `# created: ${io.now().toISOString()}`,
      `# public key: ${key.recipient}`,
      "# without hsmadm: age -d -i THIS_FILE VAULT",
      key.identity,
      "",
    ].join("\n");
    const bytes = utf8Bytes(text);
    try {
      await writeNewFile(path, bytes, { overwrite: globals.yes, mode: 0o600 });
    } finally {
      bytes.fill(0);
    }
    return path;
  }

  async #ontoPaper({ identity }: RecoveryKey): Promise<void> {
    const terminal = terminalOf(this.#context);
    if (terminal === null)
      throw usage("RECOVERY_OUT_MISSING", "the recovery key has nowhere to go", "give --recovery-out FILE");
    const shown = [
      "The recovery key opens the vault without any device, and without hsmadm (age -d -i FILE VAULT).",
      "Write it down; it is not shown again:",
      "",
      `    ${identity}`,
      "",
      `To see that it was written down, type its last ${checked} characters from the paper: `,
    ].join("\n");
    const typed = (await terminal.readLine(shown)).trim().toUpperCase();
    if (typed === identity.slice(-checked)) return;
    throw new HsmError(
      "RECOVERY_NOT_WRITTEN_DOWN",
      "cancelled",
      "that is not the end of the recovery key; nothing was written",
      {
        advice: "run the command again: it makes another key",
      },
    );
  }
}
