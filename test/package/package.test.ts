import { cpSync, existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeBuilt } from "../cli/support/built.ts";
import { describeWith, missing, stackNeeds, withPcscd } from "../support/needs.ts";
import { expectedFacts } from "./support/expected-facts.ts";
import { root, ScratchProject } from "./support/scratch-project.ts";
import { unnamedTypes } from "./support/unnamed-types.ts";

const suite =
  missing("npm") === null ? describeBuilt : (name: string, body: () => void) => describeWith(["npm"], name, body);

suite("the packed package in an empty project", () => {
  let project: ScratchProject;
  /** PC/SC without a service, whatever runs on this machine. */
  const noService = { PCSCLITE_CSOCK_NAME: "/nonexistent/pcscd.comm" };

  beforeAll(async () => {
    project = new ScratchProject();
    for (const name of ["vitest", "typescript", "@types/node"]) project.link(name);
    cpSync(join(project.installed, "examples"), project.folder, { recursive: true });
    cpSync(join(import.meta.dirname, "project"), project.folder, { recursive: true });
    await writeStories();
  }, 120_000);
  afterAll(() => project?.remove());

  /** The stories of test/apdu-fixtures, with the published package in place of this work tree's sources. */
  async function writeStories(): Promise<void> {
    await build({
      entryPoints: [join(root, "test/apdu-fixtures/stories.ts")],
      outfile: project.path("stories.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      logLevel: "error",
      plugins: [
        {
          name: "published package",
          setup({ onResolve }) {
            // bytes/ is not published: small and pure, it goes into the bundle.
            onResolve({ filter: /\/src\// }, ({ path }) =>
              path.includes("/src/bytes/") ? undefined : { path: "hsmadm", external: true },
            );
          },
        },
      ],
    });
    const facts = await expectedFacts(project.path("recorded-again.apdu"));
    writeFileSync(project.path("expected.json"), JSON.stringify(facts));
  }

  /** Which bindings load where the package is: none on a machine without PC/SC's library. */
  const loading = (): string[] =>
    ["pcsclite", "pcsc-mini"].filter((name) => project.node(["-e", `require(${JSON.stringify(name)})`]).code === 0);
  /** What a command that wants a reader says without a service. */
  const withoutService = (): string => (loading().length > 0 ? "SERVICE_NOT_RUNNING" : "BINDING_NOT_LOADABLE");

  const vitest = (filter: string) =>
    project.node([project.path("node_modules/vitest/vitest.mjs"), "run", "--reporter=json", filter]);

  test("holds what it should and nothing else", () => {
    const allowed = [
      /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|SECURITY\.md)$/,
      /^dist\/(bin|src)\/.*\.(js|d\.ts)$/,
      /^dist\/cli\/(hsmadm\.cjs|hsmadm\.cache|help\.txt|third-party-licences\.txt)$/,
      /^apdu-fixtures\/(README\.md|[a-z-]+\/[a-z0-9-]+\.apdu)$/,
      /^docs\/([a-z-]+\.md|hsmadm\.1|schema\/[a-z-]+\.json)$/,
      /^examples\/(README\.md|[a-z.-]+\.mjs|recorded\/[a-z]+\.apdu)$/,
    ];
    expect(project.files.filter((file) => !allowed.some((pattern) => pattern.test(file)))).toEqual([]);
    for (const file of ["dist/bin/hsmadm.js", "dist/cli/hsmadm.cjs", "dist/cli/third-party-licences.txt"]) {
      expect(project.files).toContain(file);
    }
    expect(project.packedBytes).toBeLessThan(2_500_000);
  });

  test("tells nothing of the machine it was built on", () => {
    const telling = project.files.filter((file) =>
      readFileSync(join(project.installed, file), "latin1").includes(root),
    );
    expect(telling).toEqual([]);
  });

  test("brings the licence of everything that is bundled into the command", () => {
    const text = readFileSync(join(project.installed, "dist/cli/third-party-licences.txt"), "utf8");
    for (const name of ["yargs", "yargs-parser", "cliui"]) {
      expect(text).toMatch(new RegExp(`^== ${name} \\d`, "m"));
    }
    expect(text).toContain("Permission is hereby granted");
  });

  test("the command runs from node_modules, by its code cache, and finds the reader host", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    const bin = project.path("node_modules/.bin/hsmadm");
    expect(statSync(bin).mode & 0o111).not.toBe(0);
    expect(project.node([bin, "--version"])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
    expect(project.node([bin, "--help"]).stdout).toContain("hsmadm device status");
    const status = project.node([bin, "device", "status", "--device", "sim:packed", "--json"]);
    expect(JSON.parse(status.stdout)).toMatchObject({ ok: true, device: { simulated: true } });

    const cache = `
      import { readFileSync } from "node:fs";
      const { loadBundle } = await import(${JSON.stringify(join(project.installed, "dist/src/cli/launch.js"))});
      const dist = ${JSON.stringify(join(project.installed, "dist/cli"))};
      console.log(loadBundle(dist + "/hsmadm.cjs", readFileSync(dist + "/hsmadm.cache")).script.cachedDataRejected);
    `;
    expect(project.node(["--input-type=module", "-e", cache]).stdout).toBe("false\n");

    const list = project.node([bin, "device", "list", "--json"], noService);
    expect(list.stdout).toContain(`"${withoutService()}"`);
  });

  test("without pcsclite the prebuilt binding is taken, without both the command says so", () => {
    const bin = project.path("node_modules/.bin/hsmadm");
    const away = (name: string, there: boolean): void => {
      const place = project.path("node_modules", name);
      const aside = project.path(`aside-${name}`);
      if (there ? existsSync(place) : existsSync(aside)) renameSync(there ? place : aside, there ? aside : place);
    };
    try {
      away("pcsclite", true);
      expect(project.node([bin, "device", "list", "--json"], noService).stdout).toContain(`"${withoutService()}"`);
      away("pcsc-mini", true);
      expect(project.node([bin, "device", "list", "--json"], noService).stdout).toContain('"BINDING_NOT_LOADABLE"');
      expect(project.node([bin, "device", "status", "--device", "sim:alone"]).code).toBe(0);
    } finally {
      away("pcsclite", false);
      away("pcsc-mini", false);
    }
  });

  test("no export loads a native binding, or the command line", () => {
    const loaded = (...names: string[]): { modules: string[]; libraries: string[] } =>
      JSON.parse(project.node([project.path("no-native-code.mjs"), ...names]).stdout) as {
        modules: string[];
        libraries: string[];
      };
    const foreign = /node_modules\/(?!hsmadm\/|@noble\/|@scure\/base\/|cborg\/)|hsmadm\/dist\/(src\/)?cli\//;
    const { modules, libraries } = loaded("hsmadm", "hsmadm/vault", "hsmadm/testing");
    expect(modules.some((url) => url.endsWith("/hsmadm/dist/src/testing.js"))).toBe(true);
    expect(modules.filter((url) => foreign.test(url))).toEqual([]);
    expect(libraries.filter((name) => /\.node$|pcsc|hidraw|libusb/i.test(name))).toEqual([]);
    // That the look would have found one.
    const [binding] = loading();
    if (binding !== undefined) {
      const seen = loaded(binding);
      expect(seen.libraries.some((name) => name.endsWith(".node"))).toBe(true);
      expect(seen.modules.some((url) => foreign.test(url))).toBe(true);
    }
  });

  test("types hold, for a program in TypeScript and for the examples", () => {
    const examples = readdirSync(join(project.installed, "examples")).filter((name) =>
      /^(?!.*test).*\.mjs$/.test(name),
    );
    for (const [module, moduleResolution] of [
      ["nodenext", "nodenext"],
      ["esnext", "bundler"],
    ]) {
      const options = { module, moduleResolution, target: "es2022", strict: true, noEmit: true, checkJs: true };
      const config = { compilerOptions: { ...options, types: ["node"] }, files: ["consumer.ts", ...examples] };
      writeFileSync(project.path("tsconfig.json"), JSON.stringify(config));
      const { code, stdout } = project.node([project.path("node_modules/typescript/bin/tsc"), "-p", "tsconfig.json"]);
      expect(stdout, `--module ${module}`).toBe("");
      expect(code).toBe(0);
    }
  }, 120_000);

  test("every type met in a signature can be named", () => {
    const src = join(project.installed, "dist/src");
    const entries = ["index.d.ts", "vault.d.ts", "testing.d.ts"].map((name) => join(src, name));
    // What a simulated token keeps is passed on as a whole.
    const opaque = [
      "TokenStateFile",
      "SimulatedTokenState",
      "AuthenticatorStateFile",
      "AuthenticatorProfile",
      "SimulatedAuthenticatorState",
      "SimulatedAuthenticatorSession",
    ];
    expect(unnamedTypes(entries, src, opaque)).toEqual([]);
    expect(unnamedTypes(entries, src)).not.toEqual([]);
  }, 60_000);

  test("examples: a token is driven", () => {
    expect(project.node(["drive-a-token.mjs"])).toMatchObject({
      code: 0,
      stderr: "",
      stdout: [
        "label: example",
        "random bytes: 16",
        "state: operational",
        "wrong PIN, 2 tries left",
        "the same again: refused, still 2 tries left",
        "",
      ].join("\n"),
    });
  });

  test("examples: a vault opens with a card, with a FIDO2 device, and with both", () => {
    expect(project.node(["open-a-vault.mjs"])).toMatchObject({
      code: 0,
      stderr: "",
      stdout: [
        "card: generation 2, 28 bytes",
        "touch: generation 3, 13 bytes",
        "both: generation 4, 14 bytes",
        "",
      ].join("\n"),
    });
  });

  test("examples: a session is recorded as the recording in examples/ was", () => {
    expect(project.node(["record-a-session.mjs", "again.apdu"])).toMatchObject({ code: 0, stdout: "all is well\n" });
    const text = (path: string) => readFileSync(project.path(path), "utf8").replace(/^# recorded: .*$/m, "");
    expect(text("again.apdu")).toBe(text("recorded/ready.apdu"));
    expect(project.node(["record-a-session.mjs", "again.apdu"]).stderr).toContain("TRACE_EXISTS");
  });

  test("examples: counters, on a machine without the service", () => {
    const { code, stderr } = project.node(["read-counters.mjs"], noService);
    expect(code).toBe(11);
    expect(stderr).toContain(
      loading().length > 0 ? "the PC/SC service is not running" : "no PC/SC binding could be loaded",
    );
    expect(stderr).not.toContain("    at ");
  });

  describeWith(stackNeeds, "with a reader", () => {
    test("examples: counters of a token in it", { timeout: 60_000 }, () => {
      const { stdout, stderr } = project.run(withPcscd, ["bash", project.path("read-counters.sh")], {
        NODE: process.execPath,
        BIN: project.path("node_modules/.bin/hsmadm"),
      });
      expect(stdout, stderr).toMatch(/^UTSIM\w+: user PIN uninitialised, SO-PIN uninitialised$/m);
    });
  });

  test("examples and fixtures pass under vitest", () => {
    const { code, stdout } = vitest(".vitest.test");
    const report = JSON.parse(stdout) as { numPassedTests: number; numTotalTests: number };
    expect(report.numPassedTests).toBe(report.numTotalTests);
    expect(report.numTotalTests).toBe(fixtureCount() + 5);
    expect(code).toBe(0);
  });

  test("examples and fixtures pass under node:test", () => {
    const files = ["replay.node.test.mjs", "fixtures.node.test.mjs"];
    const { code, stdout } = project.node(["--test", "--test-reporter=tap", ...files]);
    expect(stdout).toMatch(new RegExp(`^# pass ${fixtureCount() + 3}$`, "m"));
    expect(stdout).toMatch(/^# fail 0$/m);
    expect(code).toBe(0);
  });

  test("a fixture that was tampered with fails under both", () => {
    const [fixture] = project.files.filter((file) => file.endsWith("/first-status.apdu"));
    const path = join(project.installed, fixture ?? "");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace("< 63 C3", "< 63 C2"));
    try {
      expect(vitest("fixtures.vitest.test").code).toBe(1);
      expect(project.node(["--test", "fixtures.node.test.mjs"]).code).toBe(1);
    } finally {
      writeFileSync(path, text);
    }
  });

  const fixtureCount = () => project.files.filter((file) => file.endsWith(".apdu") && file.startsWith("apdu-f")).length;
});
