import { limits } from "./names.ts";

/**
 * Whether a text of a descriptor can be shown: at most 64 code points, none of them a control, a format character (which
 * turns a line around on a terminal), a line separator, or half of a pair.
 */
export function isLabel(text: string): boolean {
  return [...text].length <= limits.textLength && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text);
}

/** `2026-11-21T00:16:51Z`, with or without a fraction of the second. */
export function isDateTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(text) && !Number.isNaN(Date.parse(text));
}
