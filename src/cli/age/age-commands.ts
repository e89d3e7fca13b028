import type { CommandSpec } from "../command-spec.ts";

const key = { name: "KEY", describe: "label, id or key reference; else every key that can be used", required: false };

/** The `age` commands, a part of the command table. */
export const ageCommands: readonly CommandSpec[] = [
  {
    words: ["age", "recipients"],
    summary: "what age encrypts to: public keys of the token",
    positional: key,
    load: () => import("../commands/age-recipients.ts"),
  },
  {
    words: ["age", "identity"],
    summary: "what age decrypts with: where the keys are, no secret",
    positional: key,
    options: [{ name: "any", describe: "for any device, as `age -d -j hsmadm`; looks at none" }],
    load: () => import("../commands/age-identity.ts"),
  },
];
