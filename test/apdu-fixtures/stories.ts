import type { CardChannel } from "../../src/apdu/channel.ts";
import { TransportError } from "../../src/apdu/transport-error.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../src/errors.ts";

/** What the driver read, said or refused, in order: the same whether the card answers or the recording. */
export type Facts = unknown[];

/** The secrets of a story. A recording does not know them, so any others of the same length do as well. */
export interface Secrets {
  readonly pin: Uint8Array;
  readonly newPin: Uint8Array;
  readonly wrongPins: readonly Uint8Array[];
  readonly soPin: Uint8Array;
  readonly wrongSoPins: readonly Uint8Array[];
}

/** One session that is worth keeping: apdu-fixtures/<card>/<name>.apdu. */
export interface Story {
  readonly name: string;
  /** What it shows, for README and for the head of the file. */
  readonly about: string;
  /** What was done to the token before, without being recorded. */
  prepare?(channel: CardChannel, secrets: Secrets): Promise<void>;
  /** Runs against any token in that state. `connect` makes a connection as a new process would. */
  play(connect: (twist?: Twist) => Promise<CardChannel>, secrets: Secrets): Promise<Facts>;
}

/** What goes wrong between reader and card: called before each command, counted from 0, with the bare channel. */
export type Twist = (channel: CardChannel, n: number, command: Uint8Array) => Promise<void>;

export const testSecrets: Secrets = {
  pin: utf8Bytes("648219"),
  newPin: utf8Bytes("917354"),
  wrongPins: ["111111", "222222", "333333"].map(utf8Bytes),
  soPin: fromHex("3537363231383830"),
  wrongSoPins: Array.from({ length: 15 }, (_, i) => fromHex(`00000000000000${(i + 16).toString(16)}`)),
};

/** The floors are off: these stories are about what lies below them. */
const toTheEnd = { policy: { minTries: 0, minSoTries: 0 } };

async function initialised(
  channel: CardChannel,
  { pin, soPin }: Secrets,
  dkek: "none" | "random" = "none",
): Promise<SmartCardHsm> {
  const card = await SmartCardHsm.open(channel);
  await card.initialize({ soPin, userPin: pin, dkek: { kind: dkek } });
  await card.verifyUserPin(pin);
  await card.writeLabel("fixture");
  return card;
}

async function tell(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    const { code, kind, triesLeft, which } = error;
    return { code, kind, ...(triesLeft === undefined ? {} : { triesLeft, which }) };
  }
}

async function states(card: SmartCardHsm): Promise<unknown> {
  const { state, userPin, soPin, dkek } = await card.status();
  const { shares, outstanding, kcv } = dkek;
  return { state, user: userPin.triesLeft, so: soPin.triesLeft, dkek: dkek.state, shares, outstanding, kcv };
}

async function who(card: SmartCardHsm): Promise<unknown> {
  const { version, options, profile } = card.application;
  const { serial, chain, simulated } = await card.identity();
  return { version: `${version.major}.${version.minor}`, options, profile, serial, chain: chain.status, simulated };
}

export const stories: readonly Story[] = [
  {
    name: "uninitialised",
    about: "Status of a token as it comes: who it is, no label, and that no PIN was ever set.",
    async play(connect) {
      const card = await SmartCardHsm.open(await connect());
      const facts = [await who(card), await card.label(), await states(card)];
      await card.channel.close();
      return facts;
    },
  },
  {
    name: "first-status",
    about: "Status of a token that was initialised with a DKEK made inside: six commands, no login, no try spent.",
    prepare: async (channel, secrets) => void (await initialised(channel, secrets, "random")),
    async play(connect) {
      const card = await SmartCardHsm.open(await connect());
      const facts = [await who(card), await card.label(), await states(card)];
      await card.channel.close();
      return facts;
    },
  },
  {
    name: "initialise",
    about: "A new token is initialised for two DKEK shares and labelled; a new process finds the shares pending.",
    async play(connect, { pin, soPin }) {
      const card = await SmartCardHsm.open(await connect());
      await card.initialize({ soPin, userPin: pin, dkek: { kind: "shares", shares: 2 } });
      await card.verifyUserPin(pin);
      await card.writeLabel("fixture");
      await card.logout();
      await card.channel.close();
      const later = await SmartCardHsm.open(await connect());
      const facts = [await who(later), await later.label(), await states(later)];
      await later.channel.close();
      return facts;
    },
  },
  {
    name: "wrong-pin-to-blocked-to-unblocked",
    about:
      "Three wrong user PINs, each with its count; blocked; the SO-PIN sets a new user PIN, and the old one is wrong.",
    prepare: async (channel, secrets) => void (await initialised(channel, secrets)),
    async play(connect, { pin, newPin, wrongPins, soPin }) {
      const card = await SmartCardHsm.open(await connect(), toTheEnd);
      const facts: Facts = [];
      for (const wrong of wrongPins) facts.push(await tell(card.verifyUserPin(wrong)));
      facts.push(await states(card), await tell(card.verifyUserPin(pin)));
      facts.push(await tell(card.unblockUserPin({ soPin, next: newPin })), await states(card));
      facts.push(await tell(card.verifyUserPin(pin)), await tell(card.verifyUserPin(newPin)), await states(card));
      await card.channel.close();
      return facts;
    },
  },
  {
    name: "so-pin-dead-end",
    about:
      "Fifteen wrong SO-PINs: administration is over. Nothing brings it back, initialising neither; the user PIN goes on working.",
    prepare: async (channel, secrets) => void (await initialised(channel, secrets)),
    async play(connect, { pin, newPin, soPin, wrongSoPins }) {
      const card = await SmartCardHsm.open(await connect(), toTheEnd);
      const facts: Facts = [];
      for (const wrong of wrongSoPins) facts.push(await tell(card.changeSoPin({ current: wrong, next: soPin })));
      facts.push(await states(card));
      facts.push(await tell(card.unblockUserPin({ soPin, next: newPin })));
      facts.push(await tell(card.initialize({ soPin, userPin: pin, dkek: { kind: "none" } })));
      facts.push(await tell(card.verifyUserPin(pin)), await states(card));
      await card.channel.close();
      return facts;
    },
  },
  {
    name: "transport-pin",
    about:
      "A token handed over with a transport PIN: it opens nothing until its holder has changed it (pico: not even then).",
    async prepare(channel, { pin, soPin }) {
      const card = await SmartCardHsm.open(channel);
      await card.initialize({ soPin, userPin: pin, dkek: { kind: "none" }, transportPin: true });
    },
    async play(connect, { pin, newPin }) {
      const card = await SmartCardHsm.open(await connect());
      const facts = [
        await states(card),
        await tell(card.verifyUserPin(pin)),
        await tell(card.changeUserPin({ current: pin, next: newPin })),
      ];
      facts.push(await tell(card.verifyUserPin(newPin)), await states(card));
      await card.channel.close();
      return facts;
    },
  },
  {
    name: "card-removed-while-the-pin-changes",
    about:
      "The card is pulled out as the PIN change is sent: no answer, nothing sent again. A new process looks and changes it.",
    prepare: async (channel, secrets) => void (await initialised(channel, secrets)),
    async play(connect, { pin, newPin }) {
      const pulled: Twist = async (channel, _, command) => {
        const changes = command[1] === 0x24;
        if (changes)
          throw new TransportError("CARD_REMOVED", `the card was taken out of ${channel.where}`, { layer: "sim" });
      };
      const card = await SmartCardHsm.open(await connect(pulled));
      const facts = [await tell(card.changeUserPin({ current: pin, next: newPin }))];
      await card.channel.close();
      const later = await SmartCardHsm.open(await connect());
      facts.push(await states(later), await tell(later.changeUserPin({ current: pin, next: newPin })));
      await later.channel.close();
      return facts;
    },
  },
  {
    name: "card-reset-by-another-program",
    about:
      "Another program resets the card: a status goes on, a write after the login does not. The PIN is not presented again by itself.",
    prepare: async (channel, secrets) => void (await initialised(channel, secrets)),
    async play(connect, { pin }) {
      let writes = 0;
      const reset: Twist = async (channel, n, command) => {
        const firstWrite = command[1] === 0xd7 && writes++ === 0;
        if (n !== 2 && !firstWrite) return;
        await channel.reset();
        throw new TransportError("CARD_RESET", `another program reset the card in ${channel.where}`, { layer: "sim" });
      };
      const card = await SmartCardHsm.open(await connect(reset));
      const facts = [await states(card), await tell(card.verifyUserPin(pin)), await tell(card.writeLabel("other"))];
      facts.push(await states(card), await card.label());
      await card.channel.close();
      return facts;
    },
  },
];
