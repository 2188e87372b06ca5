"""A machine that is busy with something else: a worker that gets no processor
is not hung, and one that is stopped is noticed all the same."""

import contextlib
import os
import signal
import subprocess
import time

import pytest

from simlib import wait_for
from submitlib import DEEP, Producer, copies, metrics, wait_empty

HOGS = max(8, 4 * (os.cpu_count() or 1))
SECONDS = 60 if DEEP else 12


@contextlib.contextmanager
def hogs(n):
    """Loops without end, which take whatever processor time there is."""
    started = [subprocess.Popen(["sh", "-c", "while :; do :; done"])
               for _ in range(n)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture
def tree(tree_for, sim):
    return tree_for(sim, users=(1001, 1002), workers="")


def crashes(tree):
    return {w["name"]: w["crashes"] for w in tree.status()["workers"]}


def test_nobody_is_killed_for_being_starved(tree, sim):
    producer = Producer(tree, "l", 10 ** 6, pace=0.05, batch=10)
    with hogs(HOGS):
        producer.start()
        time.sleep(SECONDS)
        load = os.getloadavg()[0]
        producer.count = 0
        producer.finish(120)
        wait_empty(tree, 120)
        assert not any(crashes(tree).values()), tree.log()[-3000:]
    print(f"\n{HOGS} loops, load {load:.1f}: "
          f"{len(producer.acknowledged)} events in {SECONDS} s")
    assert "SIGABRT" not in tree.log()
    assert metrics(tree)["cctg_events_ambiguous_total"] == 0
    assert all(copies(sim, producer.acknowledged).values())


def test_stopped_worker_is_noticed_under_load(tree):
    with hogs(HOGS):
        for name in ("format/0", "queue"):
            pid = tree.kill(name, signal.SIGSTOP)
            begin = time.monotonic()
            wait_for(lambda: tree.pid(name) != pid, 20,
                     why=f"{name} is noticed")
            print(f"\n{name}: noticed after "
                  f"{time.monotonic() - begin:.1f} s")
            tree.wait_replaced(name, pid, 20)
        assert sum(crashes(tree).values()) == 2
