import { equal } from "../../bytes/bytes.ts";
import { rpIdHash } from "./auth-data.ts";
import { invalidAnswer } from "./cbor.ts";
import { type Assertion, getAssertion, type PinUvAuth } from "./credential-commands.ts";
import { answerMap } from "./ctap-command.ts";
import { ctapOk, ctapStatus, describeCtapStatus } from "./ctap-status.ts";
import type { Fido2Session } from "./fido2-session.ts";

/** Whether an authenticator holds one of some credentials. */
export type Holding =
  | { readonly status: "here"; readonly credentialId: Uint8Array }
  | { readonly status: "not-here" }
  | { readonly status: "unknown"; readonly why: string };

/** A silent question needs no touch, so an answer that takes this long is not a silent one. */
const silentPatienceMs = 5_000;
const waitingForTouch = 0x02;

/**
 * Asks which of the credentials is the authenticator's, without touch, PIN or hmac-secret (reference, section 9). Ids
 * longer than its own are left out, the rest is asked in lists of the length it takes.
 * @param proof for credentials that are only shown to whoever knows the PIN; called once for each request
 */
export async function preflight(
  session: Fido2Session,
  rpId: string,
  credentialIds: readonly Uint8Array[],
  proof?: (message: Uint8Array) => PinUvAuth | undefined,
): Promise<Holding> {
  const { maxCredentialIdLength = Number.POSITIVE_INFINITY, maxCredentialCountInList } = session.info;
  const candidates = credentialIds.filter((id) => id.length > 0 && id.length <= maxCredentialIdLength);
  if (
    candidates.length > 0 &&
    proof === undefined &&
    session.option("uv") === true &&
    session.option("alwaysUv") === true
  ) {
    return { status: "unknown", why: "it wants a finger for every request" };
  }
  let unknown: Holding | undefined;
  for (const list of chunks(candidates, maxCredentialCountInList)) {
    const found = await askList(session, rpId, list, proof);
    if (found.status === "here") return found;
    if (found.status === "unknown") unknown ??= found;
  }
  return unknown ?? { status: "not-here" };
}

function chunks(ids: readonly Uint8Array[], size: number): Uint8Array[][] {
  const lists: Uint8Array[][] = [];
  for (let at = 0; at < ids.length; at += size) lists.push(ids.slice(at, at + size));
  return lists;
}

async function askList(
  session: Fido2Session,
  rpId: string,
  ids: readonly Uint8Array[],
  proof: ((message: Uint8Array) => PinUvAuth | undefined) | undefined,
): Promise<Holding> {
  // A token that cannot test presence does not wait for it, and some refuse to hear of `up` (systemd leaves it out too).
  const options = session.option("up") === false ? undefined : { up: false };
  const { clientDataHash } = session.random;
  const command = getAssertion({ rpId, clientDataHash, allowIds: ids, options, auth: proof?.(clientDataHash) });
  if (command.message.length > session.info.maxMsgSize && ids.length > 1) return halves(session, rpId, ids, proof);
  const insisted = new AbortController();
  const { status, body } = await session.ask(command, {
    signal: insisted.signal,
    patienceMs: silentPatienceMs,
    onKeepAlive(what) {
      if (what === waitingForTouch) insisted.abort();
    },
  });
  if (status === ctapOk)
    return { status: "here", credentialId: named(session, rpId, ids, command.parse(answerMap(body, command.name))) };
  if (tooLong.has(status) && ids.length > 1) return halves(session, rpId, ids, proof);
  if (status === ctapStatus.noCredentials || status === ctapStatus.invalidCredential) return { status: "not-here" };
  return {
    status: "unknown",
    why: insisted.signal.aborted ? wantsTouch : (reasons.get(status) ?? `CTAP status ${describeCtapStatus(status)}`),
  };
}

async function halves(...[session, rpId, ids, proof]: Parameters<typeof askList>): Promise<Holding> {
  const middle = Math.ceil(ids.length / 2);
  const first = await askList(session, rpId, ids.slice(0, middle), proof);
  if (first.status === "here") return first;
  const second = await askList(session, rpId, ids.slice(middle), proof);
  return second.status === "not-here" ? first : second;
}

/** The credential that the answer names, which may be left out when one was asked for. */
function named(session: Fido2Session, rpId: string, ids: readonly Uint8Array[], answer: Assertion): Uint8Array {
  const what = `the answer of ${session.token} to the search for credentials`;
  if (!equal(answer.authData.rpIdHash, rpIdHash(rpId))) throw invalidAnswer(what, "it is for another service");
  const [only, more] = ids;
  if (answer.credentialId === undefined && only !== undefined && more === undefined) return only;
  const { credentialId } = answer;
  const found = credentialId === undefined ? undefined : ids.find((id) => equal(id, credentialId));
  if (found === undefined) throw invalidAnswer(what, "it names none of the credentials asked for");
  return found;
}

const tooLong: ReadonlySet<number> = new Set([ctapStatus.requestTooLarge, ctapStatus.limitExceeded]);

const wantsTouch = "it wants a touch before it tells";
const notSilent = "it cannot be asked silently";

const reasons: ReadonlyMap<number, string> = new Map<number, string>([
  [ctapStatus.puatRequired, "it tells nothing without its PIN"],
  [ctapStatus.pinNotSet, "it tells nothing without a PIN, and none is set"],
  [ctapStatus.unsupportedOption, notSilent],
  [ctapStatus.invalidOption, notSilent],
  [ctapStatus.upRequired, wantsTouch],
  [ctapStatus.operationDenied, wantsTouch],
  [ctapStatus.userActionTimeout, wantsTouch],
  [ctapStatus.actionTimeout, wantsTouch],
  [ctapStatus.keepaliveCancel, wantsTouch],
]);
