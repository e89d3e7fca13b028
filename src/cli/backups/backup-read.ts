import { readBackupFile } from "../../crypto/backup/backup-file.ts";
import type { BackupManifest } from "../../crypto/backup/backup-manifest.ts";
import { readBackupBytes } from "../../services/backup/backup-store.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";

/** The backup a command was given; its digest fits. */
export async function readBackup(context: CommandContext): Promise<{ file: string; manifest: BackupManifest }> {
  const file = context.args.required("FILE");
  return { file, manifest: readBackupFile(await readBackupBytes(file)) };
}

/** @throws HsmError `OPTIONS_CONFLICT` (usage) for a trace of a command that speaks to no card */
export function refuseTrace({ globals }: CommandContext): void {
  if (globals.trace === undefined) return;
  throw usage("OPTIONS_CONFLICT", "--trace records what is said to a card, and this speaks to none");
}
