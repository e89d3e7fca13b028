# Inside with-pcscd: examples/read-counters.mjs with a simulated token in a virtual reader.
"$NODE" "$BIN" simulator serve sim:counters >/dev/null 2>&1 &
serve=$!
for _ in $(seq 100); do
  told=$("$NODE" read-counters.mjs)
  grep -q UTSIM <<<"$told" && break
  sleep 0.1
done
echo "$told"
kill $serve
wait $serve
