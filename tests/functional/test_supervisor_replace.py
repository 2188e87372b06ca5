"""Workers that are restarted, drained and reloaded on purpose."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

from dummylib import SMALL, alive, children, running
from simlib import wait_for
from treelib import Tree


@pytest.fixture
def tree(tmp_path):
    with running(tmp_path) as t:
        yield t


# -- restart, drain, wait ----------------------------------------------------


def test_pool_member_is_replaced_without_a_gap(tree):
    pid = tree.pid("format/0")
    assert tree.ask("restart", worker="format/0")["workers"] == ["format/0"]
    states = set()

    def replaced():
        w = tree.worker("format/0")
        states.add(w["state"])
        return w["pid"] != pid

    wait_for(replaced, interval=0)
    wait_for(lambda: not alive(pid))
    assert states == {"ready"}
    tree.wait_log("queue: peer format/0 lost")
    log = tree.log()
    assert log.rindex("queue: peer format/0 up") < \
        log.rindex("queue: peer format/0 lost")
    assert "takes over from pid %d" % pid in log


def test_successor_that_dies_changes_nothing(tree):
    pid = tree.pid("format/0")
    tree.at_start("format/0", "exit 3")
    tree.ask("restart", worker="format/0")
    tree.wait_log("died: exit 3")
    assert tree.pid("format/0") == pid
    assert tree.worker("format/0")["state"] == "ready"


def test_current_that_dies_is_followed_by_its_successor(tree):
    tree.at_start("format/0", "unready")
    tree.ask("restart", worker="format/0")
    time.sleep(0.2)
    pid = tree.kill("format/0")
    tree.wait_log("its successor takes over")
    wait_for(lambda: tree.pid("format/0") not in (pid, None))
    assert tree.worker("format/0")["state"] == "starting"


def test_restart_all(tree):
    before = {w["name"]: w["pid"] for w in tree.status()["workers"]}
    assert tree.ask("restart")["ok"]
    answer = tree.ask("wait", what="ready", timeout_ms=8000)
    assert answer["ok"]
    for name, pid in before.items():
        tree.wait_replaced(name, pid)
        assert tree.worker(name)["last_exit"] is None or \
            tree.worker(name)["last_exit"]["code"] == 0


def test_wait_restarted(tree):
    with tree.connect() as s, s.makefile("rw") as f:
        f.write('{"op":"wait","what":"restarted","worker":"telegram",'
                '"timeout_ms":5000}\n{"op":"ping"}\n')
        f.flush()
        s.settimeout(0.3)
        with pytest.raises(OSError):
            f.readline()
    begin = time.monotonic()
    answer = tree.ask("wait", what="restarted", worker="telegram",
                      timeout_ms=300)
    assert not answer["ok"] and answer["timed_out"] and answer["code"] == 75
    assert 0.2 < time.monotonic() - begin < 2.5
    with tree.connect() as s, s.makefile("rw") as f:
        f.write('{"op":"wait","what":"restarted","worker":"telegram"}\n')
        f.flush()
        time.sleep(0.1)
        tree.kill("telegram")
        assert json.loads(f.readline())["ok"]
    assert tree.worker("telegram")["state"] == "ready"


def test_drained_worker_stays_stopped(tree):
    assert tree.ask("drain", worker="compress/0")["ok"]
    w = tree.wait_state("compress/0", "stopped")
    assert w["pid"] is None and w["last_exit"]["code"] == 0
    time.sleep(1.2)
    assert tree.status()["state"] == "degraded"
    tree.ask("restart", worker="compress/0")
    tree.wait_state("compress/0", "ready")


def test_metrics_come_from_the_monitor(tree):
    assert tree.ask("metrics")["text"] == "metrics of monitor: 1 peers\n"
    tree.ask("drain", worker="monitor")
    tree.wait_state("monitor", "stopped")
    assert tree.ask("metrics")["code"] == 75


def test_log_level(tree):
    assert tree.ask("log", level="verbose")["ok"]
    tree.kill("format/0")
    tree.wait_log("worker format/0: crash while ready")
    assert tree.ask("log", level="brief")["ok"]
    assert tree.ask("log", level="loud")["field"] == "level"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_log_that_nobody_reads_stops_nothing(tmp_path, kind):
    t = Tree(tmp_path, dummy=True, start=False, config=SMALL)
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        pair = socket.socketpair()
        reader, writer = pair[0].detach(), pair[1].detach()
    t.process = subprocess.Popen(
        [str(t.program), "--config", str(t.conf), "--verbose"], env=t.env,
        stderr=writer, stdin=subprocess.DEVNULL)
    t.logfile.touch()
    try:
        t.wait_ready()
        for _ in range(300):
            t.ask("log", level="brief")
            t.ask("log", level="verbose")
        for _ in range(40):
            t.kill_impatiently("format/0")
            t.kill_impatiently("queue")
        assert t.status()["state"] == "ok"
        if kind == "pipe":
            assert os.get_blocking(writer)
        assert t.stop() == 0
    finally:
        os.close(reader)
        os.close(writer)
        if t.process.poll() is None:
            t.process.kill()


# -- reload ------------------------------------------------------------------


def test_reload_with_an_error_keeps_the_old(tree):
    pids = [w["pid"] for w in tree.status()["workers"]]
    old = tree.conf.read_text()
    tree.conf.write_text(old + "nonsense = 1\n")
    answer = tree.ask("reload")
    line = old.count("\n") + 1
    assert not answer["ok"] and answer["code"] == 78
    assert answer["error"].startswith(f"{tree.conf}:{line}: ")
    assert pids == [w["pid"] for w in tree.status()["workers"]]
    tree.process.send_signal(signal.SIGHUP)
    tree.wait_log("reload: the configuration stays as it was")
    assert tree.status()["state"] == "ok"


def test_reload_replaces_only_who_is_concerned(tree):
    before = {w["name"]: w["pid"] for w in tree.status()["workers"]}
    tree.write_config(SMALL + 'timezone = "Asia/Tokyo"\n')
    answer = tree.ask("reload")
    assert answer["ok"] and answer["restart_keys"] == []
    assert "format/0" in answer["replaced"]
    tree.wait_replaced("format/0", before["format/0"])
    after = {w["name"]: w["pid"] for w in tree.status()["workers"]}
    assert {n for n in before if before[n] != after[n]} == {"format/0"}
    tree.wait_log("queue: configuration again")


def test_reload_names_keys_that_need_a_restart(tree):
    tree.write_config(SMALL + 'user = "root"\n')
    answer = tree.ask("reload")
    assert answer["ok"] and answer["restart_keys"] == ["user"]
    assert "reload: user needs a restart" in tree.log()


def test_reload_changes_pools(tree):
    tree.write_config("workers { analyze = 1 format = 3 compress = 1 }\n")
    assert tree.ask("reload")["ok"]
    for i in range(3):
        tree.wait_state(f"format/{i}", "ready")
    tree.wait_log("queue: peer format/2 up")
    tree.write_config(SMALL)
    assert tree.ask("reload")["ok"]
    wait_for(lambda: [n for n in tree.names() if n.startswith("format")] ==
             ["format/0"])
    wait_for(lambda: len(children(tree.process.pid)) == 7)
    assert tree.status()["state"] == "ok"
