import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TransportError } from "../../src/apdu/transport-error.ts";
import { seeCardUsers } from "../../src/cli/doctor/doctor-card-users.ts";
import { seeBuildTools } from "../../src/cli/doctor/doctor-install.ts";
import { hangsUp, type Machine, seeService } from "../../src/cli/doctor/doctor-machine.ts";
import { witnessWith } from "../../src/cli/doctor/doctor-witness.ts";
import { HsmError } from "../../src/errors.ts";

/** A folder that stands for a machine. */
let root: string;
let servers: Server[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hsmadm-machine-"));
  servers = [];
});
afterEach(async () => {
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  rmSync(root, { recursive: true, force: true });
});

function machine(changes: Partial<Machine> = {}): Machine {
  return { root, env: {}, homeFolder: "/home/me", userId: 1000, groups: [1000], ...changes };
}

function put(path: string, text = "", mode = 0o644): void {
  mkdirSync(dirname(root + path), { recursive: true });
  writeFileSync(root + path, text);
  chmodSync(root + path, mode);
}

async function listen(path: string, greet: (hangUp: () => void) => void = () => {}): Promise<void> {
  mkdirSync(dirname(root + path), { recursive: true });
  const server = createServer((socket) => greet(() => socket.destroy()));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(root + path, resolve));
}

const socket = "/run/pcscd/pcscd.comm";

describe("the service", () => {
  test("an empty machine has nothing", async () => {
    expect(await seeService(machine())).toEqual({
      socket,
      named: false,
      opened: "absent",
      code: "ENOENT",
      mode: null,
      installed: null,
      systemd: false,
      socketUnit: false,
      serviceUnit: false,
      container: null,
      hidepid: null,
      user: 1000,
      groups: [1000],
    });
  });

  test("somebody listens", async () => {
    await listen(socket);
    chmodSync(root + socket, 0o640);
    expect(await seeService(machine())).toMatchObject({
      opened: "listens",
      code: null,
      mode: `srw-r----- ${process.getuid?.()}:${process.getgid?.()}`,
    });
  });

  test("a file in place of the socket is nobody's", async () => {
    put(socket);
    expect(await seeService(machine())).toMatchObject({ opened: "deserted", mode: expect.stringMatching(/^\?rw-/) });
  });

  test("the program is found on the PATH too, and must be one", async () => {
    put("/usr/sbin/pcscd", "", 0o644);
    put("/opt/bin/pcscd", "", 0o755);
    expect((await seeService(machine())).installed).toBeNull();
    expect((await seeService(machine({ env: { PATH: "/bin:/opt/bin" } }))).installed).toBe("/opt/bin/pcscd");
  });

  test("systemd and its units", async () => {
    put("/run/systemd/system/x");
    put("/usr/lib/systemd/system/pcscd.service");
    expect(await seeService(machine())).toMatchObject({ systemd: true, socketUnit: false, serviceUnit: true });
  });

  test.each([
    ["/.dockerenv", "", {}, "docker"],
    ["/run/.containerenv", "", {}, "podman"],
    ["/run/systemd/container", "lxc\n", {}, "lxc"],
    ["/x", "", { container: "oci" }, "oci"],
    ["/x", "", { KUBERNETES_SERVICE_HOST: "10.0.0.1" }, "kubernetes"],
  ])("container: %s %j", async (path, text, env, name) => {
    put(path, text);
    expect((await seeService(machine({ env }))).container).toBe(name);
  });

  test.each([
    ["rw,nosuid - proc proc rw", null],
    ["rw - proc proc rw,hidepid=2", "2"],
    ["rw - proc proc rw,gid=4,hidepid=invisible", "invisible"],
    ["rw - proc proc rw,hidepid=0", null],
  ])("hidepid: %s", async (options, value) => {
    put("/proc/self/mountinfo", `1 0 0:1 / / rw - overlay o rw,hidepid=9\n22 1 0:21 / /proc ${options}\n`);
    expect((await seeService(machine())).hidepid).toBe(value);
  });

  test("the variable of pcsc-lite is followed, an empty one is not", async () => {
    const named = await seeService(machine({ env: { PCSCLITE_CSOCK_NAME: "/run/other" } }));
    expect(named).toMatchObject({ socket: "/run/other", named: true, opened: "absent" });
    expect(await seeService(machine({ env: { PCSCLITE_CSOCK_NAME: "" } }))).toMatchObject({ socket, named: false });
  });

  test("hanging up is told from waiting and from nobody", async () => {
    await listen("/rude", (hangUp) => hangUp());
    expect(await hangsUp(`${root}/rude`)).toBe(true);
    expect(await hangsUp(`${root}/nobody`)).toBe(false);
    await listen("/patient");
    expect(await hangsUp(`${root}/patient`)).toBe(false);
  });
});

describe("programs that use cards", () => {
  const process_ = (pid: number, name: string, maps: string, { parent = 1, words = [name] } = {}): void => {
    put(`/proc/${pid}/maps`, maps);
    put(`/proc/${pid}/comm`, `${name}\n`);
    put(`/proc/${pid}/stat`, `${pid} (a) b) S ${parent} 1 1`);
    put(`/proc/${pid}/cmdline`, `${words.join("\0")}\0`);
    symlinkSync(`/usr/bin/${name}`, `${root}/proc/${pid}/exe`);
  };
  const library = "7f00 r-xp 00000000 08:01 1 /usr/lib/x86_64-linux-gnu/libpcsclite.so.1.0.0\n";

  test("those with the library, and scdaemon; not pcscd, not ourselves nor our children", () => {
    process_(10, "firefox", library);
    process_(11, "bash", "");
    process_(12, "scdaemon", "");
    process_(13, "pcscd", library);
    process_(20, "node", library);
    process_(21, "node", library, { parent: 20 });
    expect(seeCardUsers(machine(), 20)).toEqual([
      { pid: 10, name: "firefox" },
      { pid: 12, name: "scdaemon" },
    ]);
  });

  test("another hsmadm is named once and by its own process, a script by its name, and no argument is ever told", () => {
    process_(30, "node", "", { words: ["node", "/opt/hsmadm.js", "pin", "verify", "--pin", "literal:123456"] });
    process_(31, "node", library, { parent: 30, words: ["node", "/opt/reader-host.js"] });
    process_(32, "node", library, { parent: 30, words: ["node", "/opt/reader-host.js"] });
    process_(33, "node", library, { words: ["node", "--eval=secret.js"] });
    process_(34, "pkcs11-tool", library, { words: ["pkcs11-tool", "--pin", "123456"] });
    const users = seeCardUsers(machine(), 20);
    expect(users).toEqual([
      { pid: 30, name: "node hsmadm.js" },
      { pid: 33, name: "node" },
      { pid: 34, name: "pkcs11-tool" },
    ]);
  });

  test("a machine without /proc has none", () => {
    expect(seeCardUsers(machine(), 1)).toEqual([]);
  });
});

describe("what building a binding needs", () => {
  const started = (path: string): string => pathToFileURL(`${root}${path}/dist/cli/main.js`).href;

  test("headers, compiler, Python, and npm's switch", () => {
    put("/opt/h/package.json");
    put("/opt/h/dist/cli/main.js");
    const bare = seeBuildTools(machine(), "linux", started("/opt/h"));
    expect(bare).toMatchObject({ headers: false, compiler: false, python: false, scriptsOff: false });
    expect(bare.folder).toBe(`${root}/opt/h`);
    put("/usr/include/PCSC/winscard.h");
    for (const name of ["g++", "make", "python3"]) put(`/usr/bin/${name}`, "", 0o755);
    put("/home/me/.npmrc", "registry=x\nignore-scripts = true\n");
    const full = { headers: true, compiler: true, python: true, scriptsOff: true };
    expect(seeBuildTools(machine(), "linux", started("/opt/h"))).toMatchObject(full);
    expect(seeBuildTools(machine(), "darwin", started("/opt/h")).headers).toBeNull();
  });

  test("npm is run where node_modules lies; the home folder is not named, other names are quoted", () => {
    put("/p/package.json");
    put("/p/node_modules/hsmadm/package.json");
    put("/p/node_modules/hsmadm/dist/cli/main.js");
    const at = (homeFolder: string) =>
      seeBuildTools(machine({ homeFolder }), "linux", started("/p/node_modules/hsmadm")).folder;
    expect(at("/home/me")).toBe(`${root}/p`);
    expect(at(root)).toBe("~/p");
    put("/a b/package.json");
    expect(seeBuildTools(machine(), "linux", started("/a b")).folder).toBe(`'${root}/a b'`);
  });
});

describe("behind an error", () => {
  const users = () => [{ pid: 5, name: "scdaemon" }];

  test("layer, count, first and last cause; the same cause is told once", () => {
    const both = new TransportError("EXCHANGE_FAILED", "m", {
      layer: "pcsclite",
      attempts: 2,
      firstCause: new Error("one"),
      cause: new Error("two"),
    });
    expect(witnessWith(users)(both)).toEqual({
      facts: { layer: "pcsclite", attempts: 2, "first cause": "one", "last cause": "two" },
      notes: [],
    });
    const once = new TransportError("TIMEOUT", "m", { cause: new Error("one") });
    expect(witnessWith(users)(once).facts).toEqual({ layer: "unknown", attempts: 1, cause: "one" });
  });

  test("who may hold the card; what polkit refuses", () => {
    const held = new TransportError("SHARING_VIOLATION", "m");
    expect(witnessWith(users)(held).notes?.join()).toContain("scdaemon (process 5)");
    const refused = new TransportError("ACCESS_REFUSED", "m", { details: { call: "SCardConnect" } });
    expect(witnessWith(users)(refused).notes?.join()).toContain("access_card");
  });

  test("a card's refusal is no transport fault, and Ctrl-C no finding", () => {
    expect(witnessWith(users)(new HsmError("X", "blocked", "m"))).toEqual({ facts: {} });
    const interrupted = new HsmError("INTERRUPTED", "interrupted", "m");
    expect(() => witnessWith(users)(interrupted)).toThrow(interrupted);
  });
});
