import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { CardChannel } from "../../src/apdu/channel.ts";
import { interruptible } from "../../src/cli/interruption.ts";
import { Officer, secrets } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

/** Presses Ctrl-C when this is written to standard error. */
const pressAt = (words: string) => ({ onStderr: (text: string) => text.includes(words) && world.signal("SIGINT") });

describe("Ctrl-C", () => {
  test("an exchange that runs is finished, the next one is not begun", async () => {
    const stop = new AbortController();
    let sent = 0;
    const card: CardChannel = {
      atr: new Uint8Array(),
      where: "test",
      async transceive() {
        sent += 1;
        stop.abort();
        await Promise.resolve();
        return Uint8Array.of(0x90, 0);
      },
      reset: async () => undefined,
      close: async () => undefined,
    };
    const channel = interruptible(card, stop.signal);
    expect(await channel.transceive(new Uint8Array())).toEqual(Uint8Array.of(0x90, 0));
    await expect(channel.transceive(new Uint8Array())).rejects.toMatchObject({ kind: "interrupted" });
    await expect(channel.reset()).rejects.toMatchObject({ kind: "interrupted" });
    expect(sent).toBe(1);
    await channel.close();
  });

  test("while a PIN is typed: 130, no try spent, the token given back", async () => {
    await officer.initialised("typing");
    class Impatient extends TypingPerson {
      override async readSecret(prompt: string): Promise<Uint8Array> {
        world.signal("SIGINT");
        return super.readSecret(prompt);
      }
    }
    const { stderr } = await officer.gets(130, "pin verify --device sim:typing", {
      person: new Impatient(secrets.wrongPin),
    });
    expect(stderr).toMatch(/^hsmadm: interrupted\n/);
    expect(await officer.tries("typing")).toEqual({ user: 3, so: 15 });
    expect(existsSync(world.path("simulator/typing.json.lock"))).toBe(false);
  });

  const init = (name: string) =>
    `device init --device sim:${name} --label ${name} --so-pin env:SO --pin env:PIN --dkek-shares none`;

  test("before INITIALIZE nothing has happened", async () => {
    await officer.gets(130, init("before"), pressAt("initialising"));
    expect((await officer.gets(0, "device status --device sim:before")).stdout).toContain("uninitialised");
  });

  test("after INITIALIZE it says what was done, and a new run finishes", async () => {
    const { stderr } = await officer.gets(130, init("after"), pressAt("logging in"));
    expect(stderr).toContain("hsmadm: interrupted: the token is initialised, but");
    const status = await officer.document(0, "device status --device sim:after");
    expect(status).toMatchObject({ device: { state: "operational", label: null } });
    await officer.gets(0, `${init("after")} --yes`);
    expect((await officer.gets(0, "device status --device sim:after")).stdout).toContain('"after"');
  });

  test("the second one does not wait", async () => {
    const running = officer.does("simulator serve sim:twice --port 1", {
      onStderr: (text) => {
        if (!text.includes("no vpcd yet")) return;
        world.signal("SIGINT");
        world.signal("SIGINT");
      },
    });
    await running;
    expect(world.exited).toBe(130);
  });

  test("no listener is left behind", () => {
    expect(world.listening("SIGINT") + world.listening("SIGTERM")).toBe(0);
  });
});
