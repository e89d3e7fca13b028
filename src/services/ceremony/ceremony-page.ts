import type { CeremonyRecord } from "./ceremony-chain.ts";
import type { CeremonyClosing, CeremonyCommand, TokenRecord } from "./ceremony-entry.ts";
import type { CeremonySignature } from "./ceremony-signature.ts";
import {
  commandLine,
  grouped,
  kcvWords,
  originWords,
  resultWords,
  signerWords,
  tokenWords,
  triesWords,
} from "./ceremony-words.ts";
import { pageStyle } from "./page-style.ts";

/**
 * The record as a page to print and to sign by hand: HTML in one file, which loads nothing and runs nothing.
 * @param signature what closes it, checked; `null`: it is open
 */
export function ceremonyPage(record: CeremonyRecord, signature: CeremonySignature | null): string {
  const commands = record.entries.filter((entry) => entry.kind === "command");
  const { closing, opening } = record;
  const closed = closing !== null && signature !== null;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ceremony record ${escaped(opening.id)}</title>
<style>${pageStyle}@page { @bottom-left { content: "Ceremony record ${grouped(opening.id)}"; } }
</style>
</head>
<body>
<header>
<h1>Ceremony record</h1>
<p class="state ${closed ? "closed" : "open"}">${closed ? "Closed by a signature" : "Open: nothing closes it, entries may be missing at its end"}</p>
</header>
${factsTable([
  ["Record", grouped(opening.id)],
  ["Begun", `${timeText(opening.time)} with ${opening.tool}`],
  ["Commands", String(commands.length)],
  ["Head, SHA-256", grouped(record.head)],
])}
<table class="entries">
<thead><tr><th>No</th><th>Time (UTC)</th><th>Officer</th><th>Command and its hash</th><th>Result</th><th>Token, tries and key check values</th></tr></thead>
<tbody>
${commands.map(commandRow).join("\n")}
</tbody>
</table>
${closed ? closingPart(closing, signature) : ""}
<section class="hands">
<h2>Seen and confirmed</h2>
<div class="lines">${["Officer", "Witness", "Place and date"].map((who) => `<p><span></span>${who}</p>`).join("")}</div>
</section>
</body>
</html>
`;
}

function commandRow(entry: CeremonyCommand): string {
  const failed = entry.exitCode !== 0;
  const tokens = entry.tokens.length === 0 ? "none" : entry.tokens.map(tokenCell).join("");
  return `<tr${failed ? ' class="failed"' : ""}>
<td>${entry.sequence}</td><td class="time">${escaped(timeText(entry.time))}</td><td>${escaped(entry.officer ?? "")}</td>
<td><code>${escaped(commandLine(entry))}</code><br><small>${escaped(grouped(entry.hash.slice(0, 16)))}</small></td>
<td>${escaped(resultWords(entry))}${entry.error === null ? "" : `<br><small>${escaped(entry.error.message)}</small>`}</td>
<td>${tokens}</td>
</tr>`;
}

function tokenCell(token: TokenRecord): string {
  const lines = [triesWords(token), kcvWords(token)].filter((line) => line !== "");
  return `<div><b>${escaped(tokenWords(token))}</b><br>${lines.map(escaped).join("<br>")}</div>`;
}

function closingPart(closing: CeremonyClosing, signature: CeremonySignature): string {
  return `<section class="closing">
<h2>Closing signature</h2>
${factsTable([
  ["Time", timeText(closing.time)],
  ["Officer", closing.officer ?? "not given"],
  ["Signed by", signerWords(closing)],
  ["Public key, SHA-256", grouped(signature.fingerprint)],
  ["The key was", originWords(signature)],
  ["Signature", `${closing.scheme}: ${grouped(closing.signature)}`],
])}
</section>`;
}

function factsTable(facts: readonly (readonly [string, string])[]): string {
  const rows = facts.map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`);
  return `<table class="facts"><tbody>${rows.join("")}</tbody></table>`;
}

/** `2026-11-20 12:00:00`; the zone is in the heading. */
function timeText(time: string): string {
  return time.replace("T", " ").replace(/(\.\d+)?Z$/, "");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Labels, names and file names may hold anything: no markup, and nothing that hides or turns text round. */
export function escaped(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (letter) => `[U+${codeOf(letter)}]`)
    .replace(/[&<>"']/g, (letter) => entities[letter] ?? letter);
}

function codeOf(letter: string): string {
  return (letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
}
