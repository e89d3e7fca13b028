import { describe, expect, test } from "vitest";
import { doctorFaults } from "../../src/services/doctor/doctor-faults.ts";
import {
  accessFacts,
  accessNotes,
  forbiddenFinding,
  type ServiceSight,
  serviceFinding,
} from "../../src/services/doctor/doctor-service.ts";

/** A desktop with systemd on which all is well. */
const well: ServiceSight = {
  socket: "/run/pcscd/pcscd.comm",
  named: false,
  opened: "listens",
  code: null,
  mode: "srw-rw-rw- 0:0",
  installed: "/usr/sbin/pcscd",
  systemd: true,
  socketUnit: true,
  serviceUnit: true,
  container: null,
  hidepid: null,
  user: 1000,
  groups: [1000, 24],
};
const absent = { opened: "absent", code: "ENOENT" } as const;

test.each([
  ["all is well", {}, undefined],
  ["systemd does not listen", absent, "SERVICE_NOT_RUNNING"],
  ["without a socket unit nothing starts it", { ...absent, socketUnit: false }, "SERVICE_WITHOUT_ACTIVATION"],
  ["without systemd", { ...absent, systemd: false, socketUnit: false }, "SERVICE_WITHOUT_SYSTEMD"],
  ["without the package", { ...absent, installed: null }, "SERVICE_NOT_INSTALLED"],
  ["in a container without it", { ...absent, installed: null, container: "podman" }, "SERVICE_NOT_IN_CONTAINER"],
  ["left behind by a pcscd that was killed", { opened: "deserted", code: "ECONNREFUSED" }, "SERVICE_GONE"],
  ["a variable points elsewhere", { ...absent, named: true, socket: "/nowhere" }, "SOCKET_NAME_WRONG"],
  ["turned away: the next rung's matter", { opened: "forbidden", code: "EACCES" }, undefined],
] as const)("%s", (_, changes, fault) => {
  const finding = serviceFinding({ ...well, ...changes });
  expect(finding.fault).toBe(fault);
  expect(finding.facts).toMatchObject({ "is there": !("opened" in changes) || changes.opened !== "absent" });
});

test("each fault of the service ends with what can be done without one", () => {
  const faults = Object.entries(doctorFaults).filter(([name]) => /^(SERVICE|SOCKET)_/.test(name));
  expect(faults).toHaveLength(8);
  for (const [name, { fix }] of faults) expect(fix.join("\n"), name).toContain("sim:demo");
});

describe("access", () => {
  test("a file mode is named with who asks", () => {
    const sight: ServiceSight = { ...well, opened: "forbidden", code: "EACCES", mode: "srw-rw---- 0:998" };
    expect(forbiddenFinding(well)).toBeNull();
    expect(forbiddenFinding(sight)).toEqual({
      facts: { user: "1000, in groups 1000 24", "socket mode": "srw-rw---- 0:998" },
      fault: "SOCKET_FORBIDDEN",
    });
    const elsewhere = forbiddenFinding({ ...sight, socket: "/run/x/y" });
    expect(elsewhere?.fix?.join("\n")).toContain('ls -ld "$(dirname /run/x/y)" /run/x/y');
  });

  test("hidepid, containers and root each have a word to say to a refusal", () => {
    expect(accessNotes(well)).toEqual([]);
    expect(accessNotes({ ...well, hidepid: "invisible" }).join()).toContain("hidepid=invisible");
    expect(accessNotes({ ...well, container: "podman" }).join()).toContain("podman");
    expect(accessNotes({ ...well, user: 0 }).join()).toContain("systemctl status polkit");
    expect(accessFacts({ ...well, hidepid: "2" })).toMatchObject({ "/proc": "hidepid=2" });
  });
});
