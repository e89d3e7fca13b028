import type { DeviceTrust } from "./device-judgement.ts";
import type { KnownDevice } from "./known-devices.ts";

const vouched: readonly DeviceTrust[] = ["genuine", "pinned"];

/** What it may be when a serial comes back with another device key, the likeliest first. */
export function changeWords(
  before: Pick<KnownDevice, "trust" | "version">,
  now: { readonly trust: DeviceTrust; readonly version: string },
): string[] {
  const was = vouched.includes(before.trust);
  const is = vouched.includes(now.trust);
  if (was && !is) {
    return [
      "a clone: this serial belonged to a token whose maker vouched for its key, and nobody vouches for this one",
      "another token that calls itself by the same serial",
    ];
  }
  const copy = "a clone, made to look like the token that was known here";
  if (is) {
    const updated =
      before.version === now.version
        ? "a firmware update of the same token, which gives it a new key and certificate"
        : `a firmware update of the same token (version ${before.version} before, ${now.version} now), which gives it a new key and certificate`;
    return [updated, "another token of the maker with the same serial", copy];
  }
  return [
    "another token: makers of emulators give many tokens the same serial",
    "the same token, initialised anew: a Pico HSM and a reset simulated token make themselves a new key",
    copy,
  ];
}
