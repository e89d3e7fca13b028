/**
 * Standard base64 without padding, as stanzas have it. Only the one canonical spelling of some bytes is read: text that
 * would be written otherwise (padding, white space, stray bits at the end) is refused.
 */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}

/** @returns `null` when this is not how {@link encodeBase64} would have written it */
export function decodeBase64(text: string): Uint8Array | null {
  if (text.length % 4 === 1 || !/^[A-Za-z0-9+/]*$/.test(text)) return null;
  const decoded = atob(text);
  const bytes = new Uint8Array(decoded.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = decoded.charCodeAt(i);
  return encodeBase64(bytes) === text ? bytes : null;
}
