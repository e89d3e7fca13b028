import { messageOf } from "../../errors.ts";
import { type DriverName, driverNames } from "./driver-name.ts";
import { HostProcess } from "./host-process.ts";

/** How a PC/SC binding does on this machine, for `doctor`. */
export interface BindingProbe {
  readonly name: string;
  readonly loads: boolean;
  /** As installed, `null` when it is not. */
  readonly version: string | null;
  readonly error: string | null;
  /** What makes it load, `null` when it does. */
  readonly fix: string | null;
}

const fixes: Readonly<Record<DriverName, string>> = {
  pcsclite:
    "with libpcsclite-dev, a C++ compiler and Python there: `npm rebuild pcsclite` (again after every change of Node version); npm must be allowed to run its install script",
  "pcsc-mini": "`npm install pcsc-mini`: it is prebuilt and needs no compiler",
};

/** Tries to load each binding, in a process of its own: a native module that crashes crashes only that. Never throws. */
export function probeBindings(options: { hostEntry?: string; timeoutMs: number }): Promise<BindingProbe[]> {
  return Promise.all(driverNames.map((name) => probe(name, fixes[name], options)));
}

async function probe(
  name: string,
  fix: string,
  { hostEntry, timeoutMs }: { hostEntry?: string; timeoutMs: number },
): Promise<BindingProbe> {
  let host: HostProcess | undefined;
  try {
    host = new HostProcess(hostEntry);
    const limit = { where: name, what: "being loaded", ms: timeoutMs };
    const { loads, version, error } = await host.request({ do: "probe", driver: name }, limit);
    return { name, loads, version, error, fix: loads ? null : fix };
  } catch (error) {
    return { name, loads: false, version: null, error: messageOf(error), fix };
  } finally {
    host?.kill();
  }
}
