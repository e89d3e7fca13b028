/** Packets to an authenticator and back, whatever carries them: a HID device, a socket in a test. */
export interface PacketPort {
  /** The next packet, 64 bytes. One read at a time. Rejects when the device is gone, or once the port is closed. */
  read(): Promise<Uint8Array>;
  /** Sends one packet of 64 bytes. */
  write(packet: Uint8Array): Promise<void>;
  close(): Promise<void>;
}
