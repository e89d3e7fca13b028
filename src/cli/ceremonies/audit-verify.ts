import { broken } from "../../services/ceremony/ceremony-chain.ts";
import { requireClosing, requireSigner } from "../../services/ceremony/ceremony-signature.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { readWhole } from "../keys/key-files.ts";
import { readPublicKey } from "../keys/key-public-file.ts";
import { auditedRecord, recordFacts, stateLines } from "./audited-record.ts";

/** Whether a record holds; touches no token. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const file = args.required("FILE");
  const head = args.text("head")?.replace(/[\s:]/g, "").toLowerCase();
  if (head !== undefined && !/^[0-9a-f]{64}$/.test(head)) throw usage("OPTION_VALUE", "--head wants 64 hex digits");
  const path = args.text("signer");
  const signer = path === undefined ? undefined : readPublicKey(await readWhole(context, path), path);
  const audited = await auditedRecord(context, file);
  const { record, signature } = audited;
  if (args.flag("closed") || signer !== undefined) requireClosing(record);
  if (signer !== undefined && signature !== null) requireSigner(signature, signer);
  if (head !== undefined && !record.entries.some(({ hash }) => hash === head)) {
    throw broken("CEREMONY_HEAD_UNKNOWN", "the head that was given is that of none of its entries");
  }
  const facts = recordFacts(audited);
  if (record.closing === null) {
    output.warn(`${file} is open: whoever can write it could have cut off its end or written it anew`);
  }
  output.result({ file, verified: true, record: facts, signerChecked: signer !== undefined }, [
    `${file} holds: ${String(facts["commands"])} commands, every line unchanged and in its place`,
    ...stateLines(audited),
  ]);
}
