import { utf8Bytes, utf8Text } from "../../../bytes/bytes.ts";
import { fromHex, toHex } from "../../../bytes/hex.ts";
import { fileIds } from "../../../cards/smartcard-hsm/file-ids.ts";
import type { SmartCardHsm } from "../../../cards/smartcard-hsm/smartcard-hsm.ts";
import { vaultIdGrammar } from "../../../crypto/vault/vault-seed.ts";
import { HsmError } from "../../../errors.ts";
import type { Anchor, Anchored } from "../anchor.ts";

/** `v` for vault, far from where other programs begin to count: a data object that is read and written after a login only. */
const anchorFile = fileIds.secretData + 0x76;
/** A rack of vaults fits; the one not written for longest makes room. */
const mostVaults = 16;

/** What it asks of a SmartCard-HSM. */
export type AnchorCard = Pick<SmartCardHsm, "loggedIn" | "readFile" | "writeFile">;

export interface CardAnchorOptions {
  /** The vault in question: the id its header names, or the one it gets. */
  readonly id: string;
  /** Begins to keep the vault; else only one that the card knows already is kept up to date. */
  readonly begin: boolean;
}

/**
 * What a card remembers of vaults. It speaks only after a login: a card that did not open the vault neither vouches for it
 * nor notes what is written.
 * @param cards those that are here; the first that is logged in is asked
 */
export function cardAnchor(cards: () => readonly AnchorCard[], { id, begin }: CardAnchorOptions): Anchor {
  const card = () => cards().find(({ loggedIn }) => loggedIn === "user-pin");
  let kept = begin;
  return {
    async read() {
      const found = card();
      if (found === undefined) return null;
      const known = (await vaultsOn(found)).find((vault) => vault.id === id) ?? null;
      if (known !== null) kept = true;
      return known;
    },
    async write(anchored) {
      const found = card();
      if (!kept || found === undefined) {
        if (begin) throw notNoted();
        return;
      }
      const others = (await vaultsOn(found)).filter((vault) => vault.id !== id && vault.id !== anchored.id);
      await found.writeFile(anchorFile, encode([...others, anchored].slice(-mostVaults)));
    },
  };
}

async function vaultsOn(card: AnchorCard): Promise<readonly Anchored[]> {
  try {
    return decode(await card.readFile(anchorFile));
  } catch (error) {
    if (error instanceof HsmError && error.code === "FILE_NOT_FOUND") return [];
    throw error;
  }
}

/** A line for each vault: `v1-… 12 <SHA-256>`. */
function encode(vaults: readonly Anchored[]): Uint8Array {
  const lines = vaults.map(({ id, generation, hash }) => `${id} ${generation} ${toHex(hash).toLowerCase()}\n`);
  return utf8Bytes(lines.join(""));
}

/** @throws HsmError `VAULT_ANCHOR_INVALID` (check-failed): what cannot be read might have said no */
function decode(bytes: Uint8Array): Anchored[] {
  const lines = (utf8Text(bytes) ?? "?").split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [, id = "", generation = "", hash = ""] = /^(\S+) (\d{1,15}) ([0-9a-f]{64})$/.exec(line) ?? [];
    if (!vaultIdGrammar.test(id)) {
      throw new HsmError("VAULT_ANCHOR_INVALID", "check-failed", "what the card keeps of vaults cannot be read", {
        advice: "another program wrote file CD76; open the vault with another slot, or delete that file",
      });
    }
    return { id, generation: Number(generation), hash: fromHex(hash) };
  });
}

function notNoted(): HsmError {
  return new HsmError("VAULT_ANCHOR_NOT_WRITTEN", "device", "no card with a login is here to note it", {
    advice: "open the vault with the card that is to keep its generation",
  });
}
