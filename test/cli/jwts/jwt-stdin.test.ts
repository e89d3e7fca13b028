import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeBuilt, hsmadm } from "../support/built.ts";
import { Officer, secretEnv } from "../support/officer.ts";
import { TestWorld } from "../support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

describeBuilt("hsmadm jwt, built", () => {
  test("verify reads the token from standard input", async () => {
    await officer.initialised("p");
    const at = "--device sim:p --pin env:PIN";
    await officer.gets(0, `key generate --type ec:p256 --label k ${at}`);
    const path = world.path("k.jwks");
    writeFileSync(path, (await officer.gets(0, "key public k --jwks --device sim:p")).stdout);
    const env = { ...secretEnv, HSMADM_HOME: world.home };
    const signed = await hsmadm(["jwt", "sign", "--key", "k", "--aud", "a", ...at.split(" ")], env).ended;
    expect(signed).toMatchObject({ code: 0, stderr: "" });
    const verify = async (input: string) => {
      const running = hsmadm(["jwt", "verify", "--jwks", path, "--aud", "a", "--json"], env);
      running.child.stdin.end(input);
      return running.ended;
    };
    const held = await verify(signed.stdout);
    expect(held.code).toBe(0);
    expect(JSON.parse(held.stdout)).toMatchObject({ verified: true, alg: "ES256", claims: { aud: "a" } });
    expect((await verify("")).code).toBe(9);
  });
});
