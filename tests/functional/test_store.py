"""The store within the whole tree: damage, a newer schema, a failing disk."""

import json
import os
import pathlib
import signal
import sqlite3
import subprocess

import pytest

from simlib import build_dir, wait_for
from treelib import Tree, sanitized

pytestmark = pytest.mark.skipif(
    not (build_dir() / "cctg-monitor").exists(),
    reason="the tree is not built as a whole")

USER = 1001
FAULTS = build_dir() / "tests/functional/faultfs.so"


def config(url):
    return f"""
        shutdown_grace = "200ms"
        telegram {{ api_url = "{url}"  allowed_users = {{{USER}}}
            rate {{ global = 0  private = 0  group_per_minute = 0 }} }}
        """


@pytest.fixture
def make(tmp_path, sim):
    made = []

    def make(url=None, env=None, **kwargs):
        tree = Tree(tmp_path, config=config(url or sim.url), env={
            "TELEGRAM_BOT_TOKEN": sim.token, **(env or {})}, **kwargs)
        made.append(tree)
        return tree

    yield make
    for tree in made:
        tree.stop()


def with_faults(directory, control):
    """The workers, and a queue for which faultfs.so is preloaded."""
    lib = pathlib.Path(directory, "lib")
    lib.mkdir()
    for worker in build_dir().glob("cctg-*"):
        if worker.name != "cctg-queue":
            (lib / worker.name).symlink_to(worker)
    queue = lib / "cctg-queue"
    queue.write_text(f"""#!/bin/sh
        LD_PRELOAD={FAULTS} CCTG_FAULT_CONTROL={control}
        export LD_PRELOAD CCTG_FAULT_CONTROL
        exec {build_dir()}/cctg-queue "$@"
        """)
    queue.chmod(0o755)
    return {"CCTG_LIBEXECDIR": str(lib)}


def send(tree, text, code=0):
    out = subprocess.run(
        [str(build_dir() / "cctgctl"), "--config", str(tree.conf), "send",
         text], text=True, capture_output=True, timeout=60, env=tree.env)
    assert out.returncode == code, (out.stdout, out.stderr)
    return out.stderr if code else out.stdout.strip()


def database(tree):
    return tree.dir / "state" / "queue.db"


def set_aside(tree):
    return [p for p in (tree.dir / "state").glob("queue.db.damaged-*")
            if p.suffix != ".page1" and not p.name.endswith("-wal")]


def test_damaged_header_loses_nothing(make, sim):
    tree = make(url="http://127.0.0.1:9")  # nobody is there: all stay queued
    for i in range(20):
        send(tree, f"before the damage {i}.")
    tree.stop()
    with open(database(tree), "r+b") as f:
        f.write(b"\0" * 100)
    tree = make()
    for i in range(20):
        sim.wait_messages(1, chat=USER, text=f"before the damage {i}.")
    assert len(set_aside(tree)) == 1
    assert "20 events and 20 deliveries recovered" in tree.log()
    send(tree, "after it")
    sim.wait_messages(1, chat=USER, text="after it")


def wal(tree):
    return database(tree).with_name("queue.db-wal")


def pages(path, *numbers):
    """Overwrite these pages."""
    with open(path, "r+b") as f:
        for n in numbers:
            f.seek(n * 4096)
            f.write(b"\xa5" * 4096)


# What happens to the files while nobody runs; is it seen; is all that was
# committed still to be found?
DAMAGES = {
    "first page": (lambda t: pages(database(t), 0), True, True),
    "every eighth page": (lambda t: pages(database(t), *range(
        4, database(t).stat().st_size // 4096, 8)), True, False),
    "half of it": (lambda t: os.truncate(
        database(t), database(t).stat().st_size // 8192 * 4096), True, False),
    "nothing left": (lambda t: os.truncate(database(t), 0), True, False),
    "garbage": (lambda t: database(t).write_bytes(bytes(range(256)) * 400),
                True, False),
    "gone": (lambda t: database(t).unlink(), False, False),
    "no WAL": (lambda t: wal(t).unlink(), False, False),
    "garbage in the WAL": (lambda t: wal(t).write_bytes(b"\x5a" * 100000),
                           False, False),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_daemon_starts_with_a_damaged_store(make, sim, name):
    """It says so until the old file is removed, and takes and delivers."""
    damage, seen, whole = DAMAGES[name]
    tree = make(url="http://127.0.0.1:9")  # nobody is there: all stay queued
    ids = [f"before-{i}." for i in range(200)]
    for i in ids:
        tree.send(type="info_notification", title=i, event_id=i,
                  description="d" * 300)
    if "WAL" in name:
        # An orderly end leaves none, and a new queue would write it.
        pid = tree.pid("queue")
        tree.process.send_signal(signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        tree.stop(signal.SIGKILL)
        assert wal(tree).stat().st_size > 4096
    else:
        tree.stop()
    damage(tree)
    tree = make()
    assert tree.ctl("status")[0] == 0
    status = tree.status()
    assert status["state"] == "ok"
    send(tree, "after-it.")
    sim.wait_messages(1, chat=USER, text="after-it.")
    tree.wait_settled(60)
    if whole:
        assert len(sim.messages(chat=USER, text="before-", limit=1000)) == 200
    if not seen:
        assert "notice" not in status or "damaged" not in status["notice"]
        assert not set_aside(tree)
        return
    aside, = set_aside(tree)
    assert "the store was damaged" in status["notice"]
    assert aside.name in status["notice"]
    told, = sim.messages(chat=USER, text="The store was damaged")
    assert aside.name in told["text"]
    assert tree.ctl("queue", "list")[0] == 0
    out = subprocess.run(
        [str(build_dir() / "cctgctl"), "--config", str(tree.conf), "status"],
        text=True, capture_output=True, timeout=60, env=tree.env, check=True)
    assert "the store was damaged" in out.stdout
    # Whoever removes the file has seen it.
    for path in aside.parent.glob("queue.db.damaged-*"):
        path.unlink()
    pid = tree.kill("queue")
    tree.wait_replaced("queue", pid)
    wait_for(lambda: "damaged" not in tree.status().get("notice", ""))
    assert len(sim.messages(chat=USER, text="The store was damaged")) == 1


def test_garbage_for_a_database(make, sim):
    tree = make()
    tree.stop()
    database(tree).write_bytes(bytes(range(256)) * 400)
    tree = make()
    assert len(set_aside(tree)) == 1
    send(tree, "goes on")
    sim.wait_messages(1, chat=USER, text="goes on")


def test_nobody_else_may_open_it(make):
    tree = make()
    send(tree, "hello")
    db = sqlite3.connect(database(tree), timeout=0.1)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        db.execute("SELECT count(*) FROM event").fetchall()
    db.close()
    assert database(tree).stat().st_mode & 0o777 == 0o600


def test_newer_schema_is_left_alone(make):
    tree = make()
    tree.stop()
    db = sqlite3.connect(database(tree))
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = database(tree).read_bytes()
    tree = make(wait=False)
    tree.wait_log("newer version of cctg")
    tree.wait_state("queue", "failed")
    assert database(tree).read_bytes() == before
    assert not set_aside(tree)


@pytest.mark.skipif(not FAULTS.exists() or sanitized(),
                    reason="faultfs.so is not built, or ASan is first")
@pytest.mark.parametrize("fault", ["write ENOSPC queue.db",
                                   "sync EIO queue.db"])
def test_failing_disk_refuses_and_recovers(make, sim, tmp_path, fault):
    control = pathlib.Path(tmp_path, "faults")
    tree = make(env=with_faults(tmp_path, control))
    send(tree, "healthy.")
    sim.wait_messages(1, chat=USER, text="healthy.")
    control.write_text(fault + "\n")
    said = send(tree, "refused.", code=75)
    assert "disk" in said
    assert send(tree, "refused too.", code=75)
    wait_for(lambda: tree.status()["state"] == "degraded")
    control.unlink()
    tree.wait_log("works again")
    wait_for(lambda: tree.status()["state"] == "ok")
    send(tree, "accepted.")
    sim.wait_messages(1, chat=USER, text="accepted.")
    assert not json.dumps(sim.messages()).count("refused")
    assert tree.worker("queue")["restarts"] == 0
