import { expect } from "vitest";
import type { Outcome, TestIoOptions, TestWorld } from "./test-io.ts";

/** Values that occur nowhere else, so that one hit in any output is a leak. */
export const secrets = {
  pin: "74kX91qz",
  wrongPin: "85mY02ra",
  otherWrongPin: "85mY02rb",
  newPin: "96nZ13sb",
  soPin: "5ec2e7a1b2c3d4f6",
  wrongSoPin: "5ec2e7a1b2c3d4f7",
  newSoPin: "5ec2e7a1b2c3d4f8",
} as const;

export const secretEnv: Record<string, string> = {
  PIN: secrets.pin,
  WRONG: secrets.wrongPin,
  WRONG2: secrets.otherWrongPin,
  NEW: secrets.newPin,
  SO: secrets.soPin,
  WRONGSO: secrets.wrongSoPin,
  NEWSO: secrets.newSoPin,
};

/** An officer at work on simulated tokens; secrets come from the environment. */
export class Officer {
  readonly world: TestWorld;

  constructor(world: TestWorld) {
    this.world = world;
  }

  async does(argv: string, options: TestIoOptions = {}): Promise<Outcome> {
    return this.world.run(argv.split(" ").filter(Boolean), { ...options, env: { ...secretEnv, ...options.env } });
  }

  /** Runs the command and wants this exit code. */
  async gets(code: number, argv: string, options: TestIoOptions = {}): Promise<Outcome> {
    const outcome = await this.does(argv, options);
    expect(outcome.code, `${argv}\n${outcome.stdout}${outcome.stderr}`).toBe(code);
    return outcome;
  }

  /** As {@link gets} with `--json`; the document. */
  async document(code: number, argv: string, options: TestIoOptions = {}): Promise<Record<string, unknown>> {
    const [line = "", ...rest] = argv.split(" -- ");
    const outcome = await this.gets(code, [`${line} --json`, ...rest].join(" -- "), options);
    return JSON.parse(outcome.stdout) as Record<string, unknown>;
  }

  async initialised(name: string, extra = ""): Promise<void> {
    await this.gets(
      0,
      `device init --device sim:${name} --label ${name} --so-pin env:SO --pin env:PIN --dkek-shares none ${extra}`,
    );
  }

  async tries(name: string): Promise<{ user: unknown; so: unknown }> {
    const document = await this.document(0, `pin status --device sim:${name}`);
    const left = (pin: unknown) => (pin as { triesLeft: unknown }).triesLeft;
    return { user: left(document["userPin"]), so: left(document["soPin"]) };
  }
}
