import { withCommandChaining } from "./chaining.ts";
import type { CardChannel } from "./channel.ts";
import { withDeadline } from "./deadline.ts";
import { withGetResponse } from "./get-response.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { withRightLength } from "./right-length.ts";

export interface StackOptions {
  /** Milliseconds for each exchange with the card, see {@link withDeadline}. */
  readonly deadlineMs: number;
  /** For readers without extended length, see {@link withCommandChaining}. */
  readonly chaining?: boolean;
}

/**
 * The wrappers in the order that works, around a bare transport (or around the recorder: a trace then shows what went
 * over the wire). From the outside: one at a time, GET RESPONSE, right Le (also for GET RESPONSE itself), chaining,
 * deadline for each single exchange.
 */
export function standardStack(channel: CardChannel, options: StackOptions): CardChannel {
  const timed = withDeadline(channel, options.deadlineMs);
  return oneAtATime(withGetResponse(withRightLength(options.chaining ? withCommandChaining(timed) : timed)));
}
