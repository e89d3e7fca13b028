"""Drives an authenticator in a PC/SC reader with python-fido2 and python-pyscard, and prints a JSON object for each step.

The two libraries know nothing of our simulator. When the authenticator says that it waits for a touch, "touch!" is
printed, and whoever reads it touches.
"""

import hashlib
import json
import sys
import time

from fido2.ctap import CtapError
from fido2.ctap2 import ClientPin, Config, Ctap2, PinProtocolV1, PinProtocolV2
from fido2.ctap2.extensions import HmacSecretExtension
from fido2.pcsc import CtapPcscDevice
from smartcard.CardConnection import CardConnection
from smartcard.System import readers

RP = "clients.example"
PARAMS = [{"type": "public-key", "alg": -7}]
SALT1, SALT2 = bytes(range(32)), bytes(range(32, 64))
HASH = hashlib.sha256(b"client data").digest()


def say(step, **facts):
    print(json.dumps({"step": step, **facts}), flush=True)


def status_of(work):
    try:
        work()
        return "00"
    except CtapError as error:
        return "%02x" % error.code


def keepalive(status):
    if int(status) == 2:
        print("touch!", flush=True)


def connect():
    for _ in range(400):  # pcscd notices a card by looking from time to time
        found = [device for device in CtapPcscDevice.list_devices()]
        if found:
            return found[0]
        time.sleep(0.05)
    raise SystemExit("no authenticator in any reader")


def make(ctap, extensions, pin=None, protocol=None, rp=RP, exclude=None, options=None, user=b"user-1"):
    auth, version = None, None
    if pin is not None:
        token = ClientPin(ctap, protocol).get_pin_token(pin, ClientPin.PERMISSION.MAKE_CREDENTIAL, rp)
        auth, version = protocol.authenticate(token, HASH), protocol.VERSION
    made = ctap.make_credential(HASH, {"id": rp, "name": rp}, {"id": user, "name": "u"}, PARAMS, exclude, extensions, options,
                                auth, version, on_keepalive=keepalive)
    made.auth_data.credential_data.public_key.verify(made.auth_data + HASH, made.att_statement["sig"])
    return made


def secret(ctap, credential, salts, protocol, pin=None, rp=RP, options=None):
    auth, version = None, None
    if pin is not None:
        token = ClientPin(ctap, protocol).get_pin_token(pin, ClientPin.PERMISSION.GET_ASSERTION, rp)
        auth, version = protocol.authenticate(token, HASH), protocol.VERSION
    extension = HmacSecretExtension(ctap, protocol)
    wanted = dict(zip(("salt1", "salt2"), salts))
    asked = {"hmac-secret": extension.process_get_input({"hmacGetSecret": wanted})}
    allow = [{"type": "public-key", "id": credential.credential_id}]
    got = ctap.get_assertion(rp, HASH, allow, asked, options, auth, version, on_keepalive=keepalive)
    got.verify(HASH, credential.public_key)
    outputs = extension.process_get_output(got.auth_data)["hmacGetSecret"]
    return [outputs[name].hex() for name in ("output1", "output2") if name in outputs], got.auth_data.flags


def main():
    device = connect()
    ctap = Ctap2(device)  # strict: answers must be canonical CBOR
    say("info", versions=ctap.info.versions, extensions=ctap.info.extensions, aaguid=ctap.info.aaguid.hex(),
        options=ctap.info.options, protocols=ctap.info.pin_uv_protocols, size=ctap.info.max_msg_size)

    plain = make(ctap, {"hmac-secret": True})
    credential = plain.auth_data.credential_data
    one, two = PinProtocolV1(), PinProtocolV2()
    without = {p.VERSION: secret(ctap, credential, [SALT1, SALT2], p) for p in (one, two)}
    say("no PIN", flags=[plain.auth_data.flags, without[1][1], without[2][1]], extensions=dict(plain.auth_data.extensions),
        same=without[1][0] == without[2][0], outputs=len(set(without[1][0])), idLength=len(credential.credential_id))

    pin = ClientPin(ctap, two)
    pin.set_pin("pässwörd-✓")
    ctap = Ctap2(device)
    say("PIN set", clientPin=ctap.info.options["clientPin"], again=status_of(lambda: ClientPin(ctap, one).set_pin("1234")),
        retries=list(pin.get_pin_retries()))
    pin.change_pin("pässwörd-✓", "1234")
    wrong = status_of(lambda: ClientPin(ctap, one).get_pin_token("9999", 2, RP))
    after = pin.get_pin_retries()[0]
    with_uv = {p.VERSION: secret(ctap, credential, [SALT1], p, "1234") for p in (one, two)}
    swapped = secret(ctap, credential, [SALT2, SALT1], two, "1234")[0]
    still = secret(ctap, credential, [SALT1, SALT2], two)[0]
    say("PIN used", wrong=wrong, after=after, retries=pin.get_pin_retries()[0], flags=with_uv[2][1],
        same=with_uv[1][0] == with_uv[2][0] == swapped[1:], apart=with_uv[2][0][0] not in still, kept=still == without[1][0])

    protected = make(ctap, {"hmac-secret": True, "credProtect": 3}, "1234", two).auth_data
    listed = [{"type": "public-key", "id": protected.credential_data.credential_id}]
    own = [{"type": "public-key", "id": credential.credential_id}]
    foreign = [{"type": "public-key", "id": bytes(96)}]
    say("preflight", flags=protected.flags, credProtect=protected.extensions.get("credProtect"),
        own=status_of(lambda: ctap.get_assertion(RP, HASH, own, None, {"up": False})),
        foreign=status_of(lambda: ctap.get_assertion(RP, HASH, foreign, None, {"up": False})),
        protected=status_of(lambda: ctap.get_assertion(RP, HASH, listed, None, {"up": False})),
        withPin=secret(ctap, protected.credential_data, [SALT1], one, "1234")[1],
        excluded=status_of(lambda: make(ctap, None, "1234", one, exclude=own)),
        secretUnseen=status_of(lambda: secret(ctap, credential, [SALT1], two, options={"up": False})))

    first = make(ctap, {"hmac-secret": True}, "1234", two, options={"rk": True}).auth_data.credential_data
    second = make(ctap, {"hmac-secret": True}, "1234", two, options={"rk": True}, user=b"user-2").auth_data.credential_data
    found = ctap.get_assertions(RP, HASH)
    for got, by in zip(found, (second, first)):
        got.verify(HASH, by.public_key)
    say("discoverable", found=[bytes(got.user["id"]).decode() for got in found])

    denied = status_of(lambda: make(ctap, None, rp="denied.example"))
    nobody = status_of(lambda: make(ctap, None, rp="nobody.example"))
    touched = make(ctap, {"hmac-secret": True}, rp="touched.example").auth_data
    say("touch", denied=denied, nobody=nobody, flags=touched.flags)

    token = ClientPin(ctap, two).get_pin_token("1234", ClientPin.PERMISSION.AUTHENTICATOR_CFG)
    Config(ctap, two, token).toggle_always_uv()
    ctap = Ctap2(device)
    say("alwaysUv", on=ctap.info.options["alwaysUv"], refused=status_of(lambda: secret(ctap, credential, [SALT1], two)),
        same=secret(ctap, credential, [SALT1], two, "1234")[0] == with_uv[2][0])

    three = [status_of(lambda: ClientPin(ctap, two).get_pin_token("0000", 2, RP)) for _ in range(3)]
    right = status_of(lambda: ClientPin(ctap, two).get_pin_token("1234", 2, RP))
    retries = list(pin.get_pin_retries())
    device.close()
    connection = readers()[0].createConnection()
    connection.connect(CardConnection.T1_protocol)
    connection.transmit([0x00, 0xA4, 0x04, 0x00, 0x08, 0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01, 0x00])
    extended, sw1, sw2 = connection.transmit([0x80, 0x10, 0x00, 0x00, 0x00, 0x00, 0x01, 0x04, 0x00, 0x00])
    connection.disconnect()  # cuts the power, as taking the card out and putting it back does
    device = connect()
    ctap = Ctap2(device)
    say("three wrong", statuses=three, right=right, retries=retries, cycled=status_of(
        lambda: ClientPin(ctap, two).get_pin_token("1234", 2, RP)), extended=[len(extended) > 200, sw1, sw2])

    status = status_of(lambda: ctap.reset())
    ctap = Ctap2(device)
    gone = status_of(lambda: ctap.get_assertion(RP, HASH, own, None, {"up": False}))
    say("reset", status=status, clientPin=ctap.info.options["clientPin"], gone=gone)


main()
