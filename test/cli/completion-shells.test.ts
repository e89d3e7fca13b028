import { mkdirSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeWith } from "../support/needs.ts";
import { bin, describeBuilt, Running } from "./support/built.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();

/** `hsmadm` as a shell finds it: completion is the built command's, anything else shows the words that arrived. */
const stub = `#!/bin/sh
case $1 in __complete | completion) exec '${process.execPath}' '${bin}' "$@" ;; esac
printf 'GOT'; printf '<%s>' "$@"; echo
`;

const startFiles: Readonly<Record<string, [file: string, text: string, command: string]>> = {
  bash: [
    "rc.bash",
    `bind 'set enable-bracketed-paste off'\neval "$(hsmadm completion bash)"\nPS1='READY> '\n`,
    "bash --noprofile --rcfile rc.bash -i",
  ],
  zsh: [
    ".zshrc",
    `autoload -U compinit; compinit -u -D\neval "$(hsmadm completion zsh)"\nPS1='READY> '\n`,
    "zsh -d -i",
  ],
  fish: [
    "start.fish",
    "hsmadm completion fish | source\nfunction fish_greeting; end\nfunction fish_prompt; echo 'READY> '; end\n",
    "fish --no-config -C 'source start.fish' -i",
  ],
};

function prepare(): void {
  mkdirSync(world.path("bin"), { recursive: true });
  mkdirSync(world.path("simulator"), { recursive: true });
  writeFileSync(world.path("bin/hsmadm"), stub, { mode: 0o755 });
  writeFileSync(world.path("simulator/demo.json"), "");
  writeFileSync(world.path("file with space.pin"), "");
  writeFileSync(
    world.path("devices.json"),
    JSON.stringify({
      version: 1,
      devices: [{ serial: "DENK0105213", label: "it's $my token", reader: "ACS ACR39U (x) 00 00" }],
    }),
  );
  for (const [file, text] of Object.values(startFiles)) writeFileSync(world.path(file), text);
}

/** Types into a real shell on a terminal of its own; `→` is the tab key. @returns the words the command was run with */
async function typed(shell: string, keys: string): Promise<string | undefined> {
  prepare();
  const [, , command] = startFiles[shell] ?? ["", "", ""];
  const running = new Running("script", ["-qec", command, "/dev/null"], {
    cwd: world.home,
    env: {
      PATH: `${world.path("bin")}:${process.env["PATH"]}`,
      HOME: world.home,
      ZDOTDIR: world.home,
      HSMADM_HOME: world.home,
      TERM: "xterm",
      LC_ALL: "C.UTF-8",
    },
  });
  await running.says(/READY> /);
  running.child.stdin.write(`${keys.replaceAll("→", "\t")}\r`);
  await running.says(/GOT<.*>\r?\n/);
  running.child.kill("SIGKILL");
  return /GOT(<.*>)\r?\n/.exec((await running.ended).stdout)?.[1];
}

const cases: readonly (readonly [keys: string, words: string])[] = [
  ["hsmadm dev→stat→--dev→sim:d→", "<device><status><--device><sim:demo>"],
  ["hsmadm pin verify --pin pr→--device=DENK→", "<pin><verify><--pin><prompt><--device=DENK0105213>"],
  ["hsmadm device status --device it→", "<device><status><--device><it's $my token>"],
  ["hsmadm pin status --device ACS→", "<pin><status><--device><ACS ACR39U (x) 00 00>"],
  ['hsmadm pin status --device "AC→', "<pin><status><--device><ACS ACR39U (x) 00 00>"],
  ["hsmadm pin verify --pin fi→fil→", "<pin><verify><--pin><file:file with space.pin>"],
  ["hsmadm guard -- mktem→x", "<guard><--><mktemp><x>"],
];

describeBuilt("completion in a real shell", () => {
  for (const shell of Object.keys(startFiles)) {
    describeWith([shell, "script"], shell, () => {
      test.each(cases)("%s", { timeout: 30_000 }, async (keys, words) => {
        expect(await typed(shell, keys)).toBe(words);
      });
    });
  }
});
