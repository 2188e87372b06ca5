"""control.sock: requests, and what are none."""

import json
import random
import socket
import time

import pytest

from dummylib import running
from treelib import sanitized


@pytest.fixture
def tree(tmp_path):
    with running(tmp_path) as t:
        yield t


def test_pipelined_requests_are_answered_in_order(tree):
    with tree.connect() as s:
        lines = [json.dumps({"op": "ping", "tag": i}) for i in range(500)]
        s.sendall(("\n".join(lines) + "\n").encode())
        f = s.makefile()
        assert [json.loads(f.readline())["tag"] for _ in lines] == \
            list(range(500))


def test_half_closed_client_gets_its_answer(tree):
    with tree.connect() as s:
        s.sendall(b'{"op":"ping"}\n{"op":"ping"}')
        s.shutdown(socket.SHUT_WR)
        data = b""
        while chunk := s.recv(4096):
            data += chunk
        assert data.count(b'"ok":true') == 2


def test_errors(tree):
    with tree.connect() as s:
        f = s.makefile("rw")
        for line, field in (("nonsense", None), ("[]", None), ("{}", "op"),
                            ('{"op":"dance"}', "op"), ('{"op":5}', "op"),
                            ('{"op":"restart","worker":"x"}', "worker"),
                            ('{"op":"drain"}', "worker"),
                            ('{"op":"wait","what":"x"}', "what"),
                            ('{"op":"wait","timeout_ms":-1}', "timeout_ms"),
                            ('{"op":"ping","tag":"' + 255 * "x" + '"}',
                             "tag")):
            f.write(line + "\n")
            f.flush()
            answer = json.loads(f.readline())
            assert not answer["ok"] and answer["code"] == 65, line
            assert answer.get("field") == field, line
            assert answer["error"]
        f.write('{"op":"ping"}\n')
        f.flush()
        assert json.loads(f.readline())["ok"]


def test_tag_of_any_kind(tree):
    for tag in (None, [], {"a": [1]}, True, 1.5, "x"):
        answer = tree.ask("ping", tag=tag)
        assert answer["ok"] and answer["tag"] == tag
    assert "tag" not in tree.ask("ping")


@pytest.mark.parametrize("more", [-1, 0, 1, 2, 100000, 3 << 20])
def test_line_of_about_a_mebibyte_is_answered_and_the_next_too(tree, more):
    with tree.connect() as s:
        line = b'{"op":"ping","x":"'
        line += b"x" * ((1 << 20) + more - len(line) - 2) + b'"}'
        s.sendall(line + b'\n{"op":"ping","tag":2}\n')
        answers = s.makefile()
        answer = json.loads(answers.readline())
        assert answer["ok"] == (more <= 0)
        assert answer.get("code") == (65 if more > 0 else None)
        assert json.loads(answers.readline())["tag"] == 2


def test_random_bytes(tree):
    random.seed(1)
    for _ in range(200):
        with tree.connect() as s:
            try:
                s.sendall(random.randbytes(random.randrange(1, 5000)))
                if random.random() < 0.5:
                    s.sendall(b'\n{"op":')
            except OSError:
                pass
    assert tree.status()["state"] == "ok"
    assert all(w["restarts"] == 0 for w in tree.status()["workers"])


def test_client_that_does_not_read(tree):
    slow = tree.connect()
    slow.setblocking(False)
    line = b'{"op":"status"}\n' * 1000
    sent = 0
    try:
        while sent < 20 << 20:
            sent += slow.send(line)
    except BlockingIOError:
        pass
    begin = time.monotonic()
    for _ in range(20):
        assert tree.ask("ping")["ok"]
    assert time.monotonic() - begin < 2
    rss = int(open(f"/proc/{tree.process.pid}/statm",
                   encoding="ascii").read().split()[1]) * 4096
    assert rss < 24 << 20 or sanitized()
    slow.close()


def test_many_silent_clients(tree):
    silent = [tree.connect() for _ in range(300)]
    assert tree.ask("ping")["ok"]
    for s in silent:
        s.close()
    assert tree.ask("ping")["ok"]
