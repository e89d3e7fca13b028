import { concat } from "../../../bytes/bytes.ts";
import { RequestMap } from "../cbor.ts";
import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { CtapCommand, Device } from "../device.ts";
import { isVendorPrototype, vendorPrototype } from "../pico/vendor-prototype.ts";
import { permission, readAuthParam, useToken } from "../pin-token.ts";

const toggleAlwaysUvNumber = 0x02;

/** By subcommand. vendorPrototype belongs to profiles of makers. */
const subCommands: ReadonlyMap<number, CtapCommand> = new Map<number, CtapCommand>([
  [toggleAlwaysUvNumber, toggleAlwaysUv],
]);

/** authenticatorConfig (0D): the token authenticates `FF × 32 ‖ 0D ‖ subcommand ‖ parameters`. */
export async function config(device: Device, request: RequestMap): Promise<Uint8Array | undefined> {
  const number = request.uint(1);
  const run = (await isVendorPrototype(device, number, request)) ? vendorPrototype : subCommands.get(number);
  if (run === undefined) return refuseCtap(ctapStatus.invalidSubcommand);
  const parameters = request.has(2) ? request.map(2) : new RequestMap(new Map());
  const auth = readAuthParam(request, { param: 4, protocol: 3 });
  // Where there is no PIN, nobody could give a token: alwaysUv may be switched all the same.
  const open = number === toggleAlwaysUvNumber && device.state.pin === null;
  if (auth !== null) {
    const message: Uint8Array[] = [new Uint8Array(32).fill(0xff), Uint8Array.of(0x0d, number)];
    if (request.has(2)) message.push(parameters.encoded());
    useToken(device, auth, concat(...message), { permission: permission.config });
  } else if (!open) {
    refuseCtap(ctapStatus.tokenRequired);
  }
  return run(device, parameters);
}

async function toggleAlwaysUv(device: Device): Promise<undefined> {
  device.state.alwaysUv = !device.state.alwaysUv;
  device.changed();
}
