import { utf8Bytes } from "../../bytes/bytes.ts";
import { ceremonyPage } from "../../services/ceremony/ceremony-page.ts";
import type { CommandContext } from "../context.ts";
import { openByteOutput } from "../keys/key-files.ts";
import { auditedRecord, recordFacts } from "./audited-record.ts";

/** The record as a page to print. One that does not hold is not printed. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const file = args.required("FILE");
  const out = args.text("out");
  const target = out === undefined ? undefined : openByteOutput(context, out, false);
  const audited = await auditedRecord(context, file);
  const page = ceremonyPage(audited.record, audited.signature);
  const facts = { file, record: recordFacts(audited), format: "html", out: target?.path ?? null };
  if (globals.dryRun && target !== undefined && target.path !== null) {
    output.result({ ...facts, dryRun: true, page: null }, [`would write ${target.path}`]);
    return;
  }
  if (target === undefined && !globals.json) {
    output.raw(utf8Bytes(page));
    return;
  }
  await target?.write(utf8Bytes(page));
  if (target?.path === null) return;
  output.result({ ...facts, page: target === undefined ? page : null }, [
    `${target?.path ?? ""}: the record as a page; print it with a browser`,
  ]);
}
