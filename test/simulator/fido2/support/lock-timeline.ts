/**
 * In which state the recorded token was when a session began, as test/recordings/pico-fido-vendor/README.md and the
 * sessions themselves tell it. What was done between recorded sessions is done here.
 */

/** One of the tokens of a firmware version, and what happens to it before a session. */
export interface Before {
  readonly token: string;
  readonly prepare?: readonly Preparation[];
}

export type Preparation =
  /** Unplugged and plugged in. */
  | "power"
  | "pin"
  /** The credentials that the session asks for. */
  | "credentials"
  /** With the host key of the session, or of `hostKeyOf`. */
  | "enable"
  | "unlock"
  | "disable"
  /** That token gives its backup: it is what the session's `blob` stands for. */
  | { readonly blobOf: string }
  /** A backup that this session saved is loaded. */
  | { readonly load: string };

const first = { token: "first" } as const;
const second = { token: "second" } as const;

/** By session; a session that is not here goes on where the one before it stopped. */
export const timeline: Readonly<Record<string, Before>> = {
  "v5.12-01-getinfo": first,
  "v5.12-10-enable-without-mse": { ...first, prepare: ["power"] },
  "v5.12-19-after-restart-locked": { ...first, prepare: ["power"] },
  "v5.12-24-restart-unlock-recovers": { ...first, prepare: ["power"] },
  "v5.12-28-after-disable-restart": { ...first, prepare: ["power"] },
  "v5.12-29-second-token-set-pin": second,
  "v5.12-40-ea-csr-unlocked-token": { ...first, prepare: ["power"] },
  "v5.12-42-loss-wrong-unlock-then-disable": { token: "42", prepare: ["pin", "credentials", "enable", "unlock"] },
  "v5.12-43-loss-after-restart": { token: "42", prepare: ["power"] },
  "v5.12-44-reset-while-locked": { token: "44", prepare: ["pin", "enable", "power"] },
  "v5.12-45-reset-while-locked-restart": { token: "44", prepare: ["power"] },
  "v5.12-46-reset-while-unlocked": { token: "46", prepare: ["pin", "enable", "unlock"] },
  "v5.12-47-reset-while-unlocked-restart": { token: "46", prepare: ["power"] },
  "v5.12-48-make-credentials-while-unlocked": { token: "48", prepare: ["pin", "enable", "unlock"] },
  "v5.12-49-load-and-unlock-on-another-token": { token: "49", prepare: ["pin", { blobOf: "48" }] },
  "v5.12-50-disable-on-that-token": { token: "49", prepare: ["power"] },
  "v5.12-51-after-disable-on-that-token": { token: "49", prepare: ["power"] },
  "v5.12-52-first-token-disable": { token: "48", prepare: ["power"] },
  "v5.12-53-first-token-after-disable": { token: "48", prepare: ["power"] },
  "v5.12-54-probes-after-disable-no-restart": { token: "54", prepare: ["pin", "enable", "unlock", "disable"] },
  "v5.12-55-safe-disable": { token: "55", prepare: ["pin", "credentials", "enable", "unlock"] },
  "v5.12-56-safe-disable-after-restart": { token: "55", prepare: ["power"] },

  "v6.6-01-getinfo": first,
  "v6.6-04-backup-save-not-enabled": { ...first, prepare: ["pin"] },
  "v6.6-11-secure-enable": { ...first, prepare: ["credentials", "power"] },
  "v6.6-28-after-disable-restart": { ...first, prepare: ["disable", "power"] },
  "v6.6-33-after-load-locked": { ...second, prepare: ["pin", { load: "v6.6-17-backup-save" }] },
  "v6.6-35-credentials-on-second-token": { ...second, prepare: ["unlock"] },
  "v6.6-48-make-credentials-while-unlocked": { token: "48", prepare: ["pin", "enable", "unlock"] },
  "v6.6-49-load-and-unlock-on-another-token": { token: "49", prepare: ["pin", { blobOf: "48" }] },
  "v6.6-50-disable-on-that-token": { token: "49", prepare: ["power"] },
  "v6.6-51-after-disable-on-that-token": { token: "49", prepare: ["power"] },
  "v6.6-52-first-token-disable": { token: "48", prepare: ["power"] },
  "v6.6-53-first-token-after-disable": { token: "48", prepare: ["power"] },

  "v7.6-01-getinfo": first,
  "v7.6-07-secure-unlock-after-restart": { ...first, prepare: ["power"] },
  "v7.6-09-error-shape": { token: "09", prepare: ["pin"] },

  "v8.0-01-getinfo": first,
  "v8.0-05-make-credentials": { ...first, prepare: ["power"] },
  "v8.0-08-secure-enable": { ...first, prepare: ["power"] },
  "v8.0-10-after-enable-restart": { ...first, prepare: ["power"] },
};

/** Host key of sessions that do not tell it and need it: the one of another session. */
export const hostKeyOf: Readonly<Record<string, string>> = {
  "v6.6-35-credentials-on-second-token": "v6.6-17-backup-save",
};

/** Sessions whose credentials were made before a session that does not name them. */
export const credentialsOf: Readonly<Record<string, string>> = {
  "v5.12-55-safe-disable": "v5.12-56-safe-disable-after-restart",
  "v6.6-11-secure-enable": "v6.6-13-locked-ctap",
};

/** They end in keep-alives without end. */
export const hanging: ReadonlySet<string> = new Set([
  "v5.12-09b-wrong-vendor-prototype",
  "v7.6-09-error-shape",
  "v8.0-07-old-vendor-prototype",
]);

/**
 * A discoverable credential of another token, known by its id: the recorded id carries the user, ours does not, so that
 * nothing is told of the user.
 */
export const userUnknown: ReadonlySet<string> = new Set([
  "v5.12-35-credentials-on-second-token",
  "v5.12-49-load-and-unlock-on-another-token",
  "v5.12-51-after-disable-on-that-token",
  "v6.6-49-load-and-unlock-on-another-token",
]);

/** Not replayed, and why. */
export const excused: ReadonlyMap<string, string> = new Map([
  ["v5.12-41-vendor-c2", "CTAPHID C2 is a management command for another program; it says nothing of lock or keys"],
  ["v6.6-41-vendor-c2", "as v5.12-41"],
]);
