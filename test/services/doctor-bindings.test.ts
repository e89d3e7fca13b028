import { describe, expect, test } from "vitest";
import {
  type BuildTools,
  bindingsFinding,
  bindingTrouble,
  type ProbedBinding,
} from "../../src/services/doctor/doctor-bindings.ts";

const allThere: BuildTools = { folder: "/opt/hsmadm", headers: true, compiler: true, python: true, scriptsOff: false };
const works: ProbedBinding = { name: "pcsc-mini", loads: true, version: "0.1.3", error: null, fix: null };
const noMini: ProbedBinding = {
  ...works,
  loads: false,
  version: null,
  error: "Cannot find module 'pcsc-mini'",
  fix: "x",
};

// Node's and the loaders' own words, as they came on Node 20.20.2 (the GLIBC and library ones as dlopen writes them).
const otherNode =
  "The module '/x/pcsclite.node' was compiled against a different Node.js version using NODE_MODULE_VERSION 83. This version of Node.js requires NODE_MODULE_VERSION 115. Please try re-compiling or re-installing";
const errors = {
  "Cannot find module 'pcsclite'": "not-installed",
  "Cannot find module 'bindings'": "not-built",
  "Could not locate the bindings file. Tried:": "not-built",
  [otherNode]: "other-node",
  "Module did not self-register: '/x/pcsclite.node'.": "other-node",
  "/x/pcsclite.node: invalid ELF header": "other-machine",
  "/lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/pcsclite.node)": "other-machine",
  "libpcsclite.so.1: cannot open shared object file: No such file or directory": "no-library",
  "the reader host ended unexpectedly (SIGSEGV)": "crashes",
  "something else": "unknown",
} as const;

const brokenBy = (error: string): ProbedBinding => ({
  name: "pcsclite",
  loads: false,
  version: null,
  error,
  fix: "rebuild",
});

test.each(Object.entries(errors))("%s is %s", (error, trouble) => {
  expect(bindingTrouble(brokenBy(error))).toBe(trouble);
});

test("a missing package for this system is the prebuilt one's trouble", () => {
  const error = "Required addon dependency not found (@pcsc-mini/linux-x86_64-gnu):";
  expect(bindingTrouble({ name: "pcsc-mini", error })).toBe("other-machine");
});

test("one binding is enough, the other is told with its reason", () => {
  const finding = bindingsFinding([brokenBy(otherNode), works], allThere, "20.20.2");
  expect(finding.fault).toBeUndefined();
  expect(finding.facts["pcsc-mini"]).toBe("loads (0.1.3)");
  expect(finding.notes).toEqual([
    "pcsclite: it was built for another version of Node than 20.20.2 (module version 83, this one wants 115); pcsc-mini stands in for it",
  ]);
});

describe("none loads", () => {
  const fixFor = (error: string, tools: Partial<BuildTools> = {}) => {
    const { fault, fix, notes, facts } = bindingsFinding(
      [brokenBy(error), noMini],
      { ...allThere, ...tools },
      "20.20.2",
    );
    expect(fault).toBe("BINDING_NOT_LOADABLE");
    return { fix: fix?.join("\n") ?? "", notes: notes?.join("\n") ?? "", facts };
  };

  test("for another Node: rebuild it where it lies, nothing to install first", () => {
    const { fix } = fixFor(otherNode);
    expect(fix).toContain("  cd /opt/hsmadm && npm rebuild pcsclite\n");
    expect(fix).not.toContain("apt install");
    expect(fix).toContain("sim:demo");
  });

  test("not built: what the build lacked is named, and only that", () => {
    const { fix, notes, facts } = fixFor("Could not locate the bindings file. Tried:", {
      headers: false,
      python: false,
    });
    expect(notes).toContain("it was never built: the PC/SC headers, Python are missing");
    expect(fix).toContain("  sudo apt install libpcsclite-dev python3\n");
    expect(facts).toMatchObject({ "PC/SC headers": false, compiler: true, python: false });
  });

  test("install scripts are off: said, and the rebuild allows them", () => {
    const { fix, notes } = fixFor("Could not locate the bindings file. Tried:", { scriptsOff: true });
    expect(notes).toContain("ignore-scripts");
    expect(fix).toContain("npm rebuild pcsclite --ignore-scripts=false");
  });

  test("install scripts of this package are blocked: how to approve it", () => {
    expect(fixFor("Could not locate the bindings file. Tried:").fix).toContain("npm approve-scripts pcsclite");
  });

  test("left out by npm: installed by name", () => {
    const { fix } = fixFor("Cannot find module 'pcsclite'", { folder: null });
    expect(fix).toContain("  npm install --no-save --include=optional pcsclite\n");
    expect(fix).toContain("  npm install --no-save --include=optional pcsc-mini\n");
  });

  test("the library is missing: nothing is to be built", () => {
    const { fix } = fixFor("libpcsclite.so.1: cannot open shared object file");
    expect(fix).toContain("apt install libpcsclite1");
    expect(fix).not.toContain("npm rebuild");
  });

  test("no binding at all is a fault too", () => {
    expect(bindingsFinding([], allThere, "20.20.2").fault).toBe("BINDING_NOT_LOADABLE");
  });
});
