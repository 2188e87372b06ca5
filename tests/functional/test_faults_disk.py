"""Disks that are full, read-only or broken: a clear refusal, nothing is
lost, and all goes on when it ends."""

import contextlib
import os
import random
import subprocess
import time

import pytest

from simlib import build_dir, wait_for
from submitlib import (DEEP, Client, Producer, config_for, copies, event,
                       metrics, wait_empty)
from treelib import Tree, sanitized

FAULTFS = build_dir() / "tests/functional/faultfs.so"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
needs_faultfs = pytest.mark.skipif(
    not FAULTFS.exists() or sanitized(), reason="no library to preload")


@contextlib.contextmanager
def mounted(directory, size):
    """A small disk of its own on this directory."""
    directory.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}",
                           "tmpfs", directory], check=False,
                          capture_output=True)
    if done.returncode != 0:
        pytest.skip("no mounts here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def remount(directory, options):
    subprocess.run(["mount", "-o", f"remount,{options}", directory],
                   check=True)


@pytest.fixture
def disk(tmp_path):
    """Where a tree named by tree() keeps its state: 8 MiB."""
    with mounted(tmp_path / "state", "8m") as directory:
        yield directory


def fill(path):
    """Take all space that is left."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(fd, b"x" * 4096) == 4096:
            pass
    os.close(fd)


def refused(client, number):
    answer = client.ask("send", event=event(f"refused {number}."))
    assert not answer["ok"] and answer["code"] == 75, answer
    return answer["error"]


@needs_root
def test_full_disk(tmp_path, disk, sim):
    tree = Tree(tmp_path, config=config_for(sim),
                env={"TELEGRAM_BOT_TOKEN": sim.token})
    filler = disk / "filler"
    accepted, errors = [], set()
    try:
        with Client(tree) as client:
            client.queue("hold")
            fill(filler)
            os.truncate(filler, filler.stat().st_size - (400 << 10))
            for n in range(400):
                i = f"full-{n}."
                answer = client.ask("send", event=event(
                    i, event_id=i, description=os.urandom(1500).hex()))
                if answer["ok"]:
                    accepted.append(i)
                else:
                    assert answer["code"] == 75
                    errors.add(answer["error"])
            assert accepted and errors
            assert all("full" in e for e in errors), errors
            status = tree.status()
            assert status["state"] == "degraded"
            assert tree.ctl("send", "--title", "x", "y")[0] == 75
            # Files stay where they are.
            tree.drop(event("from-a-file.", event_id="from-a-file."))
            time.sleep(1)
            assert len(tree.waiting()) == 1
            # What was accepted is there though the worker dies now.
            tree.kill("queue")
            filler.unlink()
            wait_for(lambda: tree.status()["state"] == "ok", 20)
            client.queue("release")
            client.send(event("later.", event_id="later."))
        tree.wait_settled(60)
        wanted = accepted + ["from-a-file.", "later."]
        found = copies(sim, wanted)
        assert not [i for i in wanted if not found[i]]
        assert len(sim.messages(limit=10000)) == len(wanted)
        print(f"\n{len(accepted)} accepted, then: {errors}")
    finally:
        assert tree.stop() == 0


@needs_root
def test_full_disk_at_start(tmp_path, disk, sim):
    fill(disk / "filler")
    tree = Tree(tmp_path, config=config_for(sim), wait=False,
                env={"TELEGRAM_BOT_TOKEN": sim.token})
    try:
        tree.wait_listening()
        time.sleep(2)
        assert tree.status()["state"] == "degraded"
        tree.drop(event("patient."))
        (disk / "filler").unlink()
        tree.wait_ready(15)
        sim.wait_messages(1, text="patient.", timeout=15)
    finally:
        assert tree.stop() == 0


@needs_root
def test_events_directory_that_becomes_read_only(tmp_path, sim):
    with mounted(tmp_path / "events", "4m") as directory:
        tree = Tree(tmp_path, config=config_for(sim),
                    env={"TELEGRAM_BOT_TOKEN": sim.token})
        try:
            tree.kill("intake")
            tree.drop(event("kept.", event_id="kept."))
            remount(directory, "ro")
            # It arrives once, though its file cannot go.
            sim.wait_messages(1, text="kept.")
            with Client(tree) as client:
                client.send(event("by-socket."))
            sim.wait_messages(1, text="by-socket.")
            time.sleep(1)
            assert len(tree.waiting()) == 1
            pid = tree.kill("intake")
            tree.wait_replaced("intake", pid)
            time.sleep(1)
            remount(directory, "rw")
            wait_for(lambda: not tree.waiting(), 40)
            assert len(sim.messages(text="kept.")) == 1
        finally:
            assert tree.stop() == 0


@needs_root
def test_state_directory_that_becomes_read_only(tmp_path, disk, sim):
    tree = Tree(tmp_path, config=config_for(sim),
                env={"TELEGRAM_BOT_TOKEN": sim.token})
    try:
        with Client(tree) as client:
            client.send(event("before."))
            wait_empty(tree)
            # While it has files open the kernel lets nobody do it.
            assert tree.ask("drain", worker="queue")["ok"]
            tree.wait_state("queue", "stopped")
            remount(disk, "ro")
            assert tree.ask("restart", worker="queue")["ok"]
            tree.drop(event("waiting.", event_id="waiting."))
            wait_for(lambda: tree.status()["state"] == "degraded", 10)
            assert len(tree.waiting()) == 1
            remount(disk, "rw")
            sim.wait_messages(1, text="waiting.", timeout=20)
            wait_for(lambda: tree.status()["state"] == "ok", 10)
    finally:
        assert tree.stop() == 0


@needs_faultfs
def test_disk_that_fails_now_and_then(tmp_path, sim):
    """What came with a commit that failed is taken back, wherever it is: one
    in three is a duplicate, which its analysis ends before the commit."""
    control = tmp_path / "state" / "control"
    tree = Tree(tmp_path, config=config_for(sim, users=(1001, 1002)), env={
        "TELEGRAM_BOT_TOKEN": sim.token, "LD_PRELOAD": str(FAULTFS),
        "CCTG_FAULT_CONTROL": str(control)})

    def make(title, event_id):
        n = int(event_id[2:-1])
        if n % 3 == 0:
            return event(f"double {n // 30}.", event_id=event_id)
        return event(title, event_id=event_id)

    producer = Producer(tree, "w", 10 ** 6, batch=60, make=make)
    producer.start()
    try:
        for _ in range(30 if DEEP else 8):
            time.sleep(random.uniform(0.02, 0.2))
            part = tmp_path / "part"
            part.write_text("sync EIO\n")
            part.rename(control)
            refused = len(producer.refused)
            wait_for(lambda: len(producer.refused) > refused, 20)
            control.unlink()
            accepted = len(producer.acknowledged)
            wait_for(lambda: len(producer.acknowledged) > accepted, 20)
        producer.count = 0
        producer.finish(60)
        queue = wait_empty(tree, 60)
        totals = sum(queue[k] for k in
                     ("delivered", "suppressed", "dead", "uncertain"))
        ids = producer.acknowledged
        print(f"\n{len(ids)} acknowledged, {len(producer.refused)} refused, "
              f"{queue['suppressed']} duplicates")
        assert tree.worker("queue")["crashes"] == 0
        assert totals == len(set(ids)) and queue["dead"] == 0
        single = [i for i in ids if int(i[2:-1]) % 3 != 0]
        assert all(copies(sim, single).values())
        # Nothing is left in the store or in memory that would go later.
        pid = tree.kill("queue")
        tree.wait_replaced("queue", pid)
        assert wait_empty(tree) == queue
    finally:
        assert tree.stop() == 0


@needs_faultfs
@pytest.mark.parametrize("fault, word", [
    ("sync EIO", "I/O"), ("write EIO queue.db", "I/O"),
    ("write ENOSPC queue.db", "full"), ("sync EIO queue.db-wal$", "I/O")])
def test_failing_calls(tmp_path, sim, fault, word):
    control = tmp_path / "state" / "control"
    tree = Tree(tmp_path, config=config_for(sim), env={
        "TELEGRAM_BOT_TOKEN": sim.token, "LD_PRELOAD": str(FAULTFS),
        "CCTG_FAULT_CONTROL": str(control)})
    try:
        with Client(tree) as client:
            ids = ["before."]
            client.send(event("before.", event_id="before."))
            # While events are under way ...
            sim.fault("delay", count=-1, ms=50)
            for n in range(100):
                ids.append(client.send(event(f"under-way-{n}.",
                                             event_id=f"under-way-{n}.")))
            part = tmp_path / "part"
            part.write_text(fault + "\n")
            part.rename(control)
            error = wait_for(lambda: not (a := client.ask(
                "send", event=event("x.", event_id=f"x{time.time_ns()}")))
                ["ok"] and a, 5)
            assert error["code"] == 75 and word in error["error"], error
            listed = client.queue("list")
            assert listed["ok"] or listed["code"] == 75
            assert metrics(tree)["cctg_store_commit_errors_total"] > 0
            wait_for(lambda: tree.status()["state"] == "degraded")
            refused(client, 1)
            tree.drop(event("file.", event_id="file."))
            time.sleep(1.5)
            assert len(tree.waiting()) == 1
            control.unlink()
            wait_for(lambda: tree.status()["state"] == "ok", 15)
            ids.append("file.")
            ids.append(client.send(event("after.", event_id="after.")))
        tree.wait_settled(30)
        found = copies(sim, [i for i in ids if i[0] != "x"])
        assert not [i for i in found if not found[i]]
        # No commit, no answer, no message.
        assert not sim.messages(text="refused")
        assert all(len(m) == 1 for m in found.values())
    finally:
        assert tree.stop() == 0
