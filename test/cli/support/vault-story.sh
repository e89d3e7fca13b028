# The story of test/cli/vault-pcscd.test.ts, told inside with-pcscd: every step prints "=== NAME", its output, "--- EXIT CODE".
hsmadm() { "$NODE" "$BIN" "$@"; }
step() { local name=$1; shift; echo "=== $name"; "$@" 2>&1; echo "--- $?"; }
only_stdout() { "$@" 2>/dev/null; }

# A process each, so that one can be pulled out while the other stays.
"$NODE" "$BIN" simulator serve --device sim:one --port 35963 >/dev/null 2>"$HSMADM_HOME/one.log" &
one=$!
"$NODE" "$BIN" simulator serve --device sim-fido:two --port 35964 >/dev/null 2>"$HSMADM_HOME/two.log" &
two=$!
card="pcsc:Virtual PCD 00 00"
fido="pcsc:Virtual PCD 00 01"
for _ in $(seq 100); do
  hsmadm device status --device "$card" >/dev/null 2>&1 && hsmadm fido info --device "$fido" >/dev/null 2>&1 && break
  sleep 0.1
done
cd "$HSMADM_HOME" || exit 1
printf 'kept in it' >secret

step "init" hsmadm device init --device "$card" --label one --so-pin env:SO --pin env:PIN --dkek-shares none
step "key" hsmadm key generate --type ec:p256 --label vault --device "$card" --pin env:PIN
step "fido" only_stdout hsmadm fido list --device auto --json

# What is said of a vault, and what it holds, under the name VAULT-OPENER.
kept() { step "$1 by $2" only_stdout hsmadm vault get "$1.vault" kept --raw "${@:3}"; }
make() { step "create $1" hsmadm vault create "$1.vault" --recovery-out "$1.recovery" --passphrase env:PHRASE --pin env:PIN "${@:2}"; }
keep() { step "set $1" hsmadm vault set "$1.vault" kept --in secret --pin env:PIN "${@:2}"; }

make any --slot card:vault --slot fido --device auto
keep any --device auto
kept any card --device "$card" --pin env:PIN
kept any fido --device "$fido"
kept any auto --device auto --pin env:PIN
step "any by nobody" hsmadm vault get any.vault kept --raw
step "probe" only_stdout hsmadm vault status any.vault --probe --device auto --json

make both --all-of card:vault,fido --device auto
keep both --device "$card,$fido"
kept both auto --device auto --pin env:PIN
kept both card --device "$card" --pin env:PIN
kept both fido --device "$fido"

make two-of-three --threshold 2:card:vault,fido,passphrase --device "$card,$fido"
keep two-of-three --device auto
kept two-of-three auto --device auto --pin env:PIN
kept two-of-three card-phrase --device "$card" --pin env:PIN --passphrase env:PHRASE
kept two-of-three fido-phrase --device "$fido" --passphrase env:PHRASE
kept two-of-three phrase --passphrase env:PHRASE
kept two-of-three fido --device "$fido"

# A recording of the real stack holds no secret: it shows what was done, and does not open the vault again.
step "trace" only_stdout hsmadm vault get any.vault kept --raw --device "$card" --pin env:PIN --trace card.apdu
step "replay" hsmadm vault get any.vault kept --raw --device trace:card.apdu --pin env:PIN

# The card is pulled out of its reader for good: what is left opens what it can.
kill $one; wait $one
kept any "auto, no card" --device auto
kept both "auto, no card" --device auto
step "both says" hsmadm vault get both.vault kept --raw --device auto
kill $two; wait $two
step "any, nothing there" hsmadm vault get any.vault kept --raw --device auto
