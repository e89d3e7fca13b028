/**
 * A page with the command lines of its console blocks run again, in order, and what they print now below each.
 * @param session runs one command line and gives what a terminal shows of it
 */
export async function replayedPage(text: string, session: (line: string) => Promise<string>): Promise<string> {
  const blocks: [string, string][] = [];
  for (const [whole, block = ""] of text.matchAll(/```console\n([\s\S]*?)```/g)) {
    let shown = "";
    for (const [, line = ""] of block.matchAll(/^\$ hsmadm (.+)$/gm))
      shown += `$ hsmadm ${line}\n${await session(line)}`;
    blocks.push([whole, `\`\`\`console\n${shown}\`\`\``]);
  }
  return blocks.reduce((page, [before, after]) => page.replace(before, () => after), text);
}
