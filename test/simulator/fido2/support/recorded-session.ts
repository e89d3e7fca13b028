import { readFileSync } from "node:fs";
import { concat } from "../../../../src/bytes/bytes.ts";
import { fromHex } from "../../../../src/bytes/hex.ts";

/** A session of test/recordings/fido2-pcsc. */
export interface RecordedSession {
  readonly session: string;
  readonly inputs: {
    readonly rpId?: string;
    readonly credentialId?: string;
    readonly pin?: string;
    readonly allowList?: readonly string[];
    readonly platformPrivateKeys?: readonly string[];
  };
  readonly apdus: readonly ({ readonly c: string; readonly r: string } | { readonly event: string })[];
}

/** APDUs put together to what they carry. */
export type Step =
  | { readonly kind: "event"; readonly event: string }
  /** Nothing of CTAP: SELECT, NFCCTAP_CONTROL, what the card refuses. */
  | { readonly kind: "apdu"; readonly command: Uint8Array; readonly response: Uint8Array }
  | {
      readonly kind: "message";
      readonly message: Uint8Array;
      /** Data bytes of each part. */
      readonly parts: readonly number[];
      readonly p1: number;
      readonly extended: boolean;
      /** Commands that fetched the rest of the answer, or asked whether it is there. */
      readonly more: readonly { readonly command: Uint8Array; readonly response: Uint8Array }[];
      readonly first: Uint8Array;
      /** Data of all answers but 9100. */
      readonly answer: Uint8Array;
    };

export function readSession(name: string): RecordedSession {
  const url = new URL(`../../../recordings/fido2-pcsc/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as RecordedSession;
}

export function stepsOf({ apdus }: RecordedSession): Step[] {
  const steps: Step[] = [];
  let chain: Uint8Array[] = [];
  for (const apdu of apdus) {
    if ("event" in apdu) {
      steps.push({ kind: "event", event: apdu.event });
      continue;
    }
    const [command, response] = [fromHex(apdu.c), fromHex(apdu.r)];
    const { cla, ins, data } = fieldsOf(command);
    const last = steps.at(-1);
    const before = last?.kind === "message" ? (last.more.at(-1)?.response ?? last.first) : new Uint8Array(0);
    const asked = ins === 0x11 ? swOf(before) === 0x9100 : ins === 0xc0 && swOf(before) >> 8 === 0x61;
    if (asked && last?.kind === "message") {
      steps[steps.length - 1] = {
        ...last,
        more: [...last.more, { command, response }],
        answer: concat(last.answer, dataOf(response)),
      };
    } else if (ins === 0x10 && cla === 0x90) {
      chain.push(data);
    } else if (ins === 0x10 && response.at(-2) !== 0x6d && response.at(-2) !== 0x69) {
      const parts = [...chain, data];
      chain = [];
      steps.push({
        kind: "message",
        message: concat(...parts),
        parts: parts.map((part) => part.length),
        p1: command[2] ?? 0,
        extended: command.length > 5 && command[4] === 0,
        more: [],
        first: response,
        answer: dataOf(response),
      });
    } else {
      steps.push({ kind: "apdu", command, response });
    }
  }
  return steps;
}

export function swOf(response: Uint8Array): number {
  return (response.at(-2) ?? 0) * 256 + (response.at(-1) ?? 0);
}

function dataOf(response: Uint8Array): Uint8Array {
  return swOf(response) === 0x9100 ? new Uint8Array(0) : response.subarray(0, -2);
}

function fieldsOf(command: Uint8Array): { cla: number; ins: number; data: Uint8Array } {
  const [cla = 0, ins = 0, , , length = 0, high = 0, low = 0] = command;
  if (command.length <= 5) return { cla, ins, data: new Uint8Array(0) };
  const data = length === 0 ? command.subarray(7, 7 + high * 256 + low) : command.subarray(5, 5 + length);
  return { cla, ins, data };
}
