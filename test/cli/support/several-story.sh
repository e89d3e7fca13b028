# The story of test/cli/several-pcscd.test.ts, told inside with-pcscd: every step prints "=== NAME", its output, "--- EXIT CODE".
hsmadm() { "$NODE" "$BIN" "$@"; }
step() { local name=$1; shift; echo "=== $name"; "$@" 2>&1; echo "--- $?"; }
only_stdout() { "$@" 2>/dev/null; }

# Two processes, so that one token can fall silent and the other not.
"$NODE" "$BIN" simulator serve sim:one --port 35963 >/dev/null 2>"$HSMADM_HOME/one.log" &
one=$!
"$NODE" "$BIN" simulator serve sim:two --port 35964 >/dev/null 2>"$HSMADM_HOME/two.log" &
two=$!
for _ in $(seq 100); do
  list=$(hsmadm device list --json 2>/dev/null)
  [ "$(grep -c '"chr": "UTSIM' <<<"$list")" = 2 ] && break
  sleep 0.1
done
serials=($(grep -o '"serial": "UTSIM[^"]*"' <<<"$list" | cut -d'"' -f4 | head -2))
readers=()
while IFS= read -r reader; do readers+=("$reader"); done < <(grep -o '"reader": "[^"]*"' <<<"$list" | cut -d'"' -f4)

step "status of all" only_stdout hsmadm device status --all --json --trace "$HSMADM_HOME/all.apdu"
step "replay" only_stdout hsmadm device status --device "trace:$HSMADM_HOME/all.apdu" --json
step "list of all" hsmadm device list --all
step "named" only_stdout hsmadm device status --json --device "${serials[1]},pcsc:${readers[0]},sim:three"
step "named twice" hsmadm device status --device "${serials[0]}" --device "${readers[0]}"
step "named twice, guard" hsmadm guard --device "pcsc:${serials[1]},pcsc:${readers[1]}" -- echo never
step "guard of all, uninitialised" hsmadm guard --all -- echo never
for i in 0 1; do
  step "init $i" hsmadm device init --device "${serials[$i]}" --label "t$i" --so-pin env:SO --pin env:PIN --dkek-shares none
done
step "guard of all" only_stdout hsmadm guard --all -- sh -c 'echo guarded; exit 7'
step "by label" hsmadm device status --device t0,t1
step "one is not there" only_stdout hsmadm device status --json --device t0,nobody
# One card falls silent. The other's row is told all the same.
kill -STOP $two
step "one is silent" only_stdout hsmadm device status --json --all --timeout 1
step "guard, one is silent" hsmadm guard --all --timeout 1 -- echo never
kill -CONT $two
# Ctrl-C while it waits for both, in a reader host each: whoever comes next finds both cards free.
kill -STOP $one $two
"$NODE" "$BIN" device status --all >/dev/null 2>"$HSMADM_HOME/stopped.log" &
stopped=$!
for _ in $(seq 100); do
  [ "$(wc -w <"/proc/$stopped/task/$stopped/children")" = 2 ] && break
  sleep 0.1
done
kill -INT $stopped
kill -CONT $one $two
wait $stopped; code=$?
echo "=== stopped"; cat "$HSMADM_HOME/stopped.log"; echo "--- $code"
step "exclusively afterwards" hsmadm device label again --device "${serials[0]}" --pin env:PIN
step "exclusively afterwards, the other" hsmadm device label again --device "${serials[1]}" --pin env:PIN
kill $one $two
wait $one $two
