import type { DoctorFinding } from "./doctor.ts";
import { type DoctorFault, tryWithout } from "./doctor-faults.ts";

/** What the machine shows of the PC/SC service without asking it anything. Linux; elsewhere it is part of the system. */
export interface ServiceSight {
  readonly socket: string;
  /** `PCSCLITE_CSOCK_NAME` names it, not the usual place. */
  readonly named: boolean;
  /**
   * What became of opening the socket as this user: somebody listens, it is not there, nobody listens behind it, this
   * user may not, or something else.
   */
  readonly opened: "listens" | "absent" | "deserted" | "forbidden" | "failed";
  /** The system's own word where it was not opened: `EACCES`. */
  readonly code: string | null;
  /** Mode and owner of the socket, `srw-rw---- 0:998`; `null` where they cannot be seen. */
  readonly mode: string | null;
  /** Path of the program; `null` when it is not there. */
  readonly installed: string | null;
  readonly systemd: boolean;
  /** Units that systemd could start. */
  readonly socketUnit: boolean;
  readonly serviceUnit: boolean;
  /** Name of the container's maker, `null` outside of containers. */
  readonly container: string | null;
  /** Value of `hidepid` on /proc, `null` where it hides nothing. */
  readonly hidepid: string | null;
  /** Number of the user who asks, and of the groups he is in. */
  readonly user: number | null;
  readonly groups: readonly number[];
}

/** Whether somebody is there to be asked. Being turned away is the next rung's matter. */
export function serviceFinding(sight: ServiceSight): DoctorFinding {
  const { socket, opened, code, installed, systemd, socketUnit, container } = sight;
  const facts = {
    socket,
    ...(sight.named ? { "named by": "PCSCLITE_CSOCK_NAME" } : {}),
    "is there": opened !== "absent",
    ...(code === null || opened === "absent" ? {} : { opening: code }),
    pcscd: installed ?? "not installed",
    "started by": systemd ? (socketUnit ? "systemd, when needed" : "systemd, no socket unit") : "no systemd here",
    ...(container === null ? {} : { container }),
  };
  if (opened === "listens" || opened === "forbidden" || opened === "failed") return { facts };
  const fault = absence(sight);
  return fault === "SOCKET_NAME_WRONG" ? { facts, fault, detail: socket } : { facts, fault };
}

function absence({ opened, named, installed, container, systemd, socketUnit }: ServiceSight): DoctorFault {
  if (opened === "deserted") return "SERVICE_GONE";
  if (named) return "SOCKET_NAME_WRONG";
  if (installed === null) return container === null ? "SERVICE_NOT_INSTALLED" : "SERVICE_NOT_IN_CONTAINER";
  if (!systemd) return "SERVICE_WITHOUT_SYSTEMD";
  return socketUnit ? "SERVICE_NOT_RUNNING" : "SERVICE_WITHOUT_ACTIVATION";
}

/** What is known of the one who asks, whether he is let in or not. */
export function accessFacts({ user, groups, mode, hidepid }: ServiceSight): Record<string, string> {
  return {
    ...(user === null ? {} : { user: `${user}, in groups ${groups.join(" ") || "none"}` }),
    ...(mode === null ? {} : { "socket mode": mode }),
    ...(hidepid === null ? {} : { "/proc": `hidepid=${hidepid}` }),
  };
}

/** The file system's refusal; `null` when it lets this user through to the service. */
export function forbiddenFinding(sight: ServiceSight): DoctorFinding | null {
  if (sight.opened !== "forbidden") return null;
  const facts = accessFacts(sight);
  if (sight.socket === "/run/pcscd/pcscd.comm") return { facts, fault: "SOCKET_FORBIDDEN" };
  return {
    facts,
    fault: "SOCKET_FORBIDDEN",
    fix: ["look who may:", `  ls -ld "$(dirname ${sight.socket})" ${sight.socket}`, tryWithout],
  };
}

/** What a refusal by polkit has to do with this machine. */
export function accessNotes({ hidepid, container, user }: ServiceSight): string[] {
  return [
    ...(hidepid === null
      ? []
      : [
          `/proc is mounted with hidepid=${hidepid}: polkit may be unable to see who is asking, and then refuses everybody but root`,
        ]),
    ...(container === null
      ? []
      : [`this is a container (${container}): to polkit of the host nobody in it sits at the machine`]),
    ...(user === 0
      ? [
          "you are root: polkit refuses root only when it cannot be reached; look whether it runs (`systemctl status polkit`)",
        ]
      : []),
  ];
}
