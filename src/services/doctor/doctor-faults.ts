/** What goes wrong between a user and a card, and what helps. Package names are Debian's and Ubuntu's. */
interface FaultText {
  /** One sentence, lower case, no full stop. */
  readonly problem: string;
  /** Lines; commands are lines of their own, indented by two blanks, so that they can be pasted. */
  readonly fix: readonly string[];
}

export const tryWithout = "to try hsmadm without any reader: `--device sim:demo` is a simulated token";

const startWithSystemd = [
  "let systemd start pcscd when it is needed:",
  "  sudo systemctl enable --now pcscd.socket",
] as const;

const installService = [
  "install pcscd with the driver for USB readers and tokens:",
  "  sudo apt install pcscd libccid",
];

const handIntoContainer = [
  "in a container the service of the host is used; hand its socket in when the container is started:",
  "  docker run --volume /run/pcscd/pcscd.comm:/run/pcscd/pcscd.comm …",
  "polkit on the host must allow it: to the host a container is a stranger (`hsmadm doctor` in it says so then)",
] as const;

export const doctorFaults = {
  NODE_TOO_OLD: {
    problem: "this Node is too old, hsmadm needs 20.19 or newer",
    fix: ["install a newer Node, then install hsmadm again: native bindings are built for one version of Node"],
  },
  BINDING_NOT_LOADABLE: {
    problem: "no PC/SC binding can be loaded into this Node",
    fix: [
      "pcsclite is built on this machine, and again after every change of Node version; it needs headers, a compiler and Python:",
      "  sudo apt install libpcsclite-dev build-essential python3",
      "  npm rebuild pcsclite",
      "npm must be allowed to run its install script (`allowScripts` in package.json; `npm install --global --allow-scripts=pcsclite` for a global one)",
      "pcsc-mini needs no compiler and is taken where pcsclite cannot be loaded:",
      "  npm install pcsc-mini",
      tryWithout,
    ],
  },
  SERVICE_NOT_INSTALLED: {
    problem: "the PC/SC service is not installed",
    fix: [...installService, tryWithout],
  },
  SERVICE_NOT_IN_CONTAINER: {
    problem: "this is a container, and the PC/SC service of the host is not handed into it",
    fix: [...handIntoContainer, tryWithout],
  },
  SERVICE_NOT_RUNNING: {
    problem: "the PC/SC service is not running",
    fix: [
      ...startWithSystemd,
      "if the unit is unknown, the package is missing:",
      "  sudo apt install pcscd libccid",
      "in a container hand in /run/pcscd/pcscd.comm of the host",
      tryWithout,
    ],
  },
  SERVICE_WITHOUT_ACTIVATION: {
    problem: "the PC/SC service is not running, and nothing starts it when it is needed",
    fix: [
      "this system has pcscd but no socket unit for it; start the service itself, now and at boot:",
      "  sudo systemctl enable --now pcscd.service",
      "if that unit is unknown too, start the program:",
      "  sudo pcscd",
      tryWithout,
    ],
  },
  SERVICE_WITHOUT_SYSTEMD: {
    problem: "the PC/SC service is not running, and no systemd is here to start it",
    fix: [
      "start it by the system's own way, or as a program:",
      "  sudo service pcscd start || sudo pcscd",
      "in a container the host's service can be used in its place: hand its socket /run/pcscd/pcscd.comm in",
      tryWithout,
    ],
  },
  SERVICE_GONE: {
    problem: "the socket of the PC/SC service is there, but nobody listens: the service has ended",
    fix: ["start it again:", "  sudo systemctl restart pcscd.socket || sudo service pcscd restart", tryWithout],
  },
  SOCKET_NAME_WRONG: {
    problem: "PCSCLITE_CSOCK_NAME names a socket that is not there",
    fix: ["let it be found where it usually is (/run/pcscd/pcscd.comm):", "  unset PCSCLITE_CSOCK_NAME", tryWithout],
  },
  SOCKET_FORBIDDEN: {
    problem: "this user may not open the socket of the PC/SC service",
    fix: [
      "look who may (the last column of the folders counts too):",
      "  ls -ld /run/pcscd /run/pcscd/pcscd.comm",
      "the usual mode lets everybody in and leaves the choice to polkit; a unit or a container of yours has made it narrower:",
      "  systemctl cat pcscd.socket",
      "where a group owns it, belong to that group (log in again afterwards, groups are read at login):",
      '  sudo usermod --append --groups "$(stat --format %G /run/pcscd/pcscd.comm)" $USER',
      tryWithout,
    ],
  },
  ACCESS_REFUSED: {
    problem: "the PC/SC service refuses this user",
    fix: [
      "pcscd asks polkit, which by itself allows only who sits at the machine: not SSH sessions, services, cron or containers",
      "what it said of this user:",
      "  journalctl --unit=pcscd --since=-10min",
      "make a group and belong to it (log in again afterwards, groups are read at login):",
      "  sudo groupadd --force pcsc && sudo usermod --append --groups pcsc $USER",
      "allow it both to reach the service and to use a card:",
      "  echo 'polkit.addRule(function (action, subject) {",
      '    if ((action.id == "org.debian.pcsc-lite.access_pcsc" || action.id == "org.debian.pcsc-lite.access_card") &&',
      '        subject.isInGroup("pcsc")) return polkit.Result.YES;',
      "  });' | sudo tee /etc/polkit-1/rules.d/40-pcsc.rules",
      "where /proc is mounted with hidepid, polkit cannot see who is asking: give its group the right (`gid=` of that mount)",
      "where no polkit runs (a container with its own pcscd), pcscd is started with `--disable-polkit`: who reaches its socket may use the cards",
    ],
  },
  NO_READER: {
    problem: "the PC/SC service sees no reader",
    fix: [
      "plug in the reader or token; the kernel should see it:",
      "  lsusb",
      "USB readers and tokens need the driver:",
      "  sudo apt install libccid && sudo systemctl restart pcscd.socket",
      "in a virtual machine the USB device must be handed to the guest",
      tryWithout,
    ],
  },
  READER_GONE: {
    problem: "the reader was unplugged",
    fix: ["plug it in again; if it goes by itself try another port or cable, without a hub"],
  },
  NO_CARD: { problem: "no reader has a card in it", fix: ["insert the card", tryWithout] },
  CARD_REMOVED: { problem: "the card was taken out", fix: ["insert it again and leave it in"] },
  CARD_MUTE: {
    problem: "the card does not answer to power",
    fix: ["take it out, look which way round it goes, clean its contacts, insert it again; try another reader"],
  },
  SHARING_VIOLATION: {
    problem: "another program holds the card",
    fix: [
      "usual holders are scdaemon of GnuPG and programs with a PKCS#11 module open (browsers, ssh-agent, p11-kit)",
      "  gpgconf --kill scdaemon",
      "to keep scdaemon away for good, put `disable-ccid` and `pcsc-shared` into ~/.gnupg/scdaemon.conf",
    ],
  },
  CARD_RESET: {
    problem: "another program resets the card",
    fix: ["end it: scdaemon (`gpgconf --kill scdaemon`) and PKCS#11 programs are the usual ones"],
  },
  TIMEOUT: {
    problem: "the reader does not answer",
    fix: [
      "unplug the reader or token and plug it in again, then restart the service:",
      "  sudo systemctl restart pcscd.socket pcscd.service",
      "a slow reader may want more: `--timeout SECONDS`",
    ],
  },
  EXCHANGE_FAILED: {
    problem: "the exchange with the card failed",
    fix: ["take the card out, clean its contacts, insert it again; try another reader"],
  },
  NOT_A_SMARTCARD_HSM: {
    problem: "the card is no SmartCard-HSM",
    fix: [
      "hsmadm works with SmartCard-HSM, Nitrokey HSM and Pico HSM; a Nitrokey 3, Pro or Storage and a YubiKey are other cards",
      "name the right one with `--device`; `hsmadm device list` shows what is in each reader",
    ],
  },
  PINS_UNREADABLE: {
    problem: "the token does not tell the state of its PINs",
    fix: ["take it out and insert it again; no PIN is sent to a token in this state"],
  },
  UNEXPECTED: {
    problem: "something went wrong that hsmadm does not know",
    fix: ["please report it with this output"],
  },
} as const satisfies Record<string, FaultText>;

export type DoctorFault = keyof typeof doctorFaults;

export function isDoctorFault(code: string): code is DoctorFault {
  return Object.hasOwn(doctorFaults, code);
}
