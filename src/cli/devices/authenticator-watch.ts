import type { CtapChannel } from "../../apdu/ctap-channel.ts";
import { interrupted, throwIfInterrupted } from "../interruption.ts";

const waitingForTouch = 2;
const statusCancelled = 0x2d;
/** A first one may come of a silent question, which is cancelled then; about 100 ms lie between them. */
const keepAlivesBeforeWords = 2;

/**
 * Tells the operator when a touch is wanted, once for each command, and cancels the command on the authenticator at the
 * first Ctrl-C, so that it does not go on blinking.
 */
export function watchedAuthenticator(
  ctap: CtapChannel,
  { signal, onTouch }: { readonly signal: AbortSignal; readonly onTouch: () => void },
): CtapChannel {
  return {
    where: ctap.where,
    async send(message, options = {}) {
      throwIfInterrupted(signal);
      let waiting = 0;
      const onKeepAlive = (status: number) => {
        if (status === waitingForTouch) waiting++;
        if (status === waitingForTouch && waiting === keepAlivesBeforeWords) onTouch();
        options.onKeepAlive?.(status);
      };
      const stop = options.signal == null ? signal : AbortSignal.any([options.signal, signal]);
      const answer = await ctap.send(message, { ...options, onKeepAlive, signal: stop });
      if (signal.aborted && answer[0] === statusCancelled) throw interrupted();
      return answer;
    },
    close: () => ctap.close(),
  };
}
