"""cctg-intake alone: submit.sock."""

import json
import os
import pathlib
import socket
import subprocess
import threading
import time

import pytest

from intakelib import EV_SILENT, EV_TRUSTED, MIB, ROOT, event
from simlib import wait_for


def test_send(intake):
    c = intake.client()
    answer = c.ask({"op": "send", "event": event("over the socket")})
    got = intake.wait("submit")
    assert answer == {"ok": True, "id": got["id"], "state": "received"}
    assert (got["origin"], got["flags"]) == (1, EV_TRUSTED)
    assert json.loads(got["json"])["event_id"] == got["id"]


def test_send_with_options(intake):
    c = intake.client()
    answer = c.ask({"tag": {"n": 1}, "op": "send", "ttl": "90s",
                    "silent": True, "to": -100123, "unknown": [None],
                    "event": event("x", event_id="my id")})
    got = intake.wait("submit")
    assert answer == {"ok": True, "id": "my id", "state": "received",
                      "tag": {"n": 1}}
    assert (got["ttl_ms"], got["to"]) == (90000, "-100123")
    assert got["flags"] == EV_TRUSTED | EV_SILENT
    assert json.loads(got["json"]) == event("x", event_id="my id")


def test_a_duplicate_is_answered_as_such(intake):
    c = intake.client()
    request = {"op": "send", "event": event("x", event_id="é\"1")}
    c.ask(request)
    assert c.ask(request) == {"ok": True, "id": "é\"1", "duplicate": True}


@pytest.mark.parametrize("request_text, field", [
    (b"hello", None),
    (b"[]", None),
    (b"{}", "op"),
    (b'{"op":1}', "op"),
    (b'{"op":"send"', None),
    (b'{"op":"send"} x', None),
    (b'{"op":"send"}', "event"),
    (b'{"op":"send","event":null}', "event"),
    (b'{"op":"send","event":7}', None),
    (b'{"op":"send","event":{"type":"x","title":"t",}}', None),
    (b'{"op":"send","event":{"title":"t"}}', "type"),
    (b'{"op":"send","event":{"type":"x"}}', "title"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"ttl":"soon"}', "ttl"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"ttl":-1}', "ttl"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"silent":1}', "silent"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"to":[]}', "to"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"wait":"x"}', "wait"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"zzz":tru}', None),
    (b'{"op":"send","op":"send","event":{"type":"x","title":"t"}}', "op"),
    (b'{"op":"queue","cmd":[}', None),
    (b'\xff\xfe\x00\x01', None),
])
def test_bad_requests(intake, request_text, field):
    c = intake.client()
    c.raw(request_text + b"\n")
    answer = c.read()
    assert (answer["ok"], answer["code"]) == (False, 65)
    assert answer["error"]
    assert answer.get("field") == field
    assert c.ask({"op": "ping", "tag": 1}) == {"ok": True, "tag": 1}
    assert intake.slot()["intake_bad_requests"] == 1


def test_a_tag_that_is_too_long(intake):
    c = intake.client()
    assert c.ask({"op": "ping", "tag": "x" * 300})["field"] == "tag"


def test_a_request_over_1_mib(intake):
    c = intake.client()
    c.raw(b'{"op":"send","event":{"type":"x","title":"'
          + b"x" * (2 * MIB) + b'"}}\n')
    answer = c.read()
    assert (answer["ok"], answer["code"]) == (False, 65)
    assert c.ask({"op": "ping"}) == {"ok": True}


@pytest.mark.parametrize("more", [-1, 0, 1, 2])
def test_a_request_of_about_1_mib(intake, more):
    c = intake.client()
    line = b'{"op":"ping","x":"'
    c.raw(line + b"x" * (MIB + more - len(line) - 2) + b'"}\n')
    answer = c.read()
    assert answer["ok"] == (more <= 0)
    assert answer.get("code") == (65 if more > 0 else None)
    assert c.ask({"op": "ping"}) == {"ok": True}


def test_an_event_of_just_under_1_mib(intake):
    c = intake.client()
    text = "y" * (MIB - 100)
    assert c.ask({"op": "send", "event": event("big", description=text)})[
        "ok"]
    got = intake.wait("submit")
    assert json.loads(got["json"])["description"] == text


def test_an_event_over_1_mib_in_a_request_of_its_own(intake):
    c = intake.client()
    answer = c.ask({"op": "send", "event": event("x" * (MIB - 20))})
    assert (answer["ok"], answer["code"]) == (False, 65)


def test_pipelined_answers_come_in_order(intake):
    c = intake.client()
    intake.do("quiet")
    n = 5000
    wanted = []
    requests = []
    for i in range(n):
        if i % 7 == 3:
            requests.append({"op": "send", "tag": i, "event": {}})
        elif i % 7 == 5:
            requests.append({"op": "ping", "tag": i})
        else:
            requests.append({"op": "send", "tag": i,
                             "event": event("x", event_id=str(i))})
        wanted.append(i)
    threading.Thread(target=c.send, args=requests).start()
    got = [c.read() for _ in range(n)]
    assert [g["tag"] for g in got] == wanted
    for i, g in enumerate(got):
        assert g["ok"] == (i % 7 != 3)
        if i % 7 not in (3, 5):
            assert g["id"] == str(i)


def test_answers_wait_for_the_disk(intake):
    c = intake.client()
    intake.do("answer", how="hold")
    c.send({"op": "send", "event": event()}, {"op": "ping"})
    intake.wait("submit")
    c.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        c.socket.recv(1)
    c.socket.settimeout(5)
    intake.do("answer", how="accept")
    assert c.socket.recv(4096).count(b"\n") >= 1


def test_a_full_store_is_told(intake):
    intake.do("answer", how="refuse", code=75, error="the store is full")
    c = intake.client()
    assert c.ask({"op": "send", "event": event()}) == {
        "ok": False, "error": "the store is full", "code": 75}


def test_the_queue_dies_with_requests_under_way(intake):
    c = intake.client()
    intake.do("answer", how="hold")
    n = 1000
    threading.Thread(target=c.send, args=[
        {"op": "send", "event": event(event_id=str(i))}
        for i in range(n)]).start()
    wait_for(lambda: len(intake.seen()) == 128, 5)
    intake.do("die")
    intake.do("answer", how="accept")
    time.sleep(0.2)
    intake.do("wire")
    assert [c.read()["id"] for _ in range(n)] == [str(i) for i in range(n)]
    assert intake.count()["duplicates"] == 0


def test_pressure_reaches_the_sender(intake):
    """With a queue that takes nothing, a sender blocks; memory stays."""
    intake.do("answer", how="hold")
    c = intake.client()
    c.socket.settimeout(1)
    line = json.dumps({"op": "send", "event": event("x" * 1000)}) + "\n"
    data, sent = (line * 64).encode(), 0
    with pytest.raises(TimeoutError):
        while sent < 64 * MIB:
            sent += c.socket.send(data)
    assert sent < 2 * MIB
    other = intake.client()
    other.socket.settimeout(0.5)
    other.send({"op": "send", "event": event()})
    with pytest.raises(TimeoutError):
        other.socket.recv(1)


def test_one_byte_at_a_time(intake):
    c = intake.client()
    for b in b'{"op":"send","event":{"type":"x","title":"t"}}\n':
        c.raw(bytes([b]))
    assert c.read()["ok"]


def test_a_last_line_without_its_end(intake):
    c = intake.client()
    c.raw(b'{"op":"ping"}\r\n\n{"op":"ping","tag":2}')
    c.socket.shutdown(socket.SHUT_WR)
    assert c.read() == {"ok": True}
    assert c.read() == {"ok": True, "tag": 2}
    assert c.at_end()


def test_a_sender_that_does_not_wait_for_answers(intake):
    for i in range(50):
        c = intake.client()
        c.send(*[{"op": "send", "event": event(event_id=f"{i}.{k}")}
                 for k in range(20)])
        c.close()
    wait_for(lambda: intake.count()["accepted"] == 1000, 5)
    wait_for(lambda: intake.slot()["intake_clients"] == 0, 5)


def test_a_client_that_does_not_read(intake):
    """Its answers are bounded, and others are served."""
    intake.do("quiet")
    c = intake.client()
    c.socket.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 64 * MIB:
            sent += c.socket.send(b'{"op":"ping"}\n' * 4096)
    other = intake.client()
    assert other.ask({"op": "ping"}) == {"ok": True}


def test_a_thousand_clients(intake):
    intake.do("quiet")
    clients = [intake.client() for _ in range(1000)]
    for i, c in enumerate(clients):
        c.send({"op": "send", "event": event(event_id=str(i))})
    assert [c.read()["id"] for c in clients] == [str(i) for i in range(1000)]
    assert intake.slot()["intake_clients"] == 1000
    before = intake.slot()["turns"]
    time.sleep(1)
    assert intake.slot()["turns"] - before < 8, "idle clients cost turns"
    for c in clients:
        c.close()
    wait_for(lambda: intake.slot()["intake_clients"] == 0, 5)


def test_random_bytes(intake):
    for i in range(30):
        c = intake.client()
        try:
            c.raw(os.urandom(20000))
            c.raw(b"\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        c.close()
    assert intake.client().ask({"op": "ping"}) == {"ok": True}
    assert not intake.seen()


@pytest.mark.skipif(not ROOT, reason="needs another user")
def test_a_foreign_user_is_refused(intake, tmp_path):
    for p in [tmp_path, *tmp_path.parents]:
        if p.stat().st_uid == 0 and p != pathlib.Path("/"):
            os.chmod(p, p.stat().st_mode | 0o011)
    code = ("import os,socket,sys;os.setgroups([]);os.setgid(65534);"
            "os.setuid(65534);s=socket.socket(socket.AF_UNIX);"
            "s.connect(sys.argv[1]);print(s.makefile().read())")
    done = subprocess.run(["/usr/bin/python3", "-c", code, intake.path],
                          text=True, capture_output=True, timeout=10)
    answer = json.loads(done.stdout)
    assert (answer["ok"], answer["code"]) == (False, 77)


# -- queries --------------------------------------------------------------

def test_queries_are_passed_on(intake):
    c = intake.client()
    c.send({"op": "queue", "cmd": "list", "tag": "a"})
    q = intake.wait("query")
    assert json.loads(q["json"]) == {"op": "queue", "cmd": "list",
                                     "tag": "a"}
    assert q["uid"] == os.geteuid()
    intake.do("line", id=q["id"], json='{"ok":true,"events":[]}')
    assert c.read() == {"ok": True, "events": [], "tag": "a"}


def test_answers_of_queries_keep_their_place(intake):
    c = intake.client()
    c.send({"op": "mode", "tag": 1}, {"op": "ping", "tag": 2},
           {"op": "history", "tag": 3}, {"op": "ping", "tag": 4})
    first, second = intake.wait("query"), intake.wait("query")
    intake.do("line", id=second["id"], json='{"a":1}', more=True)
    intake.do("line", id=second["id"], json='{"a":2}')
    intake.do("line", id=first["id"], json='{"ok":true}')
    assert [c.read() for _ in range(5)] == [
        {"ok": True, "tag": 1}, {"ok": True, "tag": 2},
        {"a": 1, "tag": 3}, {"a": 2, "tag": 3}, {"ok": True, "tag": 4}]


def test_a_subscription_goes_on_beside(intake):
    c = intake.client()
    c.send({"op": "subscribe", "tag": "s"}, {"op": "ping"})
    q = intake.wait("query")
    intake.do("line", id=q["id"], json='{"ok":true}', more=True)
    assert [c.read(), c.read()] == [{"ok": True, "tag": "s"}, {"ok": True}]
    intake.do("line", id=q["id"], json='{"state":"x"}', more=True)
    assert c.read() == {"state": "x", "tag": "s"}
    c.close()
    assert intake.wait("cancel", 5)["id"] == q["id"]


def test_a_subscription_survives_the_queue(intake):
    c = intake.client()
    c.send({"op": "tail"})
    q = intake.wait("query")
    intake.do("line", id=q["id"], json='{"ok":true}', more=True)
    assert c.read() == {"ok": True}
    intake.do("die")
    intake.do("wire")
    q = intake.wait("query")
    intake.do("line", id=q["id"], json='{"ok":true}', more=True)
    intake.do("line", id=q["id"], json='{"n":1}', more=True)
    assert c.read() == {"n": 1}


def test_a_query_is_asked_again_of_the_next_queue(intake):
    c = intake.client()
    c.send({"op": "mode"})
    intake.wait("query")
    intake.do("die")
    intake.do("wire")
    q = intake.wait("query")
    intake.do("line", id=q["id"], json='{"ok":true,"mode":"local"}')
    assert c.read() == {"ok": True, "mode": "local"}


def test_a_subscriber_that_is_too_slow(intake):
    c = intake.client()
    c.send({"op": "subscribe"})
    q = intake.wait("query")
    for _ in range(300):
        intake.do("line", id=q["id"], json=json.dumps({"x": "y" * 20000}),
                  more=True)
    intake.wait("cancel", 10, id=q["id"])
    assert any("too slow" in x for x in intake.log)
    wait_for(lambda: intake.slot()["intake_clients"] == 0, 5)


def test_wait_gives_a_second_answer(intake):
    c = intake.client()
    c.send({"op": "send", "wait": 5, "tag": 9,
            "event": event(event_id="w")}, {"op": "ping"})
    assert c.read() == {"ok": True, "id": "w", "state": "received", "tag": 9}
    assert c.read() == {"ok": True}
    q = intake.wait("query")
    assert json.loads(q["json"]) == {"op": "queue", "cmd": "wait",
                                     "id": "w", "timeout_ms": 5000}
    intake.do("line", id=q["id"],
              json='{"ok":true,"id":"w","state":"delivered"}')
    assert c.read() == {"ok": True, "id": "w", "state": "delivered",
                        "tag": 9}
