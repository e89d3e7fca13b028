import { utf8Text } from "../../bytes/bytes.ts";
import { plausibleNow } from "../../services/jwt/clock.ts";
import { readJwks } from "../../services/jwt/jwks.ts";
import { verifyJwt } from "../../services/jwt/jwt-verify.ts";
import type { CommandContext } from "../context.ts";
import { readWhole } from "../keys/key-files.ts";

/** Checks a JWT as the service does that it was made for. No token is touched. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, io, output } = context;
  const now = plausibleNow(io.now());
  const path = args.required("jwks");
  const keys = await readJwks(await readWhole(context, path), path);
  const given = args.text("TOKEN") ?? utf8Text(await readWhole(context, "-")) ?? "";
  const audience = args.texts("aud");
  const { alg, kid, typ, claims } = await verifyJwt(given.trim(), keys, {
    audience,
    issuer: args.text("iss"),
    subject: args.text("sub"),
    typ: args.text("typ"),
    leeway: args.integer("leeway", 0, 600) ?? 0,
    now,
  });
  const expires = new Date(Number(claims["exp"]) * 1000).toISOString();
  const audienceChecked = audience.length > 0;
  output.result({ verified: true, alg, kid, typ, claims, expires, audienceChecked }, [
    `the token holds until ${expires} (${alg}, kid ${kid})`,
    ...Object.entries(claims).map(([name, value]) => `  ${name}: ${JSON.stringify(value)}`),
  ]);
  if (!audienceChecked) output.note("for whom it is was not checked: give --aud");
}
