import type { CeremonyCommand } from "../../services/ceremony/ceremony-entry.ts";
import { commandLine, kcvWords, resultWords, tokenWords, triesWords } from "../../services/ceremony/ceremony-words.ts";
import type { CommandContext } from "../context.ts";
import { auditedRecord, recordFacts, stateLines } from "./audited-record.ts";

/** What was done, by whom, on which token. A record that does not hold is not shown. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const file = args.required("FILE");
  const audited = await auditedRecord(context, file);
  const { opening, entries } = audited.record;
  const commands = entries.filter((entry) => entry.kind === "command");
  output.result({ file, record: recordFacts(audited), entries }, [
    `ceremony record ${opening.id}, begun ${opening.time}`,
    ...commands.flatMap(commandLines),
    "",
    ...stateLines(audited),
  ]);
}

function commandLines(entry: CeremonyCommand): string[] {
  const who = entry.officer === null ? "" : `  ${entry.officer}`;
  return [
    "",
    `${entry.sequence}  ${entry.time}${who}`,
    `   hsmadm ${commandLine(entry)}`,
    `   ${resultWords(entry)}${entry.error === null ? "" : `: ${entry.error.message}`}`,
    ...entry.tokens.flatMap((token) => [
      `   ${tokenWords(token)}`,
      ...[triesWords(token), kcvWords(token)].filter((line) => line !== "").map((line) => `     ${line}`),
    ]),
  ];
}
