import { expect, test } from "vitest";
import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { AgeTalk } from "../../../src/cli/age/age-talk.ts";

test("commands wait for one another, whoever says something at the same time", async () => {
  const events: string[] = [];
  let wake: () => void = () => undefined;
  let asked = 0;
  async function* answers(): AsyncGenerator<Uint8Array> {
    for (let answered = 0; ; answered++) {
      while (answered === asked) await new Promise<void>((resolve) => (wake = resolve));
      events.push("answer");
      yield utf8Bytes("-> ok\n\n");
    }
  }
  const talk = new AgeTalk(answers(), async (bytes) => {
    events.push(new TextDecoder().decode(bytes).split("\n")[0] ?? "");
    asked++;
    wake();
  });
  talk.say("touch it");
  talk.say("now");
  await Promise.all([talk.secret("PIN"), talk.fileKey(0, new Uint8Array(16))]);
  talk.say("thanks");
  await talk.done();
  expect(events).toEqual(
    ["-> msg", "-> msg", "-> request-secret", "-> file-key 0", "-> msg"]
      .flatMap((sent) => [sent, "answer"])
      .concat("-> done"),
  );
});
