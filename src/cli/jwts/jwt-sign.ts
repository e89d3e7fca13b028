import { utf8Bytes } from "../../bytes/bytes.ts";
import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { publicKeyJwk } from "../../crypto/keys/public-key-formats.ts";
import { type ClaimWishes, claimsAt, claimsIn, otherClaims, ttlSeconds, usualTtl } from "../../services/jwt/claims.ts";
import { plausibleNow } from "../../services/jwt/clock.ts";
import { algorithmOf, jwkThumbprint } from "../../services/jwt/jwk.ts";
import { signJwt } from "../../services/jwt/jwt-sign.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import { publicHalf } from "../commands/key-public.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { openByteOutput, readWhole } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";

/** A JWT that proves that the token's key was at work just now: what a device shows to a service. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, io, output } = context;
  const now = plausibleNow(io.now());
  const identifier = args.required("key");
  const claims = claimsAt(now, await wishesOf(context, now));
  const path = args.text("out");
  // Until it expires it opens what the device may open: nobody else reads the file.
  const target = path === undefined ? undefined : openByteOutput(context, path, true);
  await withKeysAndPin(context, async (session) => {
    const { card, token, name, memory } = session;
    const key = await findKey(card, identifier, memory);
    const publicKey = publicHalf(key, name);
    const alg = algorithmOf(key, publicKey);
    const kid = jwkThumbprint(publicKeyJwk(publicKey));
    const expires = new Date(Number(claims["exp"]) * 1000).toISOString();
    const out = target?.path ?? null;
    const facts = { token, key: keyFacts(key), alg, kid, claims, expires, out };
    if (globals.dryRun) {
      output.result({ dryRun: true, ...facts }, [
        `would sign a JWT with ${keyName(key)} on ${name} (${alg}, until ${expires}); nothing was sent`,
      ]);
      return;
    }
    await session.login();
    const jwt = await signJwt(card, { key, publicKey, alg, typ: args.text("typ") ?? "JWT", claims, now });
    await target?.write(utf8Bytes(`${jwt}\n`));
    if (target?.path === null) return;
    const lines = target === undefined ? [jwt] : [`${target.path}: JWT of ${keyName(key)}, ${alg}, until ${expires}`];
    output.result({ ...facts, jwt: target === undefined ? jwt : null }, lines);
  });
}

async function wishesOf(context: CommandContext, now: Date): Promise<ClaimWishes> {
  const { args } = context;
  const audience = args.texts("aud");
  if (audience.length === 0) {
    throw usage("OPTION_MISSING", "--aud is missing", "name the service the token is for, so that no other takes it");
  }
  if (audience.includes("")) throw usage("OPTION_VALUE", "--aud is empty");
  const ttl = args.text("ttl");
  const file = args.text("claims");
  return {
    audience,
    issuer: args.text("iss"),
    subject: args.text("sub"),
    id: args.text("jti"),
    ttl: ttl === undefined ? usualTtl : ttlSeconds(ttl, args.flag("allow-long-ttl")),
    notBefore: timeOption(args.text("nbf"), now),
    others: otherClaims(args.texts("claim"), file === undefined ? {} : claimsIn(await readWhole(context, file), file)),
  };
}

function timeOption(text: string | undefined, now: Date): Date | undefined {
  if (text === undefined || text === "now") return text === undefined ? undefined : now;
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (!Number.isNaN(time.getTime())) return time;
  throw usage("OPTION_VALUE", "--nbf wants now, or a time in UTC such as 2026-11-20T12:00:00Z");
}
