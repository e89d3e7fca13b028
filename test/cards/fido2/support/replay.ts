import type { CtapChannel, CtapSendOptions } from "../../../../src/apdu/ctap-channel.ts";
import { fromHex, toHex } from "../../../../src/bytes/hex.ts";
import { authProtocols } from "../../../../src/cards/fido2/auth-protocol.ts";
import { type CborMap, cborMap } from "../../../../src/cards/fido2/cbor.ts";
import * as clientPin from "../../../../src/cards/fido2/client-pin.ts";
import {
  type Assertion,
  type GetAssertionRequest,
  getAssertion,
  type MakeCredentialRequest,
  makeCredential,
  type PinUvAuth,
} from "../../../../src/cards/fido2/credential-commands.ts";
import { answerMap, type CtapCommand, exchangeCtap, sendCtap } from "../../../../src/cards/fido2/ctap-command.ts";
import { type CtapOverCardOptions, ctapOverCard } from "../../../../src/cards/fido2/ctap-over-apdu.ts";
import { hmacSecretInput, hmacSecretOutputs } from "../../../../src/cards/fido2/hmac-secret.ts";
import { fidoPinBytes, pinHash } from "../../../../src/cards/fido2/pin-bytes.ts";
import { agreeOn, type PlatformRandomness, type SharedSecret } from "../../../../src/cards/fido2/shared-secret.ts";
import { type Additions, RecordedToken, recordedRandomness, recording } from "./recorded-token.ts";

/** One recorded session, replayed with the driver's commands in the order of the client that was recorded. */
export class Replay {
  readonly card: RecordedToken;
  readonly random: PlatformRandomness;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly expected: Readonly<Record<string, unknown>>;
  readonly version: 1 | 2;
  readonly waited: number[] = [];
  channel: CtapChannel;
  readonly #options: CtapOverCardOptions;

  constructor(session: string, options: CtapOverCardOptions = {}, additions: Additions = {}) {
    const { inputs, expected } = recording(session);
    this.card = new RecordedToken(session, additions);
    this.random = recordedRandomness(session);
    this.inputs = inputs;
    this.expected = expected;
    this.version = inputs["protocol"] === 1 ? 1 : 2;
    const wait = async (ms: number) => void this.waited.push(ms);
    this.#options = { wait, ...options };
    this.channel = ctapOverCard(this.card, this.#options);
  }

  /** The card was taken out and put back: a new connection, which selects again. */
  reconnect(): void {
    this.channel = ctapOverCard(this.card, this.#options);
  }

  hex(name: string): Uint8Array {
    return fromHex(this.text(name));
  }

  text(name: string): string {
    const value = this.inputs[name] ?? this.expected[name];
    if (typeof value !== "string") throw new Error(`no input ${name}`);
    return value;
  }

  get rpId(): string {
    return this.text("rpId");
  }

  get salts(): Uint8Array[] {
    return ["salt1", "salt2"].filter((name) => name in this.inputs).map((name) => this.hex(name));
  }

  pin(name = "pin"): Uint8Array {
    return fidoPinBytes(new TextEncoder().encode(this.text(name)));
  }

  call<Result>(command: CtapCommand<Result>, options?: CtapSendOptions): Promise<Result> {
    return exchangeCtap(this.channel, command, options);
  }

  /** Status in the recordings' spelling. */
  async status(command: CtapCommand<unknown>, options?: CtapSendOptions): Promise<string> {
    const { status, body } = await sendCtap(this.channel, command, options);
    if (status === 0) command.parse(answerMap(body, command.name));
    return status === 0 ? "OK" : toHex(Uint8Array.of(status)).toLowerCase();
  }

  async agree(): Promise<SharedSecret> {
    const protocol = authProtocols[this.version];
    return agreeOn(protocol, await this.call(clientPin.getKeyAgreement(protocol)), this.random);
  }

  retries(): Promise<clientPin.PinRetries> {
    return this.call(clientPin.getPinRetries(authProtocols[this.version]));
  }

  tokenCommand(
    secret: SharedSecret,
    options: {
      readonly permissions?: number;
      readonly rpId?: string | undefined;
      readonly legacy?: boolean;
      readonly pin?: string;
    } = {},
  ): CtapCommand<Uint8Array> {
    const hash = pinHash(this.pin(options.pin));
    if (options.legacy === true) return clientPin.getPinToken(secret, hash);
    const { permissions = 2 } = options;
    const rpId = permissions === 0x20 ? undefined : (options.rpId ?? "zkm.example");
    return clientPin.getTokenUsingPin(secret, hash, { permissions, rpId });
  }

  /** A key agreement and a token under it, as the recorded client made them: a fresh one for each purpose. */
  async token(options: Parameters<Replay["tokenCommand"]>[1] = {}): Promise<Uint8Array> {
    return this.call(this.tokenCommand(await this.agree(), options));
  }

  auth(token: Uint8Array): PinUvAuth {
    const protocol = authProtocols[this.version];
    return { param: protocol.authenticate(token, this.random.clientDataHash), protocol: protocol.version };
  }

  assertion(request: Partial<GetAssertionRequest> = {}): CtapCommand<Assertion> {
    const { clientDataHash } = this.random;
    const allowIds = "allowIds" in request ? request.allowIds : [this.hex("credentialId")];
    return getAssertion({ ...request, rpId: this.rpId, clientDataHash, allowIds });
  }

  credential(request: Partial<MakeCredentialRequest> = {}): ReturnType<typeof makeCredential> {
    return makeCredential({
      clientDataHash: this.random.clientDataHash,
      rp: { id: this.rpId, name: "test" },
      user: { id: new TextEncoder().encode("user-0001"), name: "u" },
      algorithms: [-7],
      extensions: cborMap(["hmac-secret", true]),
      ...request,
    });
  }

  /** getAssertion with hmac-secret, as python-fido2 does it; the outputs joined, in hex. */
  async hmacSecret(
    how: {
      readonly uv?: boolean;
      readonly legacy?: boolean;
      readonly salts?: readonly Uint8Array[];
      readonly request?: Partial<GetAssertionRequest>;
      readonly onKeepAlive?: (status: number) => void;
    } = {},
  ): Promise<{ readonly output: string; readonly flags: string; readonly counter: number; readonly id: string }> {
    const { salts = this.salts } = how;
    const secret = await this.agree();
    const input = hmacSecretInput(secret, salts, { nameProtocol: true });
    const auth = how.uv === true ? this.auth(await this.token({ legacy: how.legacy === true })) : undefined;
    const command = this.assertion({ extensions: hmacExtension(input), auth, ...how.request });
    const { authData, credentialId } = await this.call(command, { onKeepAlive: how.onKeepAlive });
    const outputs = hmacSecretOutputs(secret, authData.extensions.get("hmac-secret"), salts.length);
    return {
      output: outputs.map((each) => toHex(each).toLowerCase()).join(""),
      flags: toHex(Uint8Array.of(authData.flags)).toLowerCase(),
      counter: authData.signCount,
      id: toHex(credentialId ?? new Uint8Array(0)).toLowerCase(),
    };
  }
}

export function hmacExtension(input: CborMap): CborMap {
  return cborMap(["hmac-secret", input]);
}
