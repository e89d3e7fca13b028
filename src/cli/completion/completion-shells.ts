import { printable } from "../terminal/printable.ts";
import type { Completion } from "./completion.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export function isShell(name: string): name is Shell {
  return (shells as readonly string[]).includes(name);
}

/**
 * Answers as the scripts of completion-scripts.ts read them: a candidate a line. In zsh and fish its description
 * follows after a tab. `:command N` hands over to the completion of another command; in bash `:open` says that no space
 * is to follow, in zsh it stands before the candidate.
 */
export function answerLines(shell: Shell, completion: Completion, typed?: BashWord): string[] {
  if (completion.kind === "command") return [`:command ${completion.from}`];
  // A name with a control character could end the line and be taken for another; nothing offers one.
  const candidates = completion.candidates.filter(({ value }) => printable(value) === value);
  if (shell === "bash" && typed !== undefined) {
    const lines = candidates.map(({ value }) => bashInsert(value, typed));
    return candidates.length === 1 && candidates[0]?.open ? [":open", ...lines] : lines;
  }
  return candidates.map(({ value, describe = "", open }) => {
    const told = printable(describe);
    return shell === "zsh" ? `${open ? "o" : "w"}\t${value}\t${told}` : told === "" ? value : `${value}\t${told}`;
  });
}

/** The word at the cursor as bash has it. */
export interface BashWord {
  readonly text: string;
  /** The quote it stands in, if any. */
  readonly quote: "" | "'" | '"';
  /** How much of `text` bash regards as words before this one: it also breaks at `:` and `=`. */
  readonly kept: number;
}

/**
 * Splits a command line as bash would, quotes and backslashes taken away, up to the last command.
 * @param line from the command's name to the cursor
 * @param breaks `$COMP_WORDBREAKS`
 * @returns the words after the command's name, the last one being typed
 */
export function splitBashLine(line: string, breaks: string): { words: string[]; last: BashWord } {
  const words: string[] = [];
  let text = "";
  let begun = false;
  let quote: BashWord["quote"] = "";
  let kept = 0;
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (quote === "'" && character !== "'") {
      text += character;
    } else if (character === "\\" && at + 1 < line.length) {
      const next = line.charAt(++at);
      text += quote === '"' && !/["\\$`]/.test(next) ? `\\${next}` : next;
      begun = true;
    } else if (character === quote) {
      quote = "";
    } else if (quote === "" && (character === "'" || character === '"')) {
      quote = character;
      begun = true;
    } else if (quote === "" && /\s/.test(character)) {
      if (begun) words.push(text);
      text = "";
      begun = false;
      kept = 0;
    } else {
      text += character;
      begun = true;
      if (quote === "" && (character === ":" || character === "=") && breaks.includes(character)) kept = text.length;
    }
  }
  return { words: [...words, text].slice(1), last: { text, quote, kept } };
}

/** What bash has to put in place of what it regards as the current word. */
function bashInsert(value: string, { quote, kept }: BashWord): string {
  const part = value.slice(kept);
  if (quote === "'") return part;
  if (quote === '"') return part.replace(/["\\$`]/g, "\\$&");
  return part.replace(/[^\w@%+=:,./~-]/gu, "\\$&");
}
