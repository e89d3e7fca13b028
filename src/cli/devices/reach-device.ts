import type { TraceRecorder } from "../../transport/trace/recorder.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { DeviceSpec } from "./device-spec.ts";
import type { RawDevice } from "./raw-device.ts";

/** Chooses the transport: a simulated token, a recording, or a reader. Nothing is loaded for the other two. */
export async function reachDevice(
  context: CommandContext,
  spec: DeviceSpec,
  access: "shared" | "exclusive",
  recorder: TraceRecorder | undefined,
): Promise<RawDevice> {
  switch (spec.kind) {
    case "none":
      throw usage("DEVICE_NONE", "this command needs a token, and --device says none");
    case "simulated": {
      const { openSimulated } = await import("./simulated-device.ts");
      return openSimulated(context, spec.name);
    }
    case "trace": {
      const { openTrace } = await import("./trace-device.ts");
      return openTrace(context, spec.path);
    }
    default: {
      const { openInReader } = await import("./reader-device.ts");
      return openInReader(context, spec, access, recorder);
    }
  }
}
