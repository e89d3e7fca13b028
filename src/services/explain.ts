import type { DeviceReport } from "./device-report.ts";

/** What the operator has lost, which no token can tell. */
export type Lost = "user-pin" | "so-pin" | "key-check-value";

/**
 * What the state of a token means and what can be done, in sentences; the dead ends are told as such. Nothing needs to
 * be said of a healthy token. `docs/i-lost-a-pin.md` is the table of these sentences, compared by a test.
 * Source: reference 06 sections 6.1-6.6.
 */
export function explain(report: DeviceReport, lost?: Lost): string[] {
  return [
    ...ofState(report, lost),
    ...ofLoss(report, lost),
    ...(lost === undefined ? fewTries(report) : []),
    ...ofKeys(report),
    ...ofIdentity(report),
  ];
}

function ofState(report: DeviceReport, lost: Lost | undefined): string[] {
  switch (report.state) {
    case "uninitialised":
      return [
        "the token was never initialised: it has no PINs and can hold no keys yet; `hsmadm device init` sets it up",
        "the first initialisation sets the SO-PIN, and later ones must know it: keep it where you keep what must not be lost",
      ];
    case "transport-pin":
      return [
        "the user PIN is a transport PIN: nothing can be done with it but `hsmadm pin change`, which replaces it by your own",
        ...(report.maker === "pico"
          ? [
              "a Pico HSM (firmware 6.6) stays in this state even after the change: initialise it again without a transport PIN",
            ]
          : []),
      ];
    case "user-pin-blocked":
      return ["the user PIN is blocked", ...newUserPin(report), soPinCosts(report)];
    case "so-pin-blocked":
      return [...soPinBlocked(report), ...(lost === "user-pin" ? [keysLost] : keysStillUsable), lastRoad(report)];
    case "both-blocked":
      return [
        "both PINs are blocked: nobody can use the keys on this token any more",
        ...soPinBlocked(report),
        lastRoad(report),
      ];
    case "public-key-authentication":
      return [
        "the token is opened by registered keys, not by a user PIN: `hsmadm pka status` tells how many must sign, `hsmadm pka run` works with it",
      ];
    case "unreadable":
      return [
        "the token does not tell the state of its PINs, so no PIN will be sent to it; `hsmadm doctor` shows what it answers",
      ];
    case "dkek-shares-pending":
      return [
        `${missing(report)}: until then keys can be neither generated nor imported; the import of a share needs no user PIN`,
        "a share that was imported cannot be taken back: if one is lost or wrong, `hsmadm device init` begins again",
      ];
    case "operational":
      return [];
  }
}

function ofLoss(report: DeviceReport, lost: Lost | undefined): string[] {
  const blocked = report.state === "both-blocked" || report.state === "so-pin-blocked";
  switch (lost) {
    case "user-pin":
      if (blocked || report.state === "user-pin-blocked") return [];
      return ["do not spend the tries of a forgotten user PIN on guesses", ...newUserPin(report), soPinCosts(report)];
    case "so-pin":
      if (blocked) return [];
      return [
        `${soPinCosts(report)}: stop before it is blocked`,
        "initialising again is no way around a forgotten SO-PIN, and there is no factory reset",
        "use the token with its user PIN until it can be replaced; `hsmadm so-pin explain` shows what other spellings of an SO-PIN mean",
        lastRoad(report),
      ];
    case "key-check-value":
      return [
        "one of the imported shares was a wrong one, and shares cannot be taken back",
        report.keyDomains === null
          ? "`hsmadm device init`, then import all shares again; keys that were made under this DKEK are lost by that"
          : "the key of this key domain can be removed alone, then all its shares are imported again",
      ];
    case undefined:
      return [];
  }
}

function newUserPin({ pinReset }: DeviceReport): string[] {
  const unblock =
    "`hsmadm pin unblock --so-pin SOURCE --new-pin SOURCE` sets a new user PIN with the SO-PIN, and keys stay";
  const initialise =
    "`hsmadm device init` sets a new user PIN, and all keys on the token are lost by that: restore them from a backup";
  switch (pinReset) {
    case "with-new-pin":
      return [unblock];
    case "counter-only":
      return [unblock, "`hsmadm pin unblock --so-pin SOURCE` resets the tries alone, for the user PIN there is"];
    case "never":
      return [
        "this token was initialised without PIN reset, so the SO-PIN cannot set a new user PIN",
        `only ${initialise}`,
      ];
    case null:
      return [
        "this card does not tell whether it was initialised with PIN reset",
        `if it was, ${unblock}`,
        `if it was not, only ${initialise}`,
      ];
  }
}

function soPinBlocked({ maker }: DeviceReport): string[] {
  return [
    "the SO-PIN is blocked for good: nothing unblocks it, and there is no factory reset",
    maker === "pico"
      ? "the user PIN can no longer be unblocked"
      : "the token can no longer be initialised, and the user PIN can no longer be unblocked",
  ];
}

const keysLost =
  "without the user PIN the keys on this token are lost: only the SO-PIN could have set a new one, and it is blocked";

const keysStillUsable: readonly string[] = [
  "keys stay usable while the user PIN works, and `hsmadm pin change` works with the old one",
  "while the user PIN works, move every key that may leave this token to another one",
];

/** What brings a token back without its SO-PIN, and without its keys. */
function lastRoad({ maker }: DeviceReport): string {
  switch (maker) {
    case "simulated":
      return "this token is SIMULATED: `hsmadm simulator reset NAME` makes a new one of it";
    case "pico":
      return "a Pico HSM (firmware 6.6) does not check the SO-PIN when it is initialised: another program can make it usable again, without its keys";
    default:
      return vendorUpdate;
  }
}

const vendorUpdate =
  "the vendor's firmware update gives back an empty token: it works when the token holds no keys or the SO-PIN is blocked (at most five times then, says the vendor), needs another working token to log in to the vendor's portal, and gives a new device identity";

function soPinCosts({ soPin }: DeviceReport): string {
  const of = soPin.triesLeft === null ? "its tries" : `its ${tries(soPin.triesLeft)} left`;
  return `a wrong SO-PIN costs one of ${of}, in \`pin unblock\`, \`so-pin change\` and \`device init\` alike, and a blocked one is never unblocked`;
}

function fewTries({ userPin, soPin, state }: DeviceReport): string[] {
  const warnings: string[] = [];
  if (userPin.state === "ready" && userPin.triesLeft === 1) {
    warnings.push("the user PIN has 1 try left: another wrong one blocks it");
  }
  if (soPin.state === "ready" && soPin.triesLeft !== null && soPin.triesLeft <= 3 && state !== "user-pin-blocked") {
    warnings.push(`the SO-PIN has ${tries(soPin.triesLeft)} left, and a blocked one is never unblocked`);
  }
  return warnings;
}

function ofKeys({ state, dkek, keyDomains }: DeviceReport): string[] {
  const notes: string[] = [];
  if (dkek.kcvNote === "before-login") notes.push("the key check value of the DKEK cannot be read before a login");
  if (keyDomains === null && (state === "operational" || state === "transport-pin")) {
    if (dkek.state === "none") notes.push("the token has no DKEK: keys made on it can never leave it");
    if (dkek.state === "random")
      notes.push("the DKEK was made inside: wrapped keys can be restored on this token only");
  }
  return notes;
}

function ofIdentity({ chain, maker, chr }: DeviceReport): string[] {
  if (maker === "simulated")
    return ["SIMULATED token: a file on this computer, its keys are protected by nothing else"];
  if (chain.status === "invalid") {
    return [`the device certificate is FALSE (${chain.reason}): do not trust this token with keys`];
  }
  if (chain.status === "verified" || chr === null) return [];
  const usual = maker === "pico" ? "; that is usual for a Pico HSM" : "";
  return [`the device certificate is not verifiable (${chain.reason})${usual}: nothing proves who made this token`];
}

function missing({ dkek, keyDomains }: DeviceReport): string {
  const pending = [...(keyDomains ?? [dkek])].filter((domain) => domain.state === "pending");
  const [first] = pending;
  if (first?.outstanding == null || first.shares === null) return "key shares are missing";
  const where = keyDomains === null ? "DKEK shares" : `shares of key domain ${first.index}`;
  return `${first.outstanding} of ${first.shares} ${where} ${first.outstanding === 1 ? "is" : "are"} missing`;
}

function tries(count: number): string {
  return count === 1 ? "1 try" : `${count} tries`;
}
