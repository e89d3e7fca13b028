import { fromHex } from "../../bytes/hex.ts";
import { algorithmList } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import type { KeyKind } from "../../cards/smartcard-hsm/pkcs15-key-description.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";

type WithArgs = Pick<CommandContext, "args">;

/** `--label`, which must be given. */
export function labelOption({ args }: WithArgs): string {
  const label = args.required("label");
  if (label === "") throw usage("OPTION_VALUE", "--label is empty");
  return label;
}

/** `--id`. */
export function idOption({ args }: WithArgs): Uint8Array | undefined {
  const text = args.text("id");
  if (text === undefined) return undefined;
  const id = fromHex(text.replaceAll(":", ""), "--id");
  if (id.length === 0) throw usage("OPTION_VALUE", "--id is empty");
  return id;
}

export function keyRefOption({ args }: WithArgs): number | undefined {
  return args.integer("key-ref", 1, 255);
}

/** `--algorithms a,b`. */
export function algorithmsOption({ args }: WithArgs, kind: KeyKind): number[] | undefined {
  const text = args.text("algorithms");
  if (text === undefined) return undefined;
  const names = text.split(",").map((name) => name.trim().toLowerCase());
  if (names.some((name) => name === "")) throw usage("OPTION_VALUE", "--algorithms wants names with commas between");
  return algorithmList(names, kind);
}
