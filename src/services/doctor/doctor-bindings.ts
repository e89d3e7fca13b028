import type { DoctorFinding } from "./doctor.ts";
import { tryWithout } from "./doctor-faults.ts";

/** One PC/SC binding, as `transport/pcsc` probes it. */
export interface ProbedBinding {
  readonly name: string;
  readonly loads: boolean;
  readonly version: string | null;
  readonly error: string | null;
  readonly fix: string | null;
}

/** What the machine has of what building a binding needs. */
export interface BuildTools {
  /** Folder of the installation, where npm is to be run; `null` where it was not found. */
  readonly folder: string | null;
  /** `winscard.h` of PC/SC; `null` where the system brings its own. */
  readonly headers: boolean | null;
  readonly compiler: boolean;
  readonly python: boolean;
  /** npm was told to run no install scripts (`ignore-scripts`). */
  readonly scriptsOff: boolean;
}

/** Why a binding does not load, told from Node's words. */
export type BindingTrouble =
  /** Not in node_modules: npm leaves an optional dependency out when it fails, or when told to. */
  | "not-installed"
  /** There, but nothing was built or fetched: install scripts did not run, or the build failed. */
  | "not-built"
  /** Built for another version of Node. */
  | "other-node"
  /** Built for another processor or system, or a prebuilt one whose package for this one is missing. */
  | "other-machine"
  /** The system's PC/SC library is missing. */
  | "no-library"
  | "crashes"
  | "unknown";

export function bindingTrouble({ name, error }: Pick<ProbedBinding, "name" | "error">): BindingTrouble {
  const text = error ?? "";
  if (/NODE_MODULE_VERSION|did not self-register/i.test(text)) return "other-node";
  if (/cannot find (module|package)/i.test(text)) return text.includes(`'${name}'`) ? "not-installed" : "not-built";
  if (/could not locate the bindings file|no native build was found/i.test(text)) return "not-built";
  if (/invalid ELF header|wrong ELF class|addon dependency not found|GLIBC|mach-o|not a valid Win32/i.test(text)) {
    return "other-machine";
  }
  if (/libpcsclite/i.test(text)) return "no-library";
  if (/ended unexpectedly/.test(text)) return "crashes";
  return "unknown";
}

/** One of them is enough; each other is told with its reason. */
export function bindingsFinding(bindings: readonly ProbedBinding[], tools: BuildTools, node: string): DoctorFinding {
  const facts = Object.fromEntries(
    bindings.map(({ name, loads, version, error }) => [
      name,
      loads
        ? `loads (${version ?? "version unknown"})`
        : `does not load (${error?.split("\n")[0] || "no reason given"})`,
    ]),
  );
  const broken = bindings.filter(({ loads }) => !loads);
  const notes = broken.map((binding) => `${binding.name}: ${sentence(binding, tools, node)}`);
  if (broken.length < bindings.length) {
    const [spare] = bindings.filter(({ loads }) => loads);
    return { facts, notes: notes.map((note) => `${note}; ${spare?.name} stands in for it`) };
  }
  return {
    facts: { ...facts, ...toolFacts(tools) },
    fault: "BINDING_NOT_LOADABLE",
    notes,
    fix: [...broken.flatMap((binding) => mend(binding, tools)), tryWithout],
  };
}

function toolFacts({ headers, compiler, python, scriptsOff }: BuildTools): Record<string, string | boolean> {
  return {
    ...(headers === null ? {} : { "PC/SC headers": headers }),
    compiler,
    python,
    "install scripts": scriptsOff ? "switched off in npm" : "not switched off in npm",
  };
}

function sentence(binding: ProbedBinding, tools: BuildTools, node: string): string {
  switch (bindingTrouble(binding)) {
    case "other-node": {
      const [built, wanted] = [...(binding.error ?? "").matchAll(/NODE_MODULE_VERSION (\d+)/g)].map(([, one]) => one);
      const versions = built && wanted ? ` (module version ${built}, this one wants ${wanted})` : "";
      return `it was built for another version of Node than ${node}${versions}`;
    }
    case "not-installed":
      return "it is not installed: npm leaves an optional package out when its install fails, or with `--omit=optional`";
    case "not-built":
      return tools.scriptsOff
        ? "it was never built: npm was told to run no install scripts (`ignore-scripts`)"
        : `it was never built: ${missing(tools) ?? "npm did not run its install script, or that failed"}`;
    case "other-machine":
      return "it is there for another system or processor only: node_modules was copied, or a package for this system left out";
    case "no-library":
      return "the system's PC/SC library is missing";
    case "crashes":
      return "it crashes when it is loaded";
    case "unknown":
      return "it does not load, for a reason hsmadm does not know";
  }
}

function missing({ headers, compiler, python }: BuildTools): string | null {
  const absent = [
    ...(headers === false ? ["the PC/SC headers"] : []),
    ...(compiler ? [] : ["a C++ compiler"]),
    ...(python ? [] : ["Python"]),
  ];
  if (absent.length === 0) return null;
  return `${absent.join(", ")} ${absent.length === 1 && headers !== false ? "is" : "are"} missing`;
}

function mend(binding: ProbedBinding, tools: BuildTools): string[] {
  const at = (command: string): string => `  ${tools.folder === null ? "" : `cd ${tools.folder} && `}${command}`;
  const trouble = bindingTrouble(binding);
  if (binding.name === "pcsc-mini") {
    const word = trouble === "not-installed" ? "needs" : "is prebuilt and needs";
    return [
      `${binding.name} ${word} no compiler; get it, with its package for this system:`,
      at("npm install --no-save --include=optional pcsc-mini"),
    ];
  }
  if (trouble === "no-library") return ["get the PC/SC library:", "  sudo apt install libpcsclite1"];
  const packages = [
    ...(tools.headers === false ? ["libpcsclite-dev"] : []),
    ...(tools.compiler ? [] : ["build-essential"]),
    ...(tools.python ? [] : ["python3"]),
  ];
  const scripts = tools.scriptsOff ? " --ignore-scripts=false" : "";
  return [
    ...(packages.length === 0
      ? []
      : ["pcsclite is built on this machine; what the build needs:", `  sudo apt install ${packages.join(" ")}`]),
    ...(trouble === "not-installed"
      ? ["install pcsclite:", at(`npm install --no-save --include=optional${scripts} pcsclite`)]
      : [
          "build pcsclite for this Node, and again after every change of Node version:",
          at(`npm rebuild pcsclite${scripts}`),
        ]),
    ...(trouble === "not-built" || trouble === "not-installed"
      ? [
          "if that builds nothing, npm blocks its install script: `npm approve-scripts pcsclite` in that folder, or `--allow-scripts=pcsclite` with `npm install --global`",
        ]
      : []),
  ];
}
