import { bigEndian, concat } from "../../bytes/bytes.ts";
import { type CborMap, cborMap, encodeCbor } from "./cbor.ts";
import type { PinUvAuth } from "./credential-commands.ts";
import { type CtapCommand, ctapCommands, ctapMessage, touchPatienceMs } from "./ctap-command.ts";

/** One subcommand of authenticatorConfig (CTAP 2.1 section 6.11); 01 to 03 are the standard's, FF (7F) the maker's. */
export interface ConfigRequest {
  readonly subCommand: number;
  readonly parameters?: CborMap | undefined;
}

/** What the PIN has to stand behind: 32 bytes FF || 0D || subcommand || the parameters as they are sent. */
export function configMessage({ subCommand, parameters }: ConfigRequest): Uint8Array {
  return concat(
    new Uint8Array(32).fill(0xff),
    Uint8Array.of(ctapCommands.config),
    bigEndian(subCommand, 1),
    parameters === undefined ? new Uint8Array(0) : encodeCbor(parameters),
  );
}

/** @param auth made for {@link configMessage} */
export function authenticatorConfig({ subCommand, parameters }: ConfigRequest, auth?: PinUvAuth): CtapCommand<CborMap> {
  return {
    name: "authenticatorConfig",
    message: ctapMessage(
      ctapCommands.config,
      cborMap([0x01, subCommand], [0x02, parameters], [0x03, auth?.protocol], [0x04, auth?.param]),
    ),
    patienceMs: touchPatienceMs,
    parse: (answer) => answer,
  };
}

/** @param parameters CBOR, sent as it is */
export function vendorCommand(command: number, parameters: Uint8Array): CtapCommand<CborMap> {
  return {
    name: `vendor command ${command.toString(16).toUpperCase().padStart(2, "0")}`,
    message: concat(Uint8Array.of(command), parameters),
    patienceMs: touchPatienceMs,
    parse: (answer) => answer,
  };
}
