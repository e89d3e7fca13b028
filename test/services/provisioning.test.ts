import { expect, test } from "vitest";
import type { InitializeSettings } from "../../src/cards/smartcard-hsm/initialize.ts";
import { HsmError } from "../../src/errors.ts";
import { type InitialisePlan, initialiseToken, type ProvisionableCard } from "../../src/services/provisioning.ts";
import { statusOf } from "./statuses.ts";

const pin = new TextEncoder().encode("648219");
const wanted: InitializeSettings = {
  soPin: new Uint8Array(8).fill(0x35),
  userPin: pin,
  dkek: { kind: "shares", shares: 2 },
};
const plan: InitialisePlan = { label: "demo", settings: wanted };
const planWith = (changes: Partial<InitializeSettings>): InitialisePlan => ({
  ...plan,
  settings: { ...wanted, ...changes },
});

/** Counts what it is asked, and fails at the call with this number. */
function card(fault?: { at: number; error: HsmError }) {
  const calls: string[] = [];
  const settings: InitializeSettings[] = [];
  const call = <Result>(name: string, result: Result): Promise<Result> => {
    calls.push(name);
    if (fault !== undefined && calls.length === fault.at) return Promise.reject(fault.error);
    return Promise.resolve(result);
  };
  const identity = {
    key: "AA",
    serial: "UTSIM00001",
    chr: "UTSIM0000100000",
    simulated: true,
    chain: { status: "not-verifiable", reason: "because" },
  } as const;
  const double: ProvisionableCard = {
    async initialize(given) {
      const chosen = typeof given === "function" ? await given(statusOf(3, 15).soPin) : given;
      settings.push(chosen);
      return call("initialize", chosen);
    },
    identity: () => call("identity", identity),
    status: () => call("status", statusOf(3, 15)),
    verifyUserPin: () => call("verify", undefined),
    writeLabel: (label) => call(`label ${label}`, undefined),
  };
  return { double, calls, settings };
}

test("initialise, look, log in, label: in this order and each once", async () => {
  const { double, calls, settings } = card();
  const steps: string[] = [];
  const outcome = await initialiseToken(double, plan, (step) => steps.push(step));
  expect(calls).toEqual(["initialize", "identity", "status", "verify", "label demo"]);
  expect(steps).toEqual(["status", "login", "label"]);
  expect(settings[0]).not.toHaveProperty("label");
  expect(outcome).toMatchObject({ labelWritten: true, labelNote: null, exportable: true, identity: { key: "AA" } });
});

test("without a label nobody logs in", async () => {
  const { double, calls } = card();
  const { label: _, ...noLabel } = plan;
  const outcome = await initialiseToken(double, noLabel);
  expect(calls).toEqual(["initialize", "identity", "status"]);
  expect(outcome).toMatchObject({ labelWritten: false, labelNote: null });
});

test.each([
  ["none", false, "can never leave it"],
  ["random", false, "on this token only"],
  ["shares", true, "once all DKEK shares are imported"],
  ["key-domains", true, "once it has its shares"],
])("DKEK %s: exportable %s", async (kind, exportable, note) => {
  const dkek = { kind, shares: 1, domains: 1 } as InitializeSettings["dkek"];
  const outcome = await initialiseToken(card().double, planWith({ dkek }));
  expect(outcome.exportable).toBe(exportable);
  expect(outcome.exportNote).toContain(note);
});

test.each([
  [{ transportPin: true }, "before the transport PIN is changed"],
  [{ publicKeyAuthentication: { required: 1, total: 2 } }, "authentication keys are registered"],
  [{ publicKeyAuthentication: { required: 1, total: 2 }, userPin: undefined }, "authentication keys are registered"],
])("%j: the label waits, and no PIN is presented", async (changes, note) => {
  const { double, calls } = card();
  const outcome = await initialiseToken(double, planWith(changes));
  expect(calls).not.toContain("verify");
  expect(outcome.labelWritten).toBe(false);
  expect(outcome.labelNote).toContain(note);
});

test("a floor that keeps the only try is no failure", async () => {
  const error = new HsmError("TRIES_FLOOR", "refused", "the user PIN was NOT sent");
  const outcome = await initialiseToken(card({ at: 4, error }).double, planWith({ retries: 1 }));
  expect(outcome.labelWritten).toBe(false);
  expect(outcome.labelNote).toContain("--min-tries 0");
});

test.each(["", "x".repeat(300), "a\u0007b"])("the label %j is refused before anything is erased", async (label) => {
  const { double, calls } = card();
  await expect(initialiseToken(double, { ...plan, label })).rejects.toMatchObject({ kind: "usage" });
  expect(calls).toEqual([]);
});

test("a failure of INITIALIZE itself comes through as it is", async () => {
  const error = new HsmError("SO_PIN_WRONG", "authentication", "wrong SO-PIN", { triesLeft: 14, which: "so-pin" });
  const { double, calls } = card({ at: 1, error });
  await expect(initialiseToken(double, plan)).rejects.toBe(error);
  expect(calls).toEqual(["initialize"]);
});

test.each([2, 3, 4, 5])("unplugged at call %i: partial, the keys are gone, and the same plan finishes", async (at) => {
  const error = new HsmError("CARD_REMOVED", "device", "the card was removed", { token: "UTSIM00001" });
  const broken = card({ at, error });
  const refused = await initialiseToken(broken.double, plan).then(
    () => undefined,
    (thrown: unknown) => thrown as HsmError,
  );
  expect(refused).toMatchObject({ code: "INITIALISED_IN_PART", kind: "partial", token: "UTSIM00001" });
  expect(refused?.message).toContain("the token is initialised, but");
  expect(refused?.message).toContain("the card was removed");
  expect(refused?.advice).toContain("`hsmadm device label NAME` writes the label");
  expect(refused?.cause).toBe(error);
  expect(broken.calls.filter((name) => name === "verify").length).toBeLessThanOrEqual(1);

  const again = card();
  expect((await initialiseToken(again.double, plan)).labelWritten).toBe(true);
});
