import { type Leaf, leavesOf, type Slot, type SlotHolder } from "../../crypto/vault/leaf.ts";
import { fidoRelyingParty } from "../../crypto/vault/names.ts";
import { HsmError } from "../../errors.ts";
import { leafFingerprint } from "../../services/vault/leaf-key.ts";
import type { Enrolment } from "../../services/vault/openers/enrolment.ts";
import type { EnrolledSlot } from "../../services/vault/openers/proven-slot.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { SecretWish } from "../secrets/secrets.ts";
import type { AuthenticatorHolder } from "./authenticator-holder.ts";
import { RecoveryKeys } from "./recovery-keys.ts";
import type { LeafWish, SlotWish } from "./slot-wish.ts";
import type { TokenHolder } from "./token-holder.ts";
import type { VaultSources } from "./vault-sources.ts";

/**
 * Makes keys ready to open a vault: finds the key or credential on the one device that is meant, asks for a phrase, makes a
 * recovery key. A device whose key opens the vault already is never chosen.
 */
export class Enroller {
  readonly #context: CommandContext;
  readonly #sources: VaultSources;
  readonly #taken: Leaf[];
  readonly recovery: RecoveryKeys;

  /** @param slots of the vault as it is */
  constructor(context: CommandContext, sources: VaultSources, slots: readonly Slot[]) {
    this.#context = context;
    this.#sources = sources;
    this.#taken = slots.flatMap(({ holder }) => leavesOf(holder));
    this.recovery = new RecoveryKeys(context);
  }

  /** @param label `undefined`: named after what it is */
  async enrol(wish: SlotWish, label: string | undefined, alike = 1): Promise<EnrolledSlot> {
    const wishes = wish.kind === "one" ? [wish.leaf] : wish.legs;
    const enrolments: Enrolment[] = [];
    const names: string[] = [];
    for (const [i, leaf] of wishes.entries()) {
      const later = wishes.slice(i).filter((other) => isAlike(other, leaf)).length;
      const { enrolment, name } = await this.#leaf(leaf, Math.max(alike, later));
      this.#taken.push(enrolment.leaf);
      for (const warning of enrolment.warnings) this.#context.output.warn(warning);
      enrolments.push(enrolment);
      names.push(name);
    }
    const leaves = enrolments.map((enrolment) => enrolment.leaf);
    // A card tells its serial and the key's label, a FIDO2 device only its model: there the place says more.
    const name = wish.kind === "one" ? (names[0] ?? "") : "";
    return { label: label ?? shortened(name), holder: holderOf(wish, leaves), enrolments };
  }

  async #leaf(wish: LeafWish, alike: number): Promise<{ enrolment: Enrolment; name: string }> {
    switch (wish.kind) {
      case "card":
        return this.#cardKey(wish, alike);
      case "fido":
        return this.#credential(wish, alike);
      case "passphrase":
        return { enrolment: await this.#passphrase(), name: "" };
      case "recovery":
        return { enrolment: await this.recovery.make(), name: "" };
    }
  }

  async #cardKey(wish: Extract<LeafWish, { kind: "card" }>, alike: number) {
    const { enrolCardKey } = await import("../../services/vault/openers/card-enrolment.ts");
    const anonymous = this.#context.args.flag("anonymous");
    const found: { token: TokenHolder; enrolment: Enrolment }[] = [];
    const problems: HsmError[] = [];
    let enrolled = 0;
    const tokens = this.#devices(this.#sources.tokens, wish.device, "a card");
    for (const token of tokens) {
      if (isOpenAs(this.#sources.authenticators, token)) continue;
      const opened = await unlessOther(tokens, problems, () => token.hold());
      if (opened === undefined) continue;
      const { device, options } = opened;
      try {
        const enrolment = await enrolCardKey(device.card, wish.key, { ...options, anonymous });
        if (this.#isTaken(enrolment.leaf)) enrolled++;
        else found.push({ token, enrolment });
      } catch (error) {
        if (!(error instanceof HsmError) || error.code !== "KEY_NOT_FOUND") throw error;
        problems.push(error);
      }
    }
    const [first] = found;
    if (first === undefined) {
      if (enrolled > 0) throw alreadyEnrolled(`the key "${wish.key}"`);
      throw problems[0] ?? usage("DEVICE_NONE", "no card is named", "give --device");
    }
    if (found.length > alike)
      throw ambiguous(
        `card:${wish.key}`,
        found.map(({ token }) => token),
      );
    return { enrolment: first.enrolment, name: "" };
  }

  async #credential(
    wish: Extract<LeafWish, { kind: "fido" }>,
    alike: number,
  ): Promise<{ enrolment: Enrolment; name: string }> {
    const { enrolCredential } = await import("../../services/vault/openers/fido-enrolment.ts");
    const { args, output } = this.#context;
    const devices = this.#devices(this.#sources.authenticators, wish.device, "a FIDO2 device");
    const problems: HsmError[] = [];
    const { free: candidates, enrolled } = await this.#unenrolled(devices, problems);
    const [first] = candidates;
    if (first === undefined) {
      if (enrolled > 0) throw alreadyEnrolled("every FIDO2 device that was named");
      throw problems[0] ?? usage("DEVICE_NONE", "no FIDO2 device is named", "give --device");
    }
    if (candidates.length > alike) throw ambiguous("fido", candidates);
    const { authenticator, options } = await first.hold();
    output.say(
      `${first.title}: three touches, to make the credential, to read its secret, and to see that it is the same again`,
    );
    const enrolment = await enrolCredential(authenticator, {
      ...options,
      excludeIds: this.#credentialIds(),
      uv: fidoUv(args.text("fido-uv")),
      userName: "hsmadm vault",
    });
    return { enrolment, name: args.flag("anonymous") ? "" : labelOf(first) };
  }

  /** Asked without a touch: a device that holds one of the vault's credentials is no backup of itself. */
  async #unenrolled(
    devices: readonly AuthenticatorHolder[],
    problems: HsmError[],
  ): Promise<{ readonly free: readonly AuthenticatorHolder[]; readonly enrolled: number }> {
    const free: AuthenticatorHolder[] = [];
    let enrolled = 0;
    const ids = this.#credentialIds();
    for (const device of devices) {
      if (isOpenAs(this.#sources.tokens, device)) continue;
      const opened = await unlessOther(devices, problems, () => device.hold());
      if (opened === undefined) continue;
      const holding = ids.length === 0 ? undefined : await opened.authenticator.holds(fidoRelyingParty, ids);
      if (holding?.status === "here") enrolled++;
      else free.push(device);
    }
    return { free, enrolled };
  }

  #credentialIds(): Uint8Array[] {
    return this.#taken.flatMap((leaf) => (leaf.kind === "fido2" ? [leaf.credential.id] : []));
  }

  async #passphrase(): Promise<Enrolment> {
    const { checkNewPassphrase, enrolPassphrase } = await import("../../services/vault/openers/passphrase-source.ts");
    const { args } = this.#context;
    const wish: SecretWish = {
      option: args.text("new-passphrase") === undefined ? "passphrase" : "new-passphrase",
      name: "passphrase of the new slot",
      isNew: true,
      check: checkNewPassphrase,
    };
    const secret = await this.#sources.secrets.open(wish);
    const stake = "whoever has the file can try without limit";
    return enrolPassphrase(await secret.value({ token: args.required("FILE"), stake }));
  }

  #devices<Device extends { readonly name: string }>(
    all: readonly Device[],
    named: string | undefined,
    what: string,
  ): readonly Device[] {
    const meant = named === undefined ? all : all.filter(({ name }) => name === named);
    if (meant.length > 0) return meant;
    throw new HsmError(
      "DEVICE_POLICY",
      "device",
      named === undefined ? `no device was named that could be ${what}` : `--device does not name ${named}`,
      { advice: `give --device ${named ?? "SERIAL"}: no device is touched that was not named` },
    );
  }

  #isTaken(leaf: Leaf): boolean {
    return this.#taken.some((other) => leafFingerprint(other) === leafFingerprint(leaf));
  }
}

/** A card in a reader may be an HSM or a FIDO2 device: where it was found to be the one, it is not asked about the other. */
function isOpenAs(
  others: readonly { readonly name: string; readonly opened: unknown }[],
  { name }: { readonly name: string },
): boolean {
  return others.some((other) => other.name === name && Boolean(other.opened));
}

/**
 * Opens a device; `undefined` where it is of another kind, or cannot do what a vault wants, and others may be meant. What
 * it said is kept, should none be left.
 */
async function unlessOther<Opened>(
  candidates: readonly unknown[],
  problems: HsmError[],
  open: () => Promise<Opened>,
): Promise<Opened | undefined> {
  try {
    return await open();
  } catch (error) {
    if (candidates.length < 2 || !(error instanceof HsmError) || error.kind !== "not-supported") throw error;
    problems.push(error);
    return undefined;
  }
}

function holderOf(wish: SlotWish, leaves: readonly Leaf[]): SlotHolder {
  if (wish.kind === "all-of") return { kind: "all-of", legs: leaves };
  if (wish.kind === "threshold") return { kind: "threshold", k: wish.k, legs: leaves };
  const [leaf] = leaves;
  if (leaf === undefined) throw new HsmError("UNEXPECTED", "unexpected", "a slot without a key");
  return { kind: "one", leaf };
}

/** A simulated device by the word that opens it, a real one as its maker calls it: where it is plugged in changes. */
function labelOf({ name, title }: AuthenticatorHolder): string {
  return name.startsWith("sim-fido:") ? name : title;
}

function fidoUv(text: string | undefined): "required" | "none" | undefined {
  if (text === undefined || text === "required" || text === "none") return text;
  throw usage("OPTION_VALUE", "--fido-uv knows required and none");
}

function isAlike(a: LeafWish, b: LeafWish): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Labels have 64 characters at most. */
function shortened(label: string): string {
  const characters = [...label];
  return characters.length <= 64 ? label : `${characters.slice(0, 63).join("")}…`;
}

function alreadyEnrolled(what: string): HsmError {
  return new HsmError("VAULT_OPENER_ENROLLED", "conflict", `${what} opens the vault already`, {
    advice: "a backup is another device: name one that is not enrolled yet",
  });
}

function ambiguous(wish: string, devices: readonly { readonly name: string }[]): HsmError {
  const [first] = devices;
  return usage(
    "SLOT_DEVICE_AMBIGUOUS",
    `${devices.length} devices could be ${wish}: ${devices.map(({ name }) => name).join(", ")}`,
    `say which: ${wish}@${first?.name ?? "DEVICE"}`,
  );
}
