// Stands in for string-width in the bundle: the width of texts without wide or combining characters, escapes left out.
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what an escape begins with
const escapes = /\u001b\[[0-9;]*m/g;

/** @param {string} text */
export default function stringWidth(text) {
  return [...text.replace(escapes, "")].length;
}
