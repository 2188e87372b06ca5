"""cctg-intake alone: HTTP POST, and its end."""

import http.client
import json
import time

from intakelib import MIB, event


def post(intake, body, path="/events", method="POST", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", intake.port,
                                            timeout=10)
    connection.request(method, path, body,
                       {k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.getheader("Content-Type") == "application/json":
        return response.status, json.loads(text)
    return response.status, text


def test_http(intake_factory):
    intake = intake_factory(http=True)
    status, answer = post(intake, json.dumps(event("posted")))
    got = intake.wait("submit", title="posted")
    assert (status, answer) == (200, {"ok": True, "id": got["id"],
                                      "state": "received"})
    assert (got["origin"], got["flags"]) == (2, 0)
    status, answer = post(intake, json.dumps({"title": "x"}))
    assert (status, answer["code"], answer["field"]) == (400, 65, "type")
    assert post(intake, b"")[0] == 400
    assert post(intake, b"x", path="/other")[0] == 404
    assert post(intake, None, method="GET")[0] == 405
    assert post(intake, b"{}", Origin="http://evil.example")[0] == 403
    status, answer = post(intake, b" " * (MIB + 1))
    assert (status, answer["code"]) == (413, 65)
    intake.do("answer", how="refuse", code=75)
    assert post(intake, json.dumps(event()))[0] == 503
    intake.do("answer", how="accept")
    assert post(intake, json.dumps(event()))[0] == 200


def test_http_body_far_too_large(intake_factory):
    intake = intake_factory(http=True)
    try:
        status = post(intake, b"x" * (8 * MIB))[0]
    except OSError:
        status = 413  # cut off while sending
    assert status == 413
    assert post(intake, json.dumps(event()))[0] == 200


def test_http_token(intake_factory):
    intake = intake_factory(http=True, token="s3cret")
    body = json.dumps(event())
    assert post(intake, body)[0] == 401
    assert post(intake, body, Authorization="Bearer s3cre")[0] == 401
    assert post(intake, body, Authorization="Bearer s3crets3cret")[0] == 401
    assert post(intake, body, Authorization="Bearer s3cret")[0] == 200


def test_http_without_a_queue(intake_factory):
    intake = intake_factory(http=True)
    intake.do("die")
    time.sleep(0.1)
    status, answer = post(intake, json.dumps(event()))
    assert (status, answer["code"]) == (503, 75)


def test_drain(intake_factory):
    intake = intake_factory()
    c = intake.client()
    intake.do("answer", how="hold")
    c.send({"op": "send", "event": event("socket")})
    intake.drop("a.json", event("file"))
    intake.wait("submit", title="socket")
    intake.wait("submit", title="file")
    intake.do("drain")
    time.sleep(0.2)
    intake.drop("b.json", event("late"))
    assert not intake.seen("drained")
    intake.do("answer", how="accept")
    intake.wait("drained")
    assert c.read()["ok"]
    assert intake.names() == ["b.json"]
    intake.do("stop")
    assert intake.wait("exit")["code"] == 0


def test_without_its_supervisor_it_ends(intake):
    begin = time.monotonic()
    intake.stop()
    assert time.monotonic() - begin < 1
    assert intake.wait("exit")["code"] == 0
