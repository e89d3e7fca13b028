// A vault that opens with a card, with a FIDO2 device, or with another card and that device together: node open-a-vault.mjs
// The devices are simulated ones that live in memory. Real ones: a channel from `openPcsc`, or `openHid` for FIDO2 by USB.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SmartCardHsm, standardStack } from "hsmadm";
import { defaultWorld, SimulatedAuthenticator, SimulatedToken, SimulatorChannel } from "hsmadm/testing";
import {
  cardSource,
  closeEnrolments,
  createVault,
  ctapOverCard,
  enrolCardKey,
  enrolCredential,
  Fido2Authenticator,
  fidoSource,
  openVault,
  provenSlot,
} from "hsmadm/vault";

/** @param {string} text */
const bytes = (text) => new TextEncoder().encode(text);
const deadline = { deadlineMs: 10_000 };
const folder = await mkdtemp(join(tmpdir(), "vault-example-"));
const file = join(folder, "home.vault");

try {
  const [first, second] = [await newCard("first"), await newCard("second")];
  const simulated = new SimulatorChannel(SimulatedAuthenticator.create(defaultWorld()), "sim-fido:example");
  const fido = await Fido2Authenticator.open(ctapOverCard(standardStack(simulated, deadline)));

  // `pin` is asked once, when a key of the vault was found on the device: the place for a prompt.
  const userPin = { pin: async () => bytes("648219") };
  const fidoOptions = { title: "the FIDO2 device", pin: userPin.pin };
  /** @param {string} title */
  const cardOptions = (title) => ({ title, ...userPin });

  // Made: each slot has opened the vault before the file is there.
  const card = await enrolCardKey(first, "vault", cardOptions("the first card"));
  const touch = await enrolCredential(fido, { ...fidoOptions, excludeIds: [], userName: "example" });
  const other = await enrolCardKey(second, "vault", cardOptions("the second card"));
  /** @type {import("hsmadm/vault").EnrolledSlot[]} */
  const slots = [
    { label: "card", holder: { kind: "one", leaf: card.leaf }, enrolments: [card] },
    { label: "touch", holder: { kind: "one", leaf: touch.leaf }, enrolments: [touch] },
    { label: "both", holder: { kind: "all-of", legs: [other.leaf, touch.leaf] }, enrolments: [other, touch] },
  ];
  const proven = [];
  for (const slot of slots) proven.push(await provenSlot(slot));
  const vault = await createVault(file, proven);
  vault.set("borg", { value: bytes("correct horse battery staple"), type: "text" });
  await vault.save();
  await vault.close();
  await closeEnrolments(slots);

  // Opened with whatever is at hand: sources are all alike, and the header says what each is good for.
  const ways = {
    card: () => [cardSource(first, cardOptions("the first card"))],
    touch: () => [fidoSource(fido, fidoOptions)],
    both: () => [cardSource(second, cardOptions("the second card")), fidoSource(fido, fidoOptions)],
  };
  for (const [way, sourcesOf] of Object.entries(ways)) {
    const sources = sourcesOf();
    try {
      const only = slots.findIndex(({ label }) => label === way) + 1;
      const opened = await openVault(file, sources, { expectId: vault.id, only: [only], write: true });
      try {
        const { value } = opened.get("borg");
        console.log(`${way}: generation ${opened.generation}, ${value.length} bytes`);
        value.fill(0);
        opened.set("borg", { value: bytes(`${way} was here`), type: "text" });
        await opened.save();
      } finally {
        await opened.close();
      }
    } finally {
      for (const source of sources) await source.close();
    }
  }
} finally {
  await rm(folder, { recursive: true });
}

/**
 * A card with a key for vaults.
 * @param {string} name
 */
async function newCard(name) {
  const token = SimulatedToken.create(defaultWorld(), { profile: "genuine" });
  const hsm = await SmartCardHsm.open(standardStack(new SimulatorChannel(token, `sim:${name}`), deadline));
  const userPin = bytes("648219");
  await hsm.initialize({ soPin: bytes("3537363231383830"), userPin, dkek: { kind: "none" } });
  await hsm.verifyUserPin(userPin);
  await hsm.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "vault" });
  return hsm;
}
