import { HsmError, type HsmErrorOptions } from "../../errors.ts";
import { type GuardFloors, type GuardJudgement, judge } from "../../services/pins/guard.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { perhapsSeveral } from "../devices/device-spec.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { asHsmError, errorDocument } from "../failure.ts";
import type { Document } from "../output.ts";
import { runChild } from "../run-child.ts";
import type { SeveralPlan } from "../several/several-plan.ts";
import { pinWords, tokenName } from "../wording.ts";

const defaults = { userPinTries: 2, soPinTries: 4, refusedExit: 5 } as const;

/** A token that may be worked on, as JSON and as a line. */
interface Judged extends GuardJudgement {
  readonly name: string;
  readonly facts: Document;
  readonly line: string;
}

/** What was judged and found good. */
interface Allowed {
  readonly document: Document;
  readonly lines: readonly string[];
}

/**
 * Runs COMMAND only while the token has enough tries left; of several every one. Whatever keeps the guard from knowing
 * that is a refusal: no token, a blocked one, a reader that does not answer. The cards are given back before COMMAND
 * starts.
 */
export async function run(context: CommandContext): Promise<number> {
  const { args, globals, output } = context;
  const floors = {
    userPinTries: args.integer("user-pin-tries", 0, 15) ?? defaults.userPinTries,
    soPinTries: args.integer("so-pin-tries", 0, 15) ?? defaults.soPinTries,
  };
  const refusal = new Refusals(args.integer("refused-exit", 1, 255) ?? defaults.refusedExit);
  const perhaps = perhapsSeveral(context.args.flag("all"), context.globals.devices);
  const plan = perhaps ? await (await import("../several/several-plan.ts")).planSeveral(context) : null;
  const allowed = await (plan === null
    ? judgeOne(context, floors, refusal)
    : judgeSeveral(context, plan, floors, refusal));
  const [command, ...words] = args.rest;
  if (command === undefined || globals.dryRun) {
    const dryRun = globals.dryRun ? { dryRun: true } : {};
    output.result({ ...allowed.document, allowed: true, floors, ...dryRun }, allowed.lines);
    return 0;
  }
  // From here on standard output and signals are COMMAND's.
  context.handOverSignals();
  return runChild(context.io, command, words);
}

/** Every way of saying no ends here, so that none of them can be 0. */
class Refusals {
  readonly #exitCode: number;

  constructor(exitCode: number) {
    this.#exitCode = exitCode;
  }

  of(reasons: readonly string[], extra: HsmErrorOptions = {}): HsmError {
    return new HsmError("GUARD_REFUSED", "refused", `the guard refused: ${reasons.join("; ")}`, {
      ...extra,
      details: { ...extra.details, reasons, exitCode: this.#exitCode },
    });
  }

  /** For what kept the guard from judging. */
  because(error: unknown): HsmError {
    const known = asHsmError(error);
    // The command line was wrong, or the operator stopped it: nothing was judged.
    if (known.kind === "usage" || known.kind === "interrupted") return known;
    return this.of([known.message], {
      advice: known.advice,
      token: known.token,
      details: { cause: { kind: known.kind, code: known.code } },
      cause: known,
    });
  }
}

async function judgeToken(device: OpenDevice, floors: GuardFloors): Promise<Judged> {
  const token = await tokenFacts(device);
  const name = await tokenName(device);
  const { userPin, soPin, ...status } = await device.card.status();
  return {
    ...judge({ ...status, userPin, soPin }, floors),
    name,
    facts: { token, userPin: pinFacts(userPin), soPin: pinFacts(soPin) },
    line: `${name}: allowed (user PIN: ${pinWords(userPin)}; SO-PIN: ${pinWords(soPin)})`,
  };
}

async function judgeOne(context: CommandContext, floors: GuardFloors, refusal: Refusals): Promise<Allowed> {
  const judged = await withDevice(context, "shared", (device) => judgeToken(device, floors)).catch((error: unknown) => {
    throw refusal.because(error);
  });
  if (judged.allowed) return { document: judged.facts, lines: [judged.line] };
  throw refusal.of(judged.reasons, { advice: "`hsmadm device status` shows the token", token: judged.name });
}

async function judgeSeveral(
  context: CommandContext,
  plan: SeveralPlan,
  floors: GuardFloors,
  refusal: Refusals,
): Promise<Allowed> {
  const { nameOfRow, withDevices } = await import("../several/several.ts");
  const { rows, leftOut } = await withDevices(context, plan, (device) => judgeToken(device, floors)).catch(
    (error: unknown) => {
      throw refusal.because(error);
    },
  );
  for (const where of leftOut) context.output.note(`hsmadm: left out: ${where} holds no SmartCard-HSM`);
  const devices = rows.map((row) => ({
    asked: row.asked,
    ok: row.ok,
    where: row.where,
    ...(row.ok ? row.result.facts : { token: null, userPin: null, soPin: null }),
    allowed: row.ok && row.result.allowed,
    reasons: row.ok ? row.result.reasons : [row.error.message],
    error: row.ok ? null : errorDocument(row.error, row.error.exitCode),
  }));
  const refused = rows.flatMap((row) => {
    if (row.ok && row.result.allowed) return [];
    if (!row.ok) return [{ name: nameOfRow(row), reasons: [row.error.message] }];
    const { name, reasons } = row.result;
    return [{ name: row.asked === null ? name : `${row.asked}, ${name}`, reasons }];
  });
  const [first, ...more] = refused;
  if (first === undefined) {
    const lines = rows.flatMap((row) => (row.ok ? [row.result.line] : []));
    return { document: { devices, leftOut, error: null }, lines };
  }
  const reasons = refused.flatMap(({ name, reasons: each }) => each.map((reason) => `${name}: ${reason}`));
  throw refusal.of(reasons, {
    advice: "`hsmadm device status`, given the same devices, shows them",
    token: more.length === 0 ? first.name : undefined,
    details: { devices, leftOut },
  });
}
