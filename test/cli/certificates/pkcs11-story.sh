# The story of test/cli/certificates/pkcs11.test.ts, told inside with-pcscd: "=== NAME", its output, "--- EXIT CODE".
hsmadm() { "$NODE" "$BIN" "$@"; }
step() { local name=$1; shift; echo "=== $name"; "$@" 2>&1; echo "--- $?"; }
p11() { pkcs11-tool --login --pin "$PIN" "$@"; }
cd "$HSMADM_HOME" || exit 1

at="--device sim:one --pin env:PIN"
hsmadm device init --device sim:one --label story --so-pin env:SO --pin env:PIN --dkek-shares none >/dev/null 2>&1
hsmadm key generate --type ec:p256 --label tls --id A2B3 $at >/dev/null 2>&1
hsmadm key generate --type rsa:2048 --label mail --id C4 $at >/dev/null 2>&1
hsmadm key generate --type ec:brainpoolP256r1 --label bp --id D5 $at >/dev/null 2>&1
step "self-sign tls" hsmadm cert self-sign tls --subject CN=tls,O=Example --put --out tls.pem $at
step "self-sign root" hsmadm cert self-sign mail --subject "CN=Example Root" --authority --out root.pem $at
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=Outer Root" -keyout outer.key -out outer.pem 2>/dev/null
step "put authority" hsmadm cert put outer.pem --authority --id E6 $at
openssl x509 -in tls.pem -outform DER -out tls.der
openssl x509 -in root.pem -outform DER -out mail.der
openssl x509 -in outer.pem -outform DER -out outer.der

"$NODE" "$BIN" simulator serve sim:one >/dev/null 2>"$HSMADM_HOME/serve.log" &
serve=$!
for _ in $(seq 100); do
  pkcs11-tool --list-slots 2>/dev/null | grep -q "story" && break
  sleep 0.1
done

step "objects" p11 --list-objects
step "certificate" p11 --read-object --type cert --id A2B3 --output-file read.der
step "same certificate" cmp read.der tls.der
step "authority" p11 --read-object --type cert --id E6 --output-file outer-read.der
step "same authority" cmp outer-read.der outer.der
step "attestation" p11 --read-object --type data --application-label hsmadm --label attestation --output-file attestation.bin
head -c 1 attestation.bin | od -An -tx1 | sed 's/^/first byte/'
echo hello >message
step "sign" p11 --sign --mechanism ECDSA-SHA256 --id A2B3 --signature-format openssl --input-file message --output-file message.sig
openssl x509 -in tls.pem -pubkey -noout >tls.pub
step "openssl" openssl dgst -sha256 -verify tls.pub -signature message.sig message

# The other way: OpenSC writes, we read.
step "opensc writes" p11 --write-object outer.der --type cert --id F7 --label opensc-root
step "opensc writes beside" p11 --write-object mail.der --type cert --id C4 --label mail
kill $serve
wait $serve
step "list" hsmadm cert list --device sim:one --json
