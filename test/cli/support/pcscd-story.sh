# The story of test/cli/pcscd.test.ts, told inside with-pcscd: every step prints "=== NAME", its output, "--- EXIT CODE".
hsmadm() { "$NODE" "$BIN" "$@"; }
step() { local name=$1; shift; echo "=== $name"; "$@" 2>&1; echo "--- $?"; }
only_stdout() { "$@" 2>/dev/null; }

"$NODE" "$BIN" simulator serve sim:one sim:two >/dev/null 2>"$HSMADM_HOME/serve.log" &
serve=$!
# Both tokens are in their readers when pcscd lists two serials.
for _ in $(seq 100); do
  list=$(hsmadm device list --json 2>/dev/null)
  [ "$(grep -c '"chr": "UTSIM' <<<"$list")" = 2 ] && break
  sleep 0.1
done
serial=$(grep -m1 -o '"serial": "UTSIM[^"]*"' <<<"$list" | cut -d'"' -f4)
reader=$(grep -m1 -o '"reader": "[^"]*"' <<<"$list" | cut -d'"' -f4)

step "list" only_stdout hsmadm device list --json
step "status of none named" hsmadm device status
step "init by serial" hsmadm device init --device "$serial" --label story --so-pin env:SO --pin env:PIN --dkek-shares none
step "status by label" hsmadm device status --device story --trace "$HSMADM_HOME/story.apdu"
step "init by label with --yes" hsmadm device init --device story --label x --so-pin env:SO --pin env:PIN --yes
step "wrong PIN" hsmadm pin verify --device "pcsc:$serial" --pin env:WRONG
step "same wrong PIN" hsmadm pin verify --device "$reader" --pin env:WRONG
step "sc-hsm-tool" sc-hsm-tool --reader "$reader"
step "guard" only_stdout hsmadm guard --device story -- sh -c 'echo guarded; exit 7'
step "guard of nothing" hsmadm guard --device nobody -- echo never
step "replay" hsmadm device status --device "trace:$HSMADM_HOME/story.apdu"
step "doctor" hsmadm doctor --device "$serial"
# The card falls silent in the middle: nothing answers behind the reader any more.
kill -STOP $serve
step "silent" hsmadm pin status --device "$reader" --timeout 1
kill -CONT $serve
kill $serve
wait $serve
