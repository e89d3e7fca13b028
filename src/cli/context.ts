import type { openPcsc } from "../transport/pcsc/pcsc.ts";
import type { CommandArguments } from "./arguments.ts";
import type { CeremonyRecording } from "./ceremonies/ceremony-recording.ts";
import type { OpenDevice } from "./devices/device-session.ts";
import { usage } from "./failure.ts";
import type { CliIo } from "./io.ts";
import type { Output } from "./output.ts";
import type { Paths } from "./paths.ts";

/** The options every command understands, read. */
export interface GlobalOptions {
  /** Text of `--device` or `HSMADM_DEVICE`. */
  readonly device: string | undefined;
  readonly devices: readonly string[];
  readonly json: boolean;
  readonly trace: string | undefined;
  readonly noInput: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly quiet: boolean;
  readonly timeoutMs: number;
  readonly driver: DriverName | undefined;
  readonly minTries: number;
  readonly minSoTries: number;
  readonly noLedger: boolean;
  /** No PIN is sent before the token's identity was checked. */
  readonly requireGenuine: boolean;
}

/** What a command works with. */
export interface CommandContext {
  readonly io: CliIo;
  readonly output: Output;
  readonly globals: GlobalOptions;
  readonly args: CommandArguments;
  readonly paths: Paths;
  /** With `--ceremony`: what is written down when the command is over. */
  readonly ceremony?: CeremonyRecording | undefined;
  /** Given at the first Ctrl-C: finish the exchange, send no other, give the card back. */
  readonly signal: AbortSignal;
  /** Open and logged in already: the commands of one session share it (`pka run`, `session run`). */
  readonly handed?: OpenDevice;
  /** Ctrl-C is no longer ours: another command runs now and deals with it. */
  readonly handOverSignals: () => void;
}

/** What a module under commands/ offers. The number is the exit code where it is not 0. */
export interface CommandModule {
  run(context: CommandContext): Promise<number | undefined>;
}

/** The PC/SC bindings by name. */
type DriverName = NonNullable<Parameters<typeof openPcsc>[0]["driver"]>;

const defaultSeconds = 30;

function isDriver(name: string): name is DriverName {
  return /^(pcsclite|pcsc-mini)$/.test(name);
}

/** @throws HsmError of kind `usage` */
export function readGlobals(args: CommandArguments, env: CliIo["env"], manyDevices: boolean): GlobalOptions {
  const driver = args.text("driver");
  if (driver !== undefined && !isDriver(driver)) {
    throw usage("OPTION_VALUE", "--driver knows pcsclite and pcsc-mini");
  }
  const given = args.texts("device");
  if (given.length > 1 && !manyDevices) throw usage("OPTION_TWICE", "--device was given more than once");
  const devices = given.length > 0 ? given : env["HSMADM_DEVICE"] ? [env["HSMADM_DEVICE"]] : [];
  return {
    device: devices[0],
    devices,
    json: args.flag("json"),
    trace: args.text("trace"),
    noInput: args.flag("no-input"),
    yes: args.flag("yes"),
    dryRun: args.flag("dry-run"),
    quiet: args.flag("quiet"),
    timeoutMs: Math.ceil((args.seconds("timeout") ?? defaultSeconds) * 1000),
    driver,
    minTries: args.integer("min-tries", 0, 15) ?? 1,
    minSoTries: args.integer("min-so-tries", 0, 15) ?? 3,
    noLedger: args.flag("no-ledger"),
    requireGenuine: args.flag("require-genuine"),
  };
}
