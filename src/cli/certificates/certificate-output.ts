import { utf8Bytes } from "../../bytes/bytes.ts";
import { pemText } from "../../crypto/keys/public-key-formats.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { type ByteOutput, openByteOutput } from "../keys/key-files.ts";
import type { Document } from "../output.ts";
import { encodingOption } from "./certificate-wishes.ts";

/** Where a request or certificate goes: `--out`, else standard output. */
export interface CertificateOutput {
  readonly target: ByteOutput | undefined;
  /** Writes it and puts the result together. @param label of the PEM @param what `certificate of …` */
  put(label: string, der: Uint8Array, what: string, facts: Document): Promise<void>;
}

/** Checks the options before a card is touched. @throws HsmError as {@link openByteOutput}, `OPTION_MISSING` (usage) */
export function openCertificateOutput(context: CommandContext): CertificateOutput {
  const { args, io, output, globals } = context;
  const encoding = encodingOption(context);
  const path = args.text("out");
  if (encoding === "der" && path === undefined && !globals.json && io.stdout.isTTY === true) {
    throw usage("OPTION_MISSING", "DER is not for terminals", "give --out FILE, or --pem");
  }
  const target = path === undefined ? undefined : openByteOutput(context, path, false);
  return {
    target,
    async put(label, der, what, facts) {
      const pem = pemText(label, der);
      const bytes = encoding === "der" ? der : utf8Bytes(pem);
      const document = { ...facts, out: target?.path ?? null, pem };
      if (target !== undefined) {
        await target.write(bytes);
        if (target.path !== null) output.result(document, [`${target.path}: ${what}`]);
        return;
      }
      if (encoding === "der" && !globals.json) output.raw(bytes);
      else output.result(document, pem.trimEnd().split("\n"));
    },
  };
}
