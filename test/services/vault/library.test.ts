import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  createVault,
  type Enrolment,
  enrolPassphrase,
  enrolRecovery,
  hostState,
  lockedVault,
  type NewSlot,
  openVault,
  passphraseSource,
  recoverySource,
  vaultPolicy,
} from "../../../src/vault.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-vault-library-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** As another program would: what was enrolled opens its slot once, and that is the proof. */
async function slotOf(label: string, { leaf, source }: Enrolment): Promise<NewSlot> {
  const ref = { slot: 0, leg: 0, leaf };
  await source.match([ref]);
  const key = (await source.keys([ref])).get(ref);
  return { label, holder: { kind: "one", leaf }, proof: () => key };
}

test("another program makes, opens, reads and edits a vault with what hsmadm/vault exports", async () => {
  const file = join(folder, "v.age");
  const state = hostState(join(folder, "state"));
  const phrase = new TextEncoder().encode("correct horse battery staple");
  const recovery = enrolRecovery();
  const enrolled = await enrolPassphrase(phrase, { logN: 10 });
  const vault = await createVault(file, [await slotOf("me", enrolled), await slotOf("paper", recovery)], { state });
  vault.set("borg", { value: new TextEncoder().encode("secret"), type: "text" });
  await vault.save();
  await vault.close();

  const { header } = await lockedVault(file);
  expect(vaultPolicy(header.slots).opensWith).toBe('passphrase "me" alone; recovery key "paper" alone');

  for (const source of [
    passphraseSource(async () => phrase.slice()),
    recoverySource(new TextEncoder().encode(recovery.identity)),
  ]) {
    const opened = await openVault(file, [source], { state, expectId: vault.id });
    expect(new TextDecoder().decode(opened.get("borg").value)).toBe("secret");
    expect(opened.openedBy.sources).toEqual([source]);
    opened.remove("borg");
    expect(opened.list()).toEqual([]);
    await opened.close();
    await source.close();
  }

  const wrong = passphraseSource(async () => new TextEncoder().encode("incorrect horse"));
  await expect(openVault(file, [wrong], { state })).rejects.toMatchObject({ code: "VAULT_PASSPHRASE_WRONG" });
});
