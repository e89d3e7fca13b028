import { expect, test } from "vitest";
import { fromHex } from "../../src/bytes/hex.ts";
import { parseApplicationInfo } from "../../src/cards/smartcard-hsm/application.ts";
import type { TokenIdentity } from "../../src/cards/smartcard-hsm/token-status.ts";
import { knownRoots, type TrustedRoot } from "../../src/crypto/cvc/cvc-chain.ts";
import { type ReportableCard, reportDevice } from "../../src/services/device-report.ts";
import { statusOf } from "./statuses.ts";

const root = (kind: TrustedRoot["kind"]): TrustedRoot =>
  knownRoots.find((candidate) => candidate.kind === kind) as TrustedRoot;

function card(select: string, identity: Partial<TokenIdentity>, asked: string[] = []): ReportableCard {
  return {
    channel: { where: 'reader "X"' },
    application: parseApplicationInfo(fromHex(select)),
    identity: async () => {
      asked.push("identity");
      return {
        key: "AA",
        serial: "DENK0404144",
        chr: "DENK040414400000",
        simulated: false,
        chain: { status: "not-verifiable", reason: "because" },
        ...identity,
      };
    },
    label: async () => {
      asked.push("label");
      return "demo";
    },
    status: async () => {
      asked.push("status");
      return statusOf(3, 15);
    },
  };
}

const genuine41 = "6F0A82017885050001000401";
const pico66 = "6F0A82017885050021FF0606";

test("a genuine token with a proved chain", async () => {
  const asked: string[] = [];
  const chain = { status: "verified", root: root("genuine"), path: ["DENK040414400000", "x"] } as const;
  const report = await reportDevice(card(genuine41, { chain }, asked));
  expect(asked.sort()).toEqual(["identity", "label", "status"]); // Once each: an exchange less is an exchange saved.
  expect(JSON.parse(JSON.stringify(report))).toEqual({
    where: 'reader "X"',
    serial: "DENK0404144",
    chr: "DENK040414400000",
    key: "AA",
    label: "demo",
    simulated: false,
    maker: "genuine",
    version: "4.1",
    platform: "production",
    options: "0001",
    optionNames: ["user PIN reset with SO-PIN"],
    pinReset: "with-new-pin",
    chain: {
      status: "verified",
      root: "DESRCACC100001",
      rootTitle: "SmartCard-HSM and Nitrokey HSM (CardContact scheme root)",
      path: ["DENK040414400000", "x"],
      reason: null,
    },
    state: "operational",
    userPin: { state: "ready", triesLeft: 3, sw: "63C3" },
    soPin: { state: "ready", triesLeft: 15, sw: "63CF" },
    dkek: { index: 0, state: "none", shares: null, outstanding: null, kcv: null, kcvNote: null },
    keyDomains: null,
  });
});

test("who made it is what the chain proves, not what the token says", async () => {
  expect((await reportDevice(card(genuine41, {}))).maker).toBe("unknown");
  expect((await reportDevice(card(pico66, {}))).maker).toBe("pico");
  const chain = { status: "verified", root: root("simulated"), path: [] } as const;
  expect(await reportDevice(card(genuine41, { chain, simulated: true }))).toMatchObject({
    maker: "simulated",
    simulated: true,
  });
});

test("options decide what the SO-PIN may do", async () => {
  const of = async (options: string) => (await reportDevice(card(`6F0A8201788505${options}FF0606`, {}))).pinReset;
  expect(await of("0000")).toBe("never");
  expect(await of("0001")).toBe("with-new-pin");
  expect(await of("0021")).toBe("counter-only");
  expect(await of("0020")).toBe("never");
  const old = await reportDevice(card("6F0782017885020102", {}));
  expect(old).toMatchObject({ pinReset: null, options: null, version: "1.2" });
});

test("a token without a certificate has null where it has no name", async () => {
  const report = await reportDevice(card(pico66, { key: "", serial: "", chr: "" }));
  expect(report).toMatchObject({ key: null, serial: null, chr: null });
});
