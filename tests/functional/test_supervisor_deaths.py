"""Workers that die, hang or leak: each is replaced, and nothing is left
behind."""

import os
import signal
import time

import pytest

from dummylib import POOLS, SINGLES, SMALL, alive, children, running
from simlib import wait_for
from submitlib import DEEP
from treelib import sanitized


@pytest.fixture
def tree(tmp_path):
    with running(tmp_path) as t:
        yield t


# -- deaths ------------------------------------------------------------------


@pytest.mark.parametrize("name", SINGLES + POOLS)
def test_killed_worker_is_replaced(tree, name):
    pid = tree.kill(name)
    assert tree.wait_replaced(name, pid) < 1.0
    w = tree.worker(name)
    assert w["restarts"] == 1
    assert w["last_exit"]["signal"] == 9 and w["last_exit"]["code"] is None
    assert w["last_exit"]["ready_again_ms"] < 1000
    assert w["last_exit"]["at"].endswith("Z")
    assert f"(pid {pid}) died: signal 9 (Killed)" in tree.log()
    assert tree.status()["state"] == "ok"


def test_proven_worker_is_restarted_at_once(tree):
    time.sleep(10.2)
    pid = tree.kill("format/0")
    tree.wait_replaced("format/0", pid)
    assert "restarting in 0 ms" in tree.log()
    assert tree.worker("format/0")["last_exit"]["ready_again_ms"] < 100


def test_all_killed_at_once(tree):
    pids = {w["name"]: w["pid"] for w in tree.status()["workers"]}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in pids.items():
        tree.wait_replaced(name, pid)
    assert tree.status()["state"] == "ok"


def test_stopped_worker_is_replaced(tree):
    pid = tree.kill("analyze/0", signal.SIGSTOP)
    assert tree.wait_replaced("analyze/0", pid) < 5.0
    assert "was stopped by signal 19" in tree.log()


def test_stopped_and_continued_worker_lives(tree):
    pid = tree.kill("format/0", signal.SIGSTOP)
    time.sleep(1)
    os.kill(pid, signal.SIGCONT)
    time.sleep(4)
    assert tree.pid("format/0") == pid


@pytest.mark.parametrize("how", ["spin", "block"])
def test_hung_worker_leaves_last_words(tree, how):
    pid = tree.pid("compress/0")
    tree.order("compress/0", how)
    assert tree.wait_replaced("compress/0", pid) < 6.5
    crash = tree.ask("crashes")["crashes"][0]
    assert crash["worker"] == "compress/0" and crash["signal"] == 6
    assert "dummy" in crash["text"] or "cctg-compress" in crash["text"]
    assert "is hung: no turn of its loop" in tree.log()


def test_job_without_an_end_is_aborted_and_told(tmp_path):
    """Its processor time tells, though the heartbeat may be long."""
    with running(tmp_path, SMALL + 'watchdog { heartbeat = "60s" }\n') as t:
        pid = t.pid("format/0")
        t.order("format/0", "work 42")
        t.wait_replaced("format/0", pid, 30)
        crash = t.ask("crashes")["crashes"][0]
        assert crash["worker"] == "format/0" and crash["signal"] == 6
        assert "has spent more than 2.0 s of processor time on job 42" \
            in t.log()
        t.wait_log("queue: peer format/0 lost with 1 jobs, first 42")


def test_job_that_waits_is_not_overdue(tmp_path):
    with running(tmp_path, SMALL + 'watchdog { heartbeat = "60s" }\n') as t:
        pid = t.pid("format/0")
        t.order("format/0", "job 42")
        # A worker of another class may spend what it likes.
        other = t.pid("monitor")
        t.order("monitor", "work 43")
        time.sleep(5)
        assert (t.pid("format/0"), t.pid("monitor")) == (pid, other)
        assert "processor time" not in t.log()


@pytest.mark.skipif("sanitized()")
def test_crash_leaves_last_words(tree):
    pid = tree.pid("format/0")
    tree.order("format/0", "crash")
    tree.wait_replaced("format/0", pid)
    crash = tree.ask("crashes")["crashes"][0]
    assert crash["signal"] == 11 and crash["pid"] == pid
    assert "cctg-format" in crash["text"]


def test_at_most_32_crashes_are_kept(tree):
    for _ in range(40):
        tree.kill_impatiently("format/0")
    assert len(tree.ask("crashes")["crashes"]) == 32


def test_jobs_of_the_dead_are_named_to_survivors(tree):
    tree.order("format/0", "job 42")
    tree.order("format/0", "job 43")
    tree.kill("format/0")
    tree.wait_log("queue: peer format/0 lost with 2 jobs, first 42")
    # The next incarnation begins without them.
    tree.wait_state("format/0", "ready")
    tree.kill("format/0")
    tree.wait_log("queue: peer format/0 lost with 0 jobs")


def test_crash_loop_is_throttled(tree):
    tree.at_start("format/0", "exit 3")
    tree.kill("format/0")
    tree.wait_state("format/0", "throttled", 15)
    s = tree.status()
    assert s["state"] == "degraded" and "format/0" in s["reason"]
    # The others go on; it is tried again, and works in the end.
    assert tree.worker("queue")["state"] == "ready"
    tree.wait_log("queue: alert: format/0 throttled: died: exit 3")
    tree.at_start("format/0", None)
    tree.wait_state("format/0", "ready", 6)
    assert tree.status()["state"] == "ok"


def test_each_new_queue_is_told_of_throttled_workers(tree):
    told = "queue: alert: format/0 throttled"
    tree.at_start("format/0", "exit 3")
    tree.kill("format/0")
    tree.wait_state("format/0", "throttled", 15)
    tree.wait_log(told)
    pid = tree.kill("queue")
    tree.wait_replaced("queue", pid)
    wait_for(lambda: tree.log().count(told) == 2)
    # One episode: the same crashes are no news.
    time.sleep(4.5)
    assert tree.log().count(told) == 2
    assert "stable again" not in tree.log()


def test_throttled_queue_is_told_of_itself(tree):
    tree.at_start("queue", "exit 3")
    tree.kill("queue")
    tree.wait_state("queue", "throttled", 15)
    assert "queue: alert" not in tree.log()
    tree.at_start("queue", None)
    tree.wait_state("queue", "ready", 10)
    tree.wait_log("queue: alert: queue throttled: died: exit 3")


@pytest.mark.skipif(not DEEP, reason="takes more than a minute")
def test_worker_that_is_stable_again_is_told(tree):
    tree.at_start("format/0", "exit 3")
    tree.kill("format/0")
    tree.wait_state("format/0", "throttled", 15)
    tree.at_start("format/0", None)
    tree.wait_log("queue: alert: format/0 stable again", 80)


def test_missing_program_is_tried_again(tmp_path):
    with running(tmp_path, start=False) as t:
        program = tmp_path / "lib" / "cctg-format"
        target = os.readlink(program)
        program.unlink()
        t.start(wait=False)
        t.wait_listening()
        t.wait_state("queue", "ready")
        t.wait_state("format/0", "throttled", 10)
        assert f"cannot run {program}: No such file" in t.log()
        program.symlink_to(target)
        t.wait_ready()


def test_bad_configuration_fails_until_reload(tree):
    tree.at_start("format/0", "exit 78")
    tree.kill("format/0")
    tree.wait_state("format/0", "failed")
    time.sleep(0.5)
    assert tree.worker("format/0")["state"] == "failed"
    assert tree.status()["state"] == "degraded"
    tree.at_start("format/0", None)
    assert tree.ask("reload")["ok"]
    tree.wait_state("format/0", "ready")


def test_broken_link_gets_a_new_one(tree):
    before = tree.log().count("peer queue/0 up")
    pids = tree.pid("queue"), tree.pid("format/0")
    tree.order("format/0", "reject")
    tree.order("queue", "ask")
    tree.wait_log("the link between format/0 and queue/0 broke")
    wait_for(lambda: tree.log().count("peer queue/0 up") == before + 1)
    assert pids == (tree.pid("queue"), tree.pid("format/0"))
    tree.order("queue", "ask")
    wait_for(lambda: tree.log().count("message QUEUE_FORMAT_ASK") == 2)


def test_workers_leave_with_the_supervisor(tree):
    pids = [w["pid"] for w in tree.status()["workers"]]
    tree.process.kill()
    tree.process.wait()
    wait_for(lambda: not any(alive(p) for p in pids), 1.0)


def test_orphans_have_gone_before_there_are_new_workers(tree):
    stopped = tree.kill("queue", signal.SIGSTOP)
    pids = [w["pid"] for w in tree.status()["workers"]]
    tree.process.kill()
    tree.process.wait()
    begin = time.monotonic()
    tree.start()
    assert time.monotonic() - begin < 3.5
    assert not any(alive(p) for p in pids)
    assert f"pid {stopped} is left over from an earlier cctgd" in tree.log()


def test_killed_supervisor_is_followed_at_once(tree):
    tree.process.kill()
    tree.process.wait()
    begin = time.monotonic()
    tree.start()
    assert time.monotonic() - begin < 1.5
    assert tree.status()["state"] == "ok"


def test_hard_memory_limit(tmp_path):
    with running(tmp_path, SMALL + 'watchdog { memory_soft = "8M" '
                 'memory_hard = "16M" }\n') as t:
        pid = t.pid("format/0")
        t.order("format/0", "leak 1024")
        t.wait_replaced("format/0", pid, 20)
        assert "above the hard memory limit" in t.log()


# -- nothing is left behind --------------------------------------------------


def test_hundred_kills_leave_nothing_behind(tree):
    pid = tree.process.pid
    names = SINGLES + POOLS

    def figures():
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            rss = int(f.read().split()[1]) * 4096
        return len(os.listdir(f"/proc/{pid}/fd")), rss

    def kill_all(rounds):
        for _ in range(rounds):
            for name in names:
                tree.kill_impatiently(name)

    kill_all(3)
    time.sleep(0.3)
    fds, rss = figures()
    kill_all(15)
    time.sleep(0.3)
    fds_after, rss_after = figures()
    assert fds_after == fds
    assert rss_after < rss + (512 << 10) or sanitized()
    assert len(children(pid)) == len(names)
    queue_fds = len(os.listdir(f"/proc/{tree.pid('queue')}/fd"))
    tree.kill("format/0")
    tree.ask("restart", worker="format/0")
    tree.wait_state("format/0", "ready")
    wait_for(lambda: len(os.listdir(f"/proc/{tree.pid('queue')}/fd")) ==
             queue_fds)
