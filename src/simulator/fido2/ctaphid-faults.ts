/** What a real device does now and then, and a platform has to stand. */
export interface HidFaults {
  /** Another program's INIT is answered first. */
  readonly foreignNonce?: boolean | undefined;
  /** A packet for another program comes before each answer. */
  readonly foreignChannel?: boolean | undefined;
  /** So many requests are answered with "channel busy" first. */
  readonly busy?: number | undefined;
  /** KEEPALIVE "processing" before each answer, so many. */
  readonly keepAlives?: number | undefined;
  /** The second packet of an answer carries a sequence number that is not its own. */
  readonly wrongSequence?: boolean | undefined;
  /** CBOR requests are not answered, and no KEEPALIVE comes. */
  readonly silent?: boolean | undefined;
  /** CTAP errors come as ERROR frames, as old pico-fido firmware sends them. */
  readonly errorFrames?: boolean | undefined;
  /** Between two KEEPALIVEs; 100 when absent. */
  readonly keepAliveMs?: number | undefined;
  /** Longest gap between two packets of a request; 500 when absent. */
  readonly gapMs?: number | undefined;
}

/** A channel of another program. */
export const foreignChannel = 0x0bad_0001;
