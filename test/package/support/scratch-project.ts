import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const root = join(import.meta.dirname, "../../..");

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An empty project of somebody else, with the packed package installed and nothing else of this work tree in reach. */
export class ScratchProject {
  readonly folder = mkdtempSync(join(tmpdir(), "hsmadm-package-"));
  /** Paths in the tarball, without `package/`. */
  readonly files: readonly string[];
  readonly packedBytes: number;

  /**
   * Packs and installs. npm gets the dependencies as a copy of ours in `node_modules` and finds them fit, so that
   * nothing is downloaded and no cache is needed. Install scripts are off, as on a careful machine.
   */
  constructor() {
    writeFileSync(join(this.folder, "package.json"), '{ "private": true, "type": "module" }\n');
    const packed = this.#npm(["pack", "--json", "--ignore-scripts", "--pack-destination", this.folder, root]);
    const [{ filename, files, size }] = JSON.parse(packed) as [
      { filename: string; files: { path: string }[]; size: number },
    ];
    this.files = files.map(({ path }) => path);
    this.packedBytes = size;
    for (const name of dependencyClosure()) {
      cpSync(join(root, "node_modules", name), join(this.folder, "node_modules", name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    }
    this.#npm(["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", join(this.folder, filename)]);
  }

  /** The installed package. */
  get installed(): string {
    return join(this.folder, "node_modules", "hsmadm");
  }

  /** A development tool of ours, as if it had been installed here. */
  link(name: string): void {
    const place = join(this.folder, "node_modules", name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(root, "node_modules", name), place);
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Runs Node in the project; `env` comes on top of an environment without traces of the test runner. */
  node(words: readonly string[], env: NodeJS.ProcessEnv = {}): Done {
    return this.run(process.execPath, words, env);
  }

  run(command: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Done {
    const { status, stdout, stderr, error } = spawnSync(command, words, {
      cwd: this.folder,
      env: { ...cleanEnv(), HSMADM_HOME: this.path("home"), ...env },
      encoding: "utf8",
    });
    if (error !== undefined) throw error;
    return { code: status, stdout, stderr };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #npm(words: readonly string[]): string {
    const path = process.env["npm_execpath"];
    // Whoever runs the tests through `npm` has that one; else the one on the PATH.
    const { code, stdout, stderr } = path?.endsWith(".js") ? this.node([path, ...words]) : this.run("npm", words);
    if (code !== 0) throw new Error(`npm ${words[0]}: ${stderr}${stdout}`);
    return stdout;
  }
}

function cleanEnv(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { NO_COLOR: "1" };
  for (const [name, value] of Object.entries(process.env)) {
    if (!/^(VITEST|NODE_OPTIONS|NODE_ENV|NODE_TEST_CONTEXT|FORCE_COLOR|npm_)/.test(name)) env[name] = value;
  }
  return env;
}

/** Everything that an installation of hsmadm brings along and that is there; optional ones may be absent. */
function dependencyClosure(): Set<string> {
  const found = new Set<string>();
  const visit = (manifest: Manifest): void => {
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
      const path = join(root, "node_modules", name, "package.json");
      if (found.has(name) || !existsSync(path)) continue;
      found.add(name);
      visit(JSON.parse(readFileSync(path, "utf8")) as Manifest);
    }
  };
  visit(JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest);
  return found;
}
