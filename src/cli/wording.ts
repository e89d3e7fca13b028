import type { PinState, TokenState } from "../cards/smartcard-hsm/token-status.ts";
import type { OpenDevice } from "./devices/device-session.ts";

/** What every person must see on a token that is none. */
export const simulatedMark = "SIMULATED";

/** `demo, UTSIM0A1B2C, SIMULATED`: whose PIN a prompt asks for, which token was changed. */
export async function tokenTitle({ card, simulated }: OpenDevice): Promise<string> {
  const label = await card.label();
  const { serial, chr } = await card.identity();
  const parts = [label ?? "", serial || chr, simulated ? simulatedMark : ""].filter((part) => part !== "");
  return parts.length === 0 ? card.channel.where : parts.join(", ");
}

/** How messages name the token: its serial, else where it is. */
export async function tokenName({ card, simulated }: OpenDevice): Promise<string> {
  const { serial } = await card.identity();
  return `${serial || card.channel.where}${simulated ? ` (${simulatedMark})` : ""}`;
}

function tries(count: number): string {
  return `${count} ${count === 1 ? "try" : "tries"} left`;
}

/** A PIN's state in words. */
export function pinWords(pin: PinState): string {
  switch (pin.state) {
    case "ready":
      return pin.triesLeft === null ? "ready" : tries(pin.triesLeft);
    case "verified":
      return "logged in";
    case "blocked":
      return "BLOCKED, no tries left";
    case "transport":
      return "transport PIN, must be changed before use";
    case "uninitialised":
      return "not set";
    case "public-key":
      return "login by public keys";
    case "unreadable":
      return `not readable (SW ${pin.sw.toString(16).toUpperCase().padStart(4, "0")})`;
  }
}

/** What a wrong PIN would cost, for the line of a prompt. */
export function stakeWords(which: "user-pin" | "so-pin", pin: PinState): string {
  const left = pinWords(pin);
  if (pin.state !== "ready") return left;
  return which === "user-pin"
    ? `${left}, a wrong one costs one`
    : `${left}, a wrong one costs one, and it can never be unblocked`;
}

export const stateWords: Readonly<Record<TokenState, string>> = {
  uninitialised: "uninitialised",
  operational: "operational",
  "transport-pin": "initialised, waiting for its transport PIN to be changed",
  "user-pin-blocked": "user PIN blocked",
  "so-pin-blocked": "SO-PIN blocked",
  "both-blocked": "user PIN and SO-PIN blocked",
  "dkek-shares-pending": "initialised, waiting for DKEK shares",
  "public-key-authentication": "opened by public keys",
  unreadable: "not readable",
};

/** Facts under each other, the values aligned. */
export function aligned(rows: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd());
}

/**
 * A table with a heading; empty cells stay empty. Where a row would be longer than the terminal is wide, a block for
 * each row instead, its cells under each other.
 */
export function table(rows: readonly (readonly string[])[], columns?: number): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return columns === undefined || lines.every((line) => line.length <= columns) ? lines : blocks(rows);
}

function blocks([heading = [], ...rows]: readonly (readonly string[])[]): string[] {
  return rows.flatMap((row, i) => {
    const told = row.map((cell, column): [string, string] => [heading[column] ?? "", cell]);
    return [...(i === 0 ? [] : [""]), ...aligned(told.filter(([, cell]) => cell !== ""))];
  });
}
