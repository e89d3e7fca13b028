import { meaningOf } from "../../../src/apdu/status-word.ts";
import { hexNumber } from "../../../src/bytes/hex.ts";
import { pinStateOf } from "../../../src/cards/smartcard-hsm/pin-commands.ts";
import { type Refusal, refusals } from "../../../src/cards/smartcard-hsm/refusals.ts";
import { exitCodes } from "../../../src/errors.ts";

const asked = [0x9000, 0x63c3, 0x63c0, 0x6983, 0x6984, 0x6a88, 0x6300, 0x6a80, 0x6700];

const head = `# What a status word means in each command

The same status word means different things in different commands. These are the meanings that hsmadm acts on and the
errors it gives for them. The tables are written from the code (\`src/cards/smartcard-hsm/refusals.ts\` and
\`pin-commands.ts\`) and a test compares them; \`UPDATE_DOCS=1 npx vitest run test/cards/status-words\` writes them anew.

A status word that stands in no table gives \`COMMAND_REFUSED\` (exit ${exitCodes.unexpected}) with the word itself.

## Asking for the state of a PIN (VERIFY without data)

It costs no try. Only \`63Cx\` carries a counter.

| SW | user PIN (81) | SO-PIN (88) |
| --- | --- | --- |
`;

const attempts = `
On cards of version 1 the \`6984\` of the user PIN says "never initialised".

## Presenting a PIN (VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, INITIALIZE DEVICE)

| answer | meaning | error |
| --- | --- | --- |
| \`9000\` | accepted | |
| \`63Cx\`, x > 0 | wrong, x tries left | \`PIN_WRONG\`, \`SO_PIN_WRONG\` (exit ${exitCodes.authentication}) |
| \`63C0\`, \`6983\` | wrong, or not looked at any more: blocked | \`USER_PIN_BLOCKED\`, \`SO_PIN_BLOCKED\` (exit ${exitCodes.blocked}) |
| any other, counter lower than before | wrong | \`PIN_WRONG\`, \`SO_PIN_WRONG\` (exit ${exitCodes.authentication}) |
| any other, counter as before | see the table of the command | |
| \`6A84\` to INITIALIZE DEVICE, counter as before | memory is still being freed: repeated once | |
| no answer | the try may have been counted | the transport's own, exit 3, 11 or 12 |

The counter is read before, and again after an answer that does not tell it: for a wrong SO-PIN in INITIALIZE DEVICE no
source says whether a genuine card gives \`63Cx\`, \`6982\`, \`6985\` or \`6986\`.
`;

const reading = `
## Reading that is no refusal

| command | SW | meaning |
| --- | --- | --- |
| READ BINARY | \`6282\` | the end of the file was reached; the data that comes with it is valid. Before version 3.4 more may follow |
| READ BINARY | \`6B00\` | behind the end of the file, when something was read before |
| READ BINARY, ENUMERATE OBJECTS, UPDATE BINARY | \`6700\` | no extended length here: short commands from then on |
| DELETE FILE | \`6A82\` | there was none, which is what a replacing write wants |
| MANAGE KEY DOMAIN, query | \`6D00\` \`6B00\` \`6A86\` | no DKEK, or no such key domain: the end of the list |
| MANAGE KEY DOMAIN, query | \`6A88\` | key domain not created; alone, a card of version 4 without DKEK |
| SELECT | anything but \`9000\` with tag 85 | \`NOT_A_SMARTCARD_HSM\` (exit ${exitCodes["not-supported"]}); \`6285\` is \`TOKEN_TERMINATED\` (exit ${exitCodes.device}) |
`;

/** The whole of docs/status-words.md. */
export function statusWordsDocument(): string {
  let text = head;
  for (const sw of asked) {
    text += `| \`${hexNumber(sw, 4)}\` | ${pinStateOf("user-pin", sw).state} | ${pinStateOf("so-pin", sw).state} |\n`;
  }
  text += attempts + reading;
  for (const [command, table] of Object.entries(refusals)) {
    text += `\n## ${command}\n\n| SW | ISO 7816-4 | what it means here | error | what to do |\n| --- | --- | --- | --- | --- |\n`;
    for (const [word, refusal] of Object.entries(table) as [string, Refusal][]) {
      const sw = Number(word);
      text += `| \`${hexNumber(sw, 4)}\` | ${meaningOf(sw)} | ${refusal.says.replace("{token}", "the token").replace("{key}", "the key")} `;
      text += `| \`${refusal.code}\` (exit ${exitCodes[refusal.kind]}) | ${refusal.advice ?? ""} |\n`;
    }
  }
  return text;
}
