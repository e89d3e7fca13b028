import type { AuthenticatorInfo } from "../../cards/fido2/authenticator-info.ts";
import { exitCodes, type HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import {
  type AuthenticatorPlace,
  type AuthenticatorSearch,
  lookAtAuthenticator,
  searchAuthenticators,
} from "../devices/authenticator-search.ts";
import { parseAuthenticatorSpec } from "../devices/authenticator-spec.ts";
import { splitDevices } from "../devices/device-spec.ts";
import { reachAuthenticator } from "../devices/reach-authenticator.ts";
import { aaguidText, type FidoPinFacts, fidoPinWords, pinOfInfo } from "../fido/authenticator-facts.ts";
import { isSimulatedModel } from "../fido/authenticator-session.ts";
import { listSimulatedAuthenticators, type SimulatedAuthenticatorEntry } from "../fido/simulated-authenticators.ts";
import type { Document } from "../output.ts";
import { simulatedMark, table } from "../wording.ts";

interface Row extends Document {
  readonly device: string;
  readonly product: string | null;
  readonly aaguid: string | null;
  readonly versions: readonly string[];
  readonly hmacSecret: boolean | null;
  readonly pin: FidoPinFacts | null;
  readonly simulated: boolean;
  readonly problem: Document | null;
}

/**
 * With `--device auto` every HID authenticator, every card in a reader and the simulated ones by name; else those that
 * are named. Asks each for getInfo, which needs no touch and spends nothing.
 */
export async function run(context: CommandContext): Promise<number | undefined> {
  const names = context.globals.devices.flatMap(splitDevices);
  const auto = names.length === 1 && names[0] === "auto";
  const search = auto ? await searchAuthenticators(context) : namedPlaces(context, names);
  try {
    const rows: Row[] = [];
    const failures: HsmError[] = [];
    for (const place of search.places) {
      const look = await lookAtAuthenticator(place);
      if ("problem" in look) failures.push(look.problem);
      rows.push("info" in look ? seenRow(place, look.info) : problemRow(place, look.problem));
    }
    const simulated = auto ? await listSimulatedAuthenticators(context) : [];
    return report(context, { rows, failures, simulated, search, auto });
  } finally {
    await search.close();
  }
}

function namedPlaces(context: CommandContext, names: readonly string[]): AuthenticatorSearch {
  const specs = names.length === 0 ? [undefined] : names;
  const places = specs.map((name) => {
    const spec = parseAuthenticatorSpec(name);
    return { spec: name ?? "", product: null, open: () => reachAuthenticator(context, spec, undefined) };
  });
  return { places, problems: [], close: async () => undefined };
}

function seenRow({ spec, product }: AuthenticatorPlace, info: AuthenticatorInfo): Row {
  return {
    device: spec,
    product,
    aaguid: aaguidText(info.aaguid),
    versions: info.versions,
    hmacSecret: info.extensions.includes("hmac-secret"),
    pin: pinOfInfo(info),
    simulated: isSimulatedModel(info.aaguid),
    problem: null,
  };
}

function problemRow({ spec, product }: AuthenticatorPlace, problem: HsmError): Row {
  const nothing = { aaguid: null, versions: [], hmacSecret: null, pin: null, simulated: false };
  return { device: spec, product, ...nothing, problem: problemFacts(problem) };
}

function problemFacts({ kind, code, message }: HsmError): Document {
  return { kind, code, message };
}

interface Found {
  readonly rows: readonly Row[];
  readonly failures: readonly HsmError[];
  readonly simulated: readonly SimulatedAuthenticatorEntry[];
  readonly search: AuthenticatorSearch;
  readonly auto: boolean;
}

function report(context: CommandContext, { rows, failures, simulated, search, auto }: Found): number | undefined {
  const { output } = context;
  const { problems } = search;
  const [problem] = problems.length > 0 ? problems : auto ? [] : failures;
  // Without anything else to show, the reason why is the answer.
  const nothingSeen = simulated.length === 0 && rows.every((row) => row.problem !== null);
  if (problem !== undefined && nothingSeen && (!auto || rows.length === 0)) throw problem;
  for (const { message, advice } of problems) {
    output.warn(`not looked at: ${message}`);
    for (const hint of advice?.split("\n") ?? []) output.note(`hsmadm: hint: ${hint}`);
  }
  output.result({ authenticators: rows, simulated, problems: problems.map(problemFacts) }, [
    ...rowLines(rows, output.columns),
    ...simulatedLines(simulated, rows.length > 0, output.columns),
  ]);
  return problem === undefined ? undefined : exitCodes.partial;
}

function rowLines(rows: readonly Row[], columns: number | undefined): string[] {
  if (rows.length === 0) return ["no FIDO2 authenticator is there"];
  const cells = rows.map(({ device, product, aaguid, pin, hmacSecret, simulated, problem }) => [
    device,
    simulated ? simulatedMark : (product ?? ""),
    aaguid ?? "",
    pin === null ? "" : fidoPinWords(pin),
    problem === null ? (hmacSecret === true ? "yes" : "no") : String(problem["message"]),
  ]);
  return table([["DEVICE", "PRODUCT", "AAGUID", "PIN", "OPENS VAULTS"], ...cells], columns);
}

function simulatedLines(
  simulated: readonly SimulatedAuthenticatorEntry[],
  apart: boolean,
  columns: number | undefined,
): string[] {
  if (simulated.length === 0) return [];
  const cells = simulated.map(({ device, pinSet, problem }) => [
    device,
    problem ?? simulatedMark,
    pinSet === null ? "" : pinSet ? "set" : "not set",
  ]);
  return [...(apart ? [""] : []), ...table([["SIMULATED AUTHENTICATOR", "", "PIN"], ...cells], columns)];
}
