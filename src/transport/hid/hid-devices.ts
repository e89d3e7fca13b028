import { access, constants } from "node:fs/promises";
import { TransportError } from "../../apdu/transport-error.ts";
import { messageOf } from "../../errors.ts";
import { CtapHidChannel, type HidChannelOptions } from "./ctaphid-channel.ts";
import type { PacketPort } from "./packet-port.ts";

/** The usage page by which authenticators are told; never by vendor. */
const fidoUsagePage = 0xf1d0;
const fidoUsage = 0x01;

/** Reads are this long, so that a port can be closed while nothing comes in. */
const sliceMs = 250;

/** A FIDO authenticator among the HID devices. */
export interface HidAuthenticatorInfo {
  /** `/dev/hidraw3`; of the machine's own form on other systems. */
  readonly path: string;
  readonly vendorId: number;
  readonly productId: number;
  readonly manufacturer: string | null;
  readonly product: string | null;
}

/** @throws TransportError `BINDING_NOT_LOADABLE` */
export async function listHidAuthenticators(): Promise<HidAuthenticatorInfo[]> {
  const { devicesAsync } = await loadNodeHid();
  const found: HidAuthenticatorInfo[] = [];
  for (const { path, usagePage, usage, vendorId, productId, manufacturer, product } of await devicesAsync()) {
    if (usagePage !== fidoUsagePage || usage !== fidoUsage || path === undefined) continue;
    if (found.some((known) => known.path === path)) continue;
    found.push({ path, vendorId, productId, manufacturer: manufacturer || null, product: product || null });
  }
  return found;
}

/** Opens the authenticator behind a HID path and asks it for a channel. @throws TransportError */
export async function openHid(path: string, options: Partial<HidChannelOptions> = {}): Promise<CtapHidChannel> {
  const where = `hid ${path}`;
  return CtapHidChannel.open(await openPort(path, where), { ...options, where });
}

async function openPort(path: string, where: string): Promise<PacketPort> {
  const { HIDAsync } = await loadNodeHid();
  const device = await HIDAsync.open(path).catch(async (error: unknown) => {
    throw await notOpened(path, where, error);
  });
  let open = true;
  return {
    async read() {
      try {
        while (open) {
          const report = await device.read(sliceMs);
          if (report !== undefined && report.length > 0) return new Uint8Array(report);
        }
      } catch (error) {
        throw gone(where, error);
      }
      throw new TransportError("CHANNEL_CLOSED", `${where} was given back already`);
    },
    async write(packet) {
      // The first byte is the report number, 0 where a device has one kind of report.
      await device.write([0, ...packet]).catch((error: unknown) => {
        throw gone(where, error);
      });
    },
    async close() {
      open = false;
      await device.close();
    },
  };
}

/** The one place that loads the native binding, an optional dependency. */
async function loadNodeHid(): Promise<typeof import("node-hid")> {
  try {
    return await import("node-hid");
  } catch (error) {
    throw new TransportError("BINDING_NOT_LOADABLE", `HID devices cannot be reached: ${firstLine(error)}`, {
      advice: "install the optional dependency node-hid for this Node; authenticators in a reader work without it",
      layer: "node-hid",
      cause: error,
    });
  }
}

/** Why it was not opened: the binding itself does not tell. */
async function notOpened(path: string, where: string, cause: unknown): Promise<TransportError> {
  const options = { layer: "node-hid", cause };
  const reason = path.startsWith("/") ? await fileProblem(path) : undefined;
  if (reason === "ENOENT") {
    return new TransportError("NO_READER", `there is no HID device ${path}`, {
      ...options,
      advice: "`hsmadm fido list --device auto` shows the authenticators that are there",
    });
  }
  if (reason === "EACCES" || reason === "EPERM") {
    return new TransportError("ACCESS_REFUSED", `this user may not open ${path}`, {
      ...options,
      advice: 'a udev rule gives access: KERNEL=="hidraw*", SUBSYSTEM=="hidraw", TAG+="uaccess" (package libfido2-1)',
    });
  }
  return new TransportError("EXCHANGE_FAILED", `${where} cannot be opened: ${firstLine(cause)}`, options);
}

async function fileProblem(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

function gone(where: string, cause: unknown): TransportError {
  return new TransportError("READER_GONE", `${where} is gone: ${firstLine(cause)}`, {
    advice: "put the authenticator back and try again",
    layer: "node-hid",
    cause,
  });
}

function firstLine(error: unknown): string {
  return messageOf(error).split("\n", 1)[0] ?? "";
}
