export const authenticatorProfileNames = [
  "standard",
  "applet",
  "pico-fido-5.12",
  "pico-fido-6.6",
  "pico-fido-7.6",
  "pico-fido-8.0",
] as const;

export type AuthenticatorProfileName = (typeof authenticatorProfileNames)[number];

export function isAuthenticatorProfileName(text: string): text is AuthenticatorProfileName {
  return authenticatorProfileNames.some((name) => name === text);
}
