import { TransportError, type TransportErrorOptions, type TransportFault } from "../../apdu/transport-error.ts";
import { hexNumber } from "../../bytes/hex.ts";
import type { HostFailure } from "./host/messages.ts";
import { type PcscFailure, pcscCodes } from "./pcsc-codes.ts";

/** Gives every failure of the reader host its own error, with what happened where and what to do next. */
export function transportErrorOf(failure: HostFailure, where: string): TransportError {
  if (failure.kind === "not-loadable") return notLoadable(failure.reasons);
  if (failure.kind === "other") {
    return new TransportError("EXCHANGE_FAILED", `${where}: ${failure.text}`, { layer: "reader host" });
  }
  const first = failure.first === null ? undefined : causeOf(failure.first);
  return pcscError(failure.failure, where, {
    layer: failure.driver,
    cause: causeOf(failure.failure),
    firstCause: first,
  });
}

/** @param where `reader "NAME"`, or `PC/SC` when no reader is concerned */
export function pcscError(failure: PcscFailure, where: string, options: TransportErrorOptions = {}): TransportError {
  const fault = faultOf(failure);
  const [sentence, advice] = wordsOfCode.get(failure.code) ?? words[fault] ?? exchangeFailed;
  const code = ` (${failure.call}: ${failure.code === null ? failure.text : `0x${hexNumber(failure.code, 8)}`})`;
  const details = { call: failure.call, pcscCode: failure.code === null ? null : hexNumber(failure.code, 8) };
  return new TransportError(fault, `${sentence(where)}${code}`, {
    advice,
    cause: causeOf(failure),
    details,
    ...options,
  });
}

export function faultOf({ call, code }: PcscFailure): TransportFault {
  const connecting = call === "SCardConnect";
  switch (code) {
    case pcscCodes.noService:
    case pcscCodes.serviceStopped:
    case pcscCodes.commError:
      return "SERVICE_NOT_RUNNING";
    case pcscCodes.securityViolation:
      return "ACCESS_REFUSED";
    case pcscCodes.sharingViolation:
      return "SHARING_VIOLATION";
    case pcscCodes.noReadersAvailable:
      return "NO_READER";
    case pcscCodes.unknownReader:
    case pcscCodes.readerUnavailable:
      return "READER_GONE";
    case pcscCodes.noSmartcard:
      return connecting ? "NO_CARD" : "CARD_REMOVED";
    case pcscCodes.removedCard:
      return connecting ? "NO_CARD" : "CARD_REMOVED";
    case pcscCodes.unresponsiveCard:
    case pcscCodes.unpoweredCard:
    case pcscCodes.protoMismatch:
      return "CARD_MUTE";
    case pcscCodes.resetCard:
      return "CARD_RESET";
    case pcscCodes.timeout:
      return "TIMEOUT";
    default:
      return "EXCHANGE_FAILED";
  }
}

type Words = readonly [sentence: (where: string) => string, advice: string];

const exchangeFailed: Words = [
  (where) => `${where}: the exchange with the card failed`,
  "take the card out, insert it again and look with `hsmadm device status`; if it repeats try another reader or port",
];

const words: Partial<Record<TransportFault, Words>> = {
  SERVICE_NOT_RUNNING: [
    () => "the PC/SC service is not running",
    "install the package `pcscd`, then `systemctl start pcscd.socket` (on macOS and Windows the service is part of the system); `hsmadm doctor` looks closer",
  ],
  ACCESS_REFUSED: [
    (where) => `${where}: the PC/SC service refused access`,
    "polkit must allow the actions org.debian.pcsc-lite.access_pcsc and org.debian.pcsc-lite.access_card to this user: over SSH and in services it does not by itself; docs/pcsc.md shows the rule",
  ],
  SHARING_VIOLATION: [
    (where) => `${where}: another program holds the card`,
    "usual holders are scdaemon and gpg-agent (`gpgconf --kill scdaemon`) and programs with a PKCS#11 module open (browsers, ssh-agent, pkcs11-tool): end them and try again",
  ],
  NO_READER: [
    () => "no card reader is connected",
    "plug in a reader or a token; `hsmadm doctor` shows what PC/SC sees",
  ],
  READER_GONE: [
    (where) => `${where} is gone`,
    "plug the reader or token in again, then look with `hsmadm device status`",
  ],
  NO_CARD: [(where) => `${where} is empty`, "insert the card; `hsmadm device list` shows all readers"],
  CARD_REMOVED: [
    (where) => `${where}: the card was taken out`,
    "insert it again and look with `hsmadm device status`: the last command may or may not have been carried out",
  ],
  CARD_MUTE: [
    (where) => `${where}: the card does not answer to power`,
    "take it out, check that it lies the right way round and its contacts are clean, and insert it again",
  ],
  CARD_RESET: [
    (where) => `${where}: another program reset the card, every login is gone`,
    "run the command again; the interrupted step was not repeated",
  ],
  TIMEOUT: [
    (where) => `${where}: the PC/SC service gave up waiting`,
    "take the card out, insert it again and look with `hsmadm device status`",
  ],
};

/** Codes that mean the same for a script, but are another story for the operator. */
const wordsOfCode = new Map<number | null, Words>([
  [
    pcscCodes.commError,
    [
      () => "the PC/SC service ended in the middle of a call",
      "it usually comes back by itself (`systemctl status pcscd`): look with `hsmadm device status` before going on",
    ],
  ],
  [
    pcscCodes.protoMismatch,
    [
      (where) => `${where}: the card and the reader agree on no protocol`,
      "the card's answer to reset makes no sense, or another program talks to it in another protocol: end other programs, take the card out and insert it again",
    ],
  ],
]);

function notLoadable(reasons: readonly { readonly driver: string; readonly reason: string }[]): TransportError {
  const list = reasons.map(({ driver, reason }) => `${driver}: ${reason}`).join("; ");
  return new TransportError("BINDING_NOT_LOADABLE", `no PC/SC binding could be loaded (${list})`, {
    advice: fixes,
    layer: "reader host",
    details: { bindings: reasons },
  });
}

const fixes =
  "run `npm rebuild` after a change of Node version, install with scripts allowed and libpcsclite-dev present, or add the prebuilt `pcsc-mini`; `hsmadm doctor` tells which loads";

function causeOf(failure: PcscFailure): Error {
  return new Error(failure.text);
}
