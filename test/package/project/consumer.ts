// Type-checked in the scratch project: what a TypeScript program sees of the package.
import {
  type CardChannel,
  type ErrorKind,
  type GuardJudgement,
  HsmError,
  judge,
  openPcsc,
  SmartCardHsm,
  standardStack,
  type TokenStatus,
} from "hsmadm";
import {
  openReplay,
  parseTrace,
  repeatableWorld,
  SimulatedAuthenticator,
  SimulatedToken,
  SimulatorChannel,
  type TouchRequest,
  type Trace,
} from "hsmadm/testing";
import {
  cardSource,
  ctapOverCard,
  Fido2Authenticator,
  fidoSource,
  type KeySource,
  type OpenVault,
  openVault,
} from "hsmadm/vault";

export async function guarded(channel: CardChannel): Promise<GuardJudgement> {
  const card = await SmartCardHsm.open(standardStack(channel, { deadlineMs: 1000 }));
  const status: TokenStatus = await card.status();
  return judge(status, { userPinTries: 1, soPinTries: 3 });
}

export async function everywhere(text: string): Promise<(ErrorKind | null)[]> {
  const trace: Trace = parseTrace(text, "session.apdu");
  const token = SimulatedToken.create(repeatableWorld("types"), { profile: "pico" });
  const pcsc = await openPcsc({ timeoutMs: 1000 });
  const [reader] = await pcsc.listReaders();
  const channels: CardChannel[] = [
    openReplay(trace, "session.apdu").connect(),
    new SimulatorChannel(token, "sim:types"),
  ];
  if (reader !== undefined) channels.push(await pcsc.connect(reader.name, { share: "shared" }));
  return Promise.all(
    channels.map((channel) =>
      guarded(channel).then(
        () => null,
        (error: unknown) => (error instanceof HsmError ? error.kind : "unexpected"),
      ),
    ),
  );
}

/** Any source, whatever is behind it. */
export async function borgPassphrase(path: string, sources: readonly KeySource[]): Promise<Uint8Array> {
  const vault: OpenVault = await openVault(path, sources);
  try {
    return vault.get("borg").value;
  } finally {
    await vault.close();
  }
}

export async function sourcesOf(card: SmartCardHsm, authenticator: Fido2Authenticator): Promise<KeySource[]> {
  const title = "a device";
  return [
    cardSource(card, { title, pin: async ({ triesLeft }) => new Uint8Array(triesLeft ?? 0) }),
    fidoSource(authenticator, { title, pin: async ({ retries }) => new Uint8Array(retries) }),
  ];
}

export async function softwareKey(touch: (request: TouchRequest) => Promise<"touched">): Promise<Fido2Authenticator> {
  const simulated = SimulatedAuthenticator.create(repeatableWorld("types"), { profile: "applet", touch });
  return Fido2Authenticator.open(ctapOverCard(new SimulatorChannel(simulated, "sim-fido:types")));
}

// @ts-expect-error a vault is opened with sources, not with a path alone
export const unopened: Promise<OpenVault> = openVault("home.vault");

// @ts-expect-error a status is no number: were the types lost, this would pass
export const wrong: number = {} as TokenStatus;
