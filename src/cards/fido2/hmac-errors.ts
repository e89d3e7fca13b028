import { HsmError } from "../../errors.ts";

/** A credential of a token that verifies for every request has no use for its other secret. */
export function alwaysVerifies(token: string): HsmError {
  return new HsmError(
    "FIDO_ALWAYS_UV",
    "refused",
    `${token} is set to want its PIN for every request (alwaysUv), so the secret that goes without the PIN cannot be had`,
    { token, advice: "enrol it with user verification, or switch alwaysUv off with the tool that switched it on" },
  );
}

/** Made without hmac-secret, or the token passed over the extension. */
export function withoutSecret(token: string): HsmError {
  return new HsmError("FIDO_NO_HMAC_SECRET", "check-failed", `${token} gave no hmac-secret for this credential`, {
    token,
    advice: "the credential was made without it: enrol the token again",
  });
}
