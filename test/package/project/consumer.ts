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
import { openReplay, parseTrace, repeatableWorld, SimulatedToken, SimulatorChannel, type Trace } from "hsmadm/testing";

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

// @ts-expect-error a status is no number: were the types lost, this would pass
export const wrong: number = {} as TokenStatus;
