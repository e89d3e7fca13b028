/**
 * Text for a terminal or a log: control characters become `�`. Labels, reader names and files come from outside and
 * could otherwise move the cursor, change colours or fake a line.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\uFFFD");
}
