#!/bin/bash
# machine.sh KIND: makes a machine on which one rung of the ladder does not hold, in a mount and network namespace of its
# own, and runs `hsmadm doctor --json` on it as the user who would. Standard output and exit code are the command's.
# NODE, BIN: the command. Needs root. Exit code 125: the machine could not be made.
set -u
if [ -z "${IN_MACHINE-}" ]; then exec env IN_MACHINE=1 unshare -m -n --propagation private -- bash "$0" "$@"; fi
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d) && chmod 755 "$scratch"
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$scratch" 2>/dev/null' EXIT
cannot() { echo "machine.sh: $*" >&2; exit 125; }
{ ip link set lo up && mkdir -p /run/pcscd && mount -t tmpfs tmpfs /run/pcscd; } || cannot "no namespace"
# vpcd writes length and payload in two sends: with delayed ACKs that costs 40 ms an APDU.
ip route replace local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 table local quickack 1

# Our children must not outlive us, not even when we are killed.
background() { setsid setpriv --pdeathsig KILL "$@" >>"$scratch/log" 2>&1 </dev/null & }
until_true() { for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done; cat "$scratch/log" >&2; cannot "waited in vain: $*"; }
doctor() { "$NODE" "$BIN" doctor --json "$@"; }
as_nobody() { setpriv --reuid nobody --regid nogroup --clear-groups "$@"; }
hide() { mkdir -p "$1" && mount -t tmpfs -o mode=755 tmpfs "$1"; }

pcscd_alone() {
  local polkit=(); pcscd --help 2>&1 | grep -q -- --disable-polkit && polkit=(--disable-polkit)
  background pcscd -f "${polkit[@]}"; pcscd=$!
  until_true test -S /run/pcscd/pcscd.comm
}

# A bus and polkit as a system has them, with pcscd's actions; pcscd asks for every client.
pcscd_with_polkit() {
  hide /run/dbus
  background dbus-daemon --system --nofork --nopidfile
  until_true test -S /run/dbus/system_bus_socket
  # /etc is a copy, because rules and groups are made in it.
  cp -a /etc "$scratch/etc" && mount --bind "$scratch/etc" /etc && mkdir -p /etc/polkit-1/rules.d || cannot "no /etc"
  # The policy is pcsc-lite's own; Debian 12 builds without polkit and does not bring it.
  mkdir "$scratch/actions" && cp /usr/share/polkit-1/actions/* "$scratch/actions" 2>/dev/null
  cp "$here/org.debian.pcsc-lite.policy" "$scratch/actions" && mount --bind "$scratch/actions" /usr/share/polkit-1/actions
  [ -n "${RULE-}" ] && echo "$RULE" >/etc/polkit-1/rules.d/40-pcsc.rules
  chmod -R a+rX /etc/polkit-1
  background /usr/lib/polkit-1/polkitd --no-debug
  until_true dbus-send --system --print-reply --dest=org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority org.freedesktop.DBus.Peer.Ping
  background pcscd -f
  until_true test -S /run/pcscd/pcscd.comm
}

# A card in the first reader: see card.mjs.
card() { background "$NODE" "$here/card.mjs" "$@"; card=$!; until_true sees_card; }
sees_card() { "$NODE" "$here/readers.mjs"; }

refused_no_more() { setpriv --reuid nobody --regid nogroup --init-groups "$NODE" "$BIN" device list --json; }

case ${1-} in
  no-service) hide /usr/sbin; hide /usr/local/sbin; PATH=/usr/bin:/bin doctor ;;
  no-socket) hide /run/systemd; doctor ;;
  no-socket-systemd) hide /run/systemd; mkdir /run/systemd/system; hide /etc/systemd/system; touch /etc/systemd/system/pcscd.socket; doctor ;;
  no-activation)
    hide /run/systemd; mkdir /run/systemd/system
    for folder in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do [ -d $folder ] && hide $folder; done
    doctor ;;
  deserted) pcscd_alone; kill -KILL $pcscd; wait $pcscd 2>/dev/null; doctor ;;
  wrong-name) PCSCLITE_CSOCK_NAME=/run/pcscd/other.comm doctor ;;
  file-mode) pcscd_alone; chmod 0600 /run/pcscd/pcscd.comm; as_nobody "$NODE" "$BIN" doctor --json ;;
  hidepid) pcscd_alone; mount -t proc -o hidepid=2 proc /proc || cannot "no proc"; chmod 0600 /run/pcscd/pcscd.comm; as_nobody "$NODE" "$BIN" doctor --json ;;
  no-reader) hide /etc/reader.conf.d; hide /usr/lib/pcsc/drivers; pcscd_alone; doctor ;;
  # What a newcomer types first: the words of both commands on standard output.
  newcomer)
    case $2 in
      no-socket) ;;
      no-reader) hide /etc/reader.conf.d; hide /usr/lib/pcsc/drivers; pcscd_alone ;;
      no-card) pcscd_alone ;;
    esac
    for command in "device list" "device status"; do echo "== $command"; "$NODE" "$BIN" $command 2>&1; echo "-- $?"; done ;;
  no-card) pcscd_alone; doctor ;;
  card) pcscd_alone; card "$2"; doctor --timeout 2 ;;
  shared)
    pcscd_alone; card token
    "$NODE" "$here/holder.mjs" >"$scratch/holder" & holder=$!
    until_true grep -q held "$scratch/holder"
    doctor; code=$?
    kill $holder; exit $code ;;
  scdaemon)
    pcscd_alone; card token
    export GNUPGHOME=$scratch/gnupg; mkdir -m 700 "$GNUPGHOME"; printf 'disable-ccid\npcsc-driver libpcsclite.so.1\n' >"$GNUPGHOME/scdaemon.conf"
    [ -n "${SCDAEMON-}" ] && echo "scdaemon-program $SCDAEMON" >"$GNUPGHOME/gpg-agent.conf"
    gpg-connect-agent 'scd serialno' /bye >>"$scratch/log" 2>&1
    doctor; code=$?
    cat "$scratch/log" >&2
    gpgconf --kill all; exit $code ;;
  hangs-up)
    background "$NODE" -e 'require("net").createServer((c) => c.destroy()).listen("/run/pcscd/pcscd.comm")'
    until_true test -S /run/pcscd/pcscd.comm
    doctor ;;
  polkit) pcscd_with_polkit; as_nobody "$NODE" "$BIN" doctor --json ;;
  polkit-hidepid) pcscd_with_polkit; mount -t proc -o hidepid=2 proc /proc || cannot "no proc"; as_nobody "$NODE" "$BIN" doctor --json ;;
  polkit-card)
    RULE='polkit.addRule(function (a, s) { if (a.id == "org.debian.pcsc-lite.access_pcsc") return polkit.Result.YES; });'
    pcscd_with_polkit; card token; as_nobody "$NODE" "$BIN" doctor --json ;;
  polkit-fixed)
    # $FIX: the commands that the doctor gave; its sudo is ours already.
    pcscd_with_polkit; card token
    sudo() { "$@"; }
    export USER=nobody; eval "$FIX" >&2; chmod a+r /etc/polkit-1/rules.d/*
    # polkit reads new rules by itself, a moment later.
    until_true refused_no_more
    setpriv --reuid nobody --regid nogroup --init-groups "$NODE" "$BIN" doctor --json ;;
  *) cannot "no machine is ${1-}" ;;
esac
exit $?
