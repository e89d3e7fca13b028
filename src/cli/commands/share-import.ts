import { toHex } from "../../bytes/hex.ts";
import type { DkekState } from "../../cards/smartcard-hsm/token-status.ts";
import { exitCodes } from "../../errors.ts";
import { fileShareMemory } from "../../services/shares/share-memory.ts";
import { type ImportOutcome, importShares } from "../../services/shares/shares.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { parseDeviceSpec } from "../devices/device-spec.ts";
import type { Document } from "../output.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { type Secret, SecretReader } from "../secrets/secrets.ts";
import { expectedKcv } from "../shares/share-facts.ts";
import { type OpenedShare, openShares } from "../shares/share-open.ts";
import { stakeWords, tokenName } from "../wording.ts";

/** Opens share files and gives the shares to a token, which makes its DKEK of them. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, paths } = context;
  const domain = args.integer("domain", 0, 255) ?? 0;
  const expected = expectedKcv(args.text("expect-kcv"));
  const pin = await new SecretReader(context).openIfGiven(pinWishes.pin);
  const opened = await openShares(context, args.texts("FILE"));
  try {
    return await withDevice(context, "exclusive", async (device) => {
      if (context.globals.dryRun) return tellPlan(context, device, opened, domain);
      const outcome = await importShares(
        device.card,
        {
          shares: opened,
          domain,
          expectedKcv: expected,
          memory: remembers(context) ? fileShareMemory(paths.shares) : undefined,
          login: pin === undefined ? undefined : () => login(device, pin),
        },
        (name) => context.output.progress(`importing ${name} …`),
      );
      return report(context, device, domain, outcome, expected);
    });
  } finally {
    for (const { share } of opened) share.fill(0);
  }
}

/** A replayed token has nothing to remember. */
function remembers({ globals }: CommandContext): boolean {
  return !globals.noLedger && parseDeviceSpec(globals.device ?? "auto").kind !== "trace";
}

async function login(device: OpenDevice, pin: Secret): Promise<void> {
  const token = await tokenName(device);
  await device.card.verifyUserPin((counter) => pin.value({ token, stake: stakeWords("user-pin", counter) }));
}

async function tellPlan(
  context: CommandContext,
  device: OpenDevice,
  opened: readonly OpenedShare[],
  domain: number,
): Promise<undefined> {
  const state = await device.card.keyDomain(domain);
  const files = opened.map(({ path }) => path);
  context.output.result({ dryRun: true, token: await placeFacts(device), domain, files, state }, [
    `would import ${files.join(", ")} into ${await tokenName(device)}, ${stateWords(state)}; nothing was sent`,
  ]);
  return undefined;
}

async function report(
  context: CommandContext,
  device: OpenDevice,
  domain: number,
  { steps, state, kcvMatches }: ImportOutcome,
  expected: Uint8Array | undefined,
): Promise<number | undefined> {
  const { output } = context;
  const notes: string[] = [];
  if (state.kcvNote === "before-login") {
    notes.push("this token shows the KCV after a login only: give --pin, or look with `hsmadm domain list --pin`");
  }
  if (expected !== undefined && state.state === "pending") {
    notes.push(`the KCV ${toHex(expected)} can be compared once the last share is in`);
  }
  if (state.state === "complete" && expected === undefined && state.kcv !== null) {
    notes.push("note the KCV: `--expect-kcv` compares it the next time these shares are imported");
  }
  output.result(
    {
      token: await placeFacts(device),
      domain,
      imported: steps.map(({ name, state: after }) => ({ name, state: after })),
      state,
      expectedKcv: expected === undefined ? null : toHex(expected),
      kcvMatches,
    },
    [
      ...steps.map(({ name, state: after }) => `${name}: imported, ${stateWords(after)}`),
      ...(kcvMatches === true ? ["the KCV is the expected one"] : []),
      ...(notes.length === 0 ? [] : ["", ...notes.map((note) => `- ${note}`)]),
    ],
  );
  // Somebody wanted the KCV compared, and it was not.
  return expected !== undefined && state.state === "complete" && kcvMatches === null ? exitCodes.partial : undefined;
}

function stateWords({ state, shares, outstanding, kcv }: DkekState): string {
  const done = (shares ?? 0) - (outstanding ?? 0);
  if (state === "pending") return `${done} of ${shares ?? "?"} shares in`;
  if (state === "complete") return `all ${shares ?? "?"} shares in, KCV ${kcv ?? "not shown before a login"}`;
  return `state ${state}`;
}

/** Which token. Its label would cost one exchange more. */
async function placeFacts({ card, simulated }: OpenDevice): Promise<Document> {
  const { serial, chr } = await card.identity();
  return { where: card.channel.where, serial: serial || null, chr: chr || null, simulated };
}
