"""What comes from outside and is wrong: an error for whoever sent it, a
counter, and nothing else happens."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import time

import pytest

from simlib import program, wait_for
from submitlib import (DEEP, Client, copies, event, metrics, patiently,
                       tree_pss, wait_empty)
from treelib import sanitized

MIB = 1 << 20

BAD_FILES = {
    "truncated.json": b'{"type": "info_notification", "title": "cut',
    "array.json": b'[{"type": "x", "title": "y"}]',
    "no-type.json": b'{"title": "untyped", "description": "x"}',
    "empty.json": b"",
    "large.json": b'{"type": "x", "title": "' + b"y" * (MIB + MIB // 10)
                  + b'"}',
    "binary.json": bytes(range(256)) * 16,
    "nothing.json": b'{"type": "info_notification"}',
    "two.json": b'{"type": "x", "title": "y"} {"type": "x"}',
    "deep.json": b'{"type": "x", "title": "t", "data": ' + b"[" * 50000,
}

BAD_REQUESTS = [
    ("hello", 65), ("[]", 65), ("null", 65), ("{}", 65),
    ('{"op":"send"}', 65), ('{"op":"send","event":7}', 65),
    ('{"op":"send","event":{"type":"x"}}', 65),
    ('{"op":"send","event":{"type":"x","title":"t"},"to":"nobody"}', 65),
    ('{"op":"send","event":{"type":"x","title":"t"},"ttl":"soon"}', 65),
    ('{"op":"nonsense"}', 65), ('{"op":7}', 65),
    ('{"op":"queue","cmd":"nonsense"}', 65),
    ('{"op":"queue","cmd":"show"}', 65),
    ('{"op":"queue","cmd":"show","id":"no such"}', 66),
    ('{"op":"mode","mode":"loud"}', 65), ('{"op":"mute","for":"x"}', 65),
    ('{"op":"history","since":"yesterday"}', 65),
]

BAD_CONTROL = ["hello", "[]", "{}", '{"op":"nonsense"}', '{"op":7}',
               '{"op":"restart","worker":"nobody"}',
               '{"op":"wait","what":"never"}', '{"op":"log","level":"x"}',
               '{"op":"drain"}']


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def tree(tree_for, sim):
    return tree_for(sim)


def test_bad_files(tree, sim):
    pids = tree.pids()
    for name, content in BAD_FILES.items():
        (tree.events / name).write_bytes(content)
    (tree.events / "directory.json").mkdir()
    os.mkfifo(tree.events / "fifo.json")
    (tree.events / "link.json").symlink_to("/etc/passwd")
    (tree.events / "loop.json").symlink_to("loop.json")
    for n in range(20):
        tree.drop(event(f"good-{n}."), f"good-{n}.json")
    # They hold up nobody.
    sim.wait_messages(20, timeout=3, text="good-")
    rejected = tree.events / "rejected"
    wait_for(lambda: not any((tree.events / n).exists() for n in BAD_FILES),
             10, why="the bad ones are moved away")
    for name, content in BAD_FILES.items():
        assert (rejected / name).read_bytes() == content
        assert (rejected / f"{name}.reason").read_text().strip()
    assert metrics(tree)["cctg_intake_rejected_files_total"] >= len(BAD_FILES)
    # What is no file was not touched, and nothing was read through it.
    assert (tree.events / "directory.json").is_dir()
    assert (tree.events / "fifo.json").exists()
    assert len(sim.messages()) == 20
    assert "root:" not in json.dumps(sim.messages())
    assert tree.pids() == pids
    assert tree.status()["state"] == "ok"


def test_bad_requests(tree, sim):
    pids = tree.pids()
    with tree.connect("submit.sock") as s, s.makefile("rwb") as f:
        for text, code in BAD_REQUESTS:
            f.write(text.encode() + b"\n")
            f.flush()
            answer = json.loads(f.readline())
            assert not answer["ok"] and answer["code"] == code, \
                (text, answer)
            assert answer["error"]
        # The connection is as good as ever.
        f.write(b'{"op":"send","event":{"type":"x","title":"fine."}}\n')
        f.flush()
        assert json.loads(f.readline())["ok"]
    with tree.connect() as s, s.makefile("rwb") as f:
        for text in BAD_CONTROL:
            f.write(text.encode() + b"\n")
            f.flush()
            answer = json.loads(f.readline())
            assert not answer["ok"] and answer["error"] and answer["code"], \
                (text, answer)
    counted = metrics(tree)
    assert counted["cctg_intake_bad_requests_total"] >= 9
    assert counted["cctg_control_bad_requests_total"] == len(BAD_CONTROL)
    sim.wait_messages(1, text="fine.")
    assert len(sim.messages()) == 1
    assert tree.pids() == pids


def shout(connect, data):
    """Write data, read what comes for a moment, hang up."""
    try:
        with connect() as s:
            s.settimeout(2)
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
    except OSError:
        pass


def noise(randoms):
    """Bytes of several kinds of nonsense."""
    kind = randoms.randrange(5)
    size = randoms.choice((1, 17, 300, 5000, 100000))
    if kind == 0:
        return randoms.randbytes(size)
    if kind == 1:
        return bytes(randoms.choice(b'{}[]":,\n\\u0d8 truefalsn')
                     for _ in range(min(size, 5000)))
    text = bytearray(b'{"op":"send","event":{"type":"code_review","title":'
                     b'"t","data":{"a":[1,2.5,null,"\xc3\xa4"]}},"ttl":"1h"}'
                     b'\n{"op":"status"}\n{"op":"queue","cmd":"list"}\n')
    if kind == 2:
        text = bytearray(b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
                         b"Content-Length: 5\r\n\r\nabcde")
    if kind == 3:
        text = bytearray(b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Enc"
                         b"oding: chunked\r\n\r\n5\r\n{\"a\":\r\n0\r\n\r\n")
    for _ in range(randoms.randrange(1, 6)):
        at = randoms.randrange(len(text))
        text[at] = randoms.randrange(256)
    return bytes(text[:randoms.randrange(1, len(text) + 1)])


def test_random_bytes_on_every_socket(tree_for, sim):
    http_port, intake_port = free_port(), free_port()
    tree = tree_for(sim, f"""
        monitor {{ listen = {{"127.0.0.1:{http_port}"}} }}
        intake {{ http = "127.0.0.1:{intake_port}" }}
        """)
    sockets = {
        "submit": lambda: tree.connect("submit.sock"),
        "control": tree.connect,
        "monitor": lambda: socket.create_connection(("127.0.0.1",
                                                     http_port)),
        "intake": lambda: socket.create_connection(("127.0.0.1",
                                                    intake_port)),
    }
    pids = tree.pids()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    randoms = random.Random(seed)
    for _ in range(5000 if DEEP else 300):
        for connect in sockets.values():
            shout(connect, noise(randoms))
    with Client(tree) as client:
        client.send(event("still-here."))
    sim.wait_messages(1, text="still-here.")
    connection = http.client.HTTPConnection("127.0.0.1", http_port)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    counted = metrics(tree)
    assert counted["cctg_intake_bad_requests_total"] > 100
    assert counted["cctg_control_bad_requests_total"] > 100
    assert tree.pids() == pids, tree.log()[-2000:]
    assert tree.status()["state"] == "ok"


def test_a_line_without_end(tree):
    """1 MiB is the limit: the rest is not collected."""
    pids, before = tree.pids(), tree_pss(tree)
    for name in ("submit.sock", "control.sock"):
        with tree.connect(name) as s:
            s.settimeout(5)
            sent = 0
            try:
                while sent < 32 * MIB:
                    sent += s.send(b"x" * 65536)
            except OSError:
                pass
    if not sanitized():
        assert tree_pss(tree) < before + 8 * MIB
    assert tree.pids() == pids


def test_many_clients_that_do_nothing(tree, sim):
    idle = []
    try:
        for _ in range(300):
            idle.append(tree.connect("submit.sock"))
            idle.append(tree.connect())
        with Client(tree) as client:
            client.send(event("between-them."))
        sim.wait_messages(1, text="between-them.")
        assert tree.status()["state"] == "ok"
    finally:
        for s in idle:
            s.close()


def test_errors_of_the_configuration(tmp_path, tree, sim):
    def check(text):
        conf = tmp_path / "bad.conf"
        conf.write_text(text)
        return subprocess.run(
            [str(program("cctgd")), "--config", str(conf)], text=True,
            capture_output=True, env=tree.env, timeout=20, check=False)

    for text, line in (("mode = loud\n", 1),
                       ("mode = local\n\nnonsense = 7\n", 3),
                       ("telegram {\n  timeout = \"soon\"\n}\n", 2),
                       ("\nroute \"r\" { chat = {\"nobody\"} }\n", 2)):
        done = check(text)
        assert done.returncode == 78, done
        assert f"bad.conf:{line}: " in done.stderr, done.stderr


def test_reload_with_an_error_keeps_all_as_it_was(tree, sim):
    good = tree.conf.read_text()
    lines = good.count("\n")
    pids = tree.pids()
    tree.conf.write_text(good + "quiet_hours = \"late\"\n")
    answer = tree.ask("reload")
    assert not answer["ok"] and answer["code"] == 78
    assert f"cctgd.conf:{lines + 1}: " in answer["error"], answer
    # As people do it, whose client reads the same file.
    out = subprocess.run(
        [str(program("cctgctl")), "--config", str(tree.conf), "reload"],
        env=tree.env, text=True, capture_output=True, check=False)
    assert out.returncode == 78, out
    assert f"cctgd.conf:{lines + 1}: " in out.stderr
    code, status = tree.ctl("status")
    assert code == 0 and status["state"] == "ok"
    tree.process.send_signal(signal.SIGHUP)
    tree.wait_log(f"cctgd.conf:{lines + 1}: ")
    with Client(tree) as client:
        client.wait_state(client.send(event("as-before.")), "delivered")
    assert tree.pids() == pids and tree.status()["state"] == "ok"
    # And a good one is taken.
    tree.conf.write_text(good + f'chat "new" {{ id = {-100777} }}\n')
    assert tree.ask("reload")["ok"]
    with Client(tree) as client:
        client.wait_state(client.send(event("to-new."), to="new"),
                          "delivered")


def test_the_token_is_not_told_when_things_go_wrong(tree_for, sim):
    tree = tree_for(sim, telegram='timeout = "1s"')
    secret = sim.token.split(":")[1]
    texts = []
    with Client(tree) as client:
        # A text with the token in it is masked, too.
        client.send(event("leak.", description=f"token {sim.token} here"))
        sim.wait_messages(1, text="leak.")
        texts.append(json.dumps(sim.messages()))
        for kind in ("status", "nonjson", "garbage", "close_before", "hang"):
            sim.fault(kind, count=1)
            client.send(event(f"with {kind}"))
            time.sleep(0.2)
        wait_empty(tree)
        sim.stop()
        client.send(event("nobody there"))
        wait_for(lambda: tree.status()["telegram"]["state"] != "connected")
        for op in ("queue", "history"):
            texts.append(json.dumps(client.ask(op)))
        texts.append(json.dumps(client.queue("dead")))
    tree.ask("log", level="verbose")
    tree.kill("telegram", signal.SIGABRT)
    tree.wait_state("telegram", "ready")
    time.sleep(1)
    texts += [tree.log(), json.dumps(tree.status()),
              json.dumps(tree.ask("crashes")),
              patiently(lambda: tree.ask("metrics")["text"])]
    for pid in tree.pids().values():
        for name in ("cmdline", "environ", "comm"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                texts.append(f.read().decode(errors="replace"))
    assert not [t for t in texts if secret in t]
    for path in tree.dir.rglob("*"):
        if path.is_file() and secret.encode() in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path


def test_files_waiting_at_start(tree_for, sim):
    count = 100000 if DEEP else 5000
    tree = tree_for(sim)
    assert tree.stop() == 0
    for n in range(count):
        tree.drop(event(f"w{n}.", event_id=f"w{n}."), f"w{n}.json")
    begin = time.monotonic()
    peak = 0
    tree.start()
    while tree.status()["queue"]["delivered"] < count:
        peak = max(peak, tree_pss(tree))
        assert time.monotonic() - begin < 30 + count / 1000
        time.sleep(0.1)
    arrived = time.monotonic() - begin
    wait_for(lambda: not tree.waiting(), 30)
    print(f"\n{count} files: delivered after {arrived:.1f} s "
          f"({count / arrived:.0f}/s), gone after "
          f"{time.monotonic() - begin:.1f} s, PSS at most {peak >> 20} MiB")
    found = copies(sim, [f"w{n}." for n in range(count)])
    assert all(len(m) == 1 for m in found.values())
    if not sanitized():
        assert peak < 60 * MIB
