"""Processes that are killed or stopped at any moment: what was acknowledged
arrives, and all is as it was before."""

import os
import random
import resource
import signal
import time
from collections import Counter

import pytest

from simlib import wait_for
from submitlib import (DEEP, Client, Init, Producer, copies, descriptors,
                       event, memory_bytes, metrics, patiently,
                       percentiles, shuffled, wait_empty)
from treelib import sanitized

CLASSES = ["queue", "intake", "telegram", "monitor", "analyze/0",
           "format/0", "compress/0"]
USERS = tuple(range(1001, 1009))
STOPPED = [[name] for name in CLASSES] if DEEP else \
    [["queue"], ["intake", "monitor"], ["telegram", "analyze/0"],
     ["format/0", "compress/0"]]
# Killing costs what was being sent: 32 calls of each chat at most.
KILLS = 100 if DEEP else 10


@pytest.fixture
def tree(tree_for, sim):
    return tree_for(sim, users=USERS)


def wait_all_ready(tree, timeout=30.0):
    def ready():
        try:
            return all(w["state"] == "ready"
                       for w in tree.status()["workers"])
        except (OSError, ValueError):
            return False

    wait_for(ready, timeout, why=f"all ready:\n{tree.log()[-2000:]}")


def difference(before, after):
    """What descriptors are more (+) or fewer (-), by process."""
    text = []
    for name, had in before.items():
        has = Counter(after[name])
        had = Counter(had)
        if has != had:
            text.append(f"{name}: +{dict(has - had)} -{dict(had - has)}")
    return "; ".join(text)


def kill_now(tree, name):
    """SIGKILL to whatever runs under this name now."""
    def kill():
        if name == "cctgd":
            pid = tree.process.pid
        else:
            pid = tree.pid(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    patiently(kill)


def test_nothing_acknowledged_is_lost(tree, sim):
    count = 20000 if DEEP else 2000
    victims = []
    for _ in range(2):
        victims += shuffled(CLASSES * (4 if DEEP else 1)) + ["cctgd"]
    # One in ten is larger than what is stored uncompressed.
    def make(title, **fields):
        big = "x" * (5000 if random.random() < 0.1 else 50)
        return event(title, data={"message": big}, **fields)

    producer = Producer(tree, "k", count, pace=0.05, chats=USERS, make=make,
                        batch=max(20, count // 250))
    init = Init(tree)
    init.start()
    # An answer that takes its time: there is always something in flight.
    sim.fault("delay", count=-1, ms=5)
    ambiguous = 0.0
    producer.start()
    try:
        for victim in victims:
            time.sleep(random.uniform(0.05, 0.5))
            if victim == "cctgd":
                wait_all_ready(tree)
                ambiguous += metrics(tree)["cctg_events_ambiguous_total"]
            kill_now(tree, victim)
        producer.finish(120)
    finally:
        init.stop()
    sim.clear_faults()
    queue = wait_empty(tree, 90)
    ambiguous += metrics(tree)["cctg_events_ambiguous_total"]
    assert init.starts == 2

    assert len(producer.acknowledged) == count
    found = copies(sim, producer.acknowledged)
    lost = [i for i, messages in found.items() if not messages]
    twice = [i for i, messages in found.items() if len(messages) > 1]
    print(f"\n{count} events, {len(victims)} kills, {producer.reconnects} "
          f"reconnects, {len(lost)} lost, {len(twice)} arrived twice, "
          f"{ambiguous:.0f} counted as ambiguous")
    assert not lost
    assert len(twice) <= ambiguous
    # Each repetition says so behind its title.
    for i in twice:
        marked = [m for m in found[i] if "↻" in m["text"]]
        assert len(marked) >= len(found[i]) - 1, found[i]
    assert queue["dead"] == 0 and queue["uncertain"] == 0
    # Workers that were killed too often make events of their own.
    told = Counter(m["chat_id"] for m in sim.messages(limit=1000000)
                   if m["text"].split("\n")[0].count(" is throttled"))
    assert count <= queue["delivered"] <= count + max(told.values(), default=0)


def test_killed_workers_are_ready_again_and_nothing_grows(tree, sim):
    def work(name):
        with Client(tree) as client:
            client.send_all(
                event(f"{name}-{n}.", data={"message": "y" * 5000})
                for n in range(200))
        wait_empty(tree)

    work("first")
    for name in CLASSES:
        tree.kill_impatiently(name)
    work("second")

    def survey():
        pids = tree.pids()
        return ({n: descriptors(p) for n, p in pids.items()},
                {n: memory_bytes(p)[1] for n, p in pids.items()})

    fds, private = survey()
    print()
    for name in CLASSES:
        times = []
        for _ in range(KILLS):
            begin = time.monotonic()
            tree.kill_impatiently(name)
            times.append((time.monotonic() - begin) * 1000)
        p50, p99 = percentiles(times)
        print(f"{name}: ready again p50 {p50:.0f} ms, p99 {p99:.0f} ms of "
              f"{KILLS} kills")
        assert p99 < 2500
    work("last")
    wait_for(lambda: survey()[0] == fds, 15,
             why=lambda: difference(fds, survey()[0]))
    if not sanitized():
        # What an allocator keeps, and the obituaries.  A link's buffers
        # kept at each kill would be more than 4 MiB.  What is free in a
        # heap goes back at heartbeats.
        def grown():
            after = survey()[1]
            return {name: f"{before // 1024} -> {after[name] // 1024} KiB"
                    for name, before in private.items()
                    if after[name] >= before + (2 << 20)}

        wait_for(lambda: not grown(), 10, why=lambda: str(grown()))
    found = copies(sim, [f"last-{n}." for n in range(200)])
    assert all(found.values())


def test_new_queue_is_not_spoken_to_before_it_is_ready(tree, sim):
    """What its peers say at once waits until it has opened its store."""
    producer = Producer(tree, "n", 100000, pace=0.01, batch=5, chats=USERS)
    producer.start()
    try:
        for _ in range(40 if DEEP else 12):
            tree.kill_impatiently("queue")
    finally:
        producer.count = 0
        producer.finish()
    wait_empty(tree)
    assert "malformed" not in tree.log()
    assert metrics(tree)["cctg_link_malformed_total"] == 0
    found = copies(sim, producer.acknowledged)
    assert not [i for i, messages in found.items() if not messages]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("rate", ["private = 0", "private = 0.2  "
                                  "private_burst = 2"])
def test_link_that_breaks_costs_no_message_and_repeats_none(tree_for, sim,
                                                            rate):
    """Both ends live: what one has under way the other asks for no more,
    also when its chat's turn comes much later."""
    tree = tree_for(sim, users=USERS, rate="global = 0  group_per_minute = 0  "
                    + rate)
    ids = [f"b{n}." for n in range(3)]
    with Client(tree) as client:
        # Connections for all of it, since there will be no new ones.
        sim.fault("delay", method="sendMessage", count=len(USERS), ms=300)
        client.send_all([event("first.")])
        wait_empty(tree)
        for chat in USERS[:3]:
            sim.fault("delay", method="sendMessage", chat=chat, count=-1,
                      ms=800)
        for i, chat in zip(ids, USERS):
            client.send(event(i, event_id=i), to=str(chat))
        wait_for(lambda: metrics(tree)["cctg_telegram_inflight"] == len(ids))
        # No room for the descriptor that a large message comes with.
        pid = tree.pid("telegram")
        limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
        unused = min(set(range(len(used) + 1)) - used)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (unused, limit[1]))
        large = client.send(event("large", description="line\n" * 40000),
                            to="-1001020")
        # The new one breaks, too; while the next is waited for, calls end.
        wait_for(lambda: tree.log().count("making a new one") >= 3)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        client.wait_state(large, "delivered", 30)
        wait_empty(tree)
    assert tree.pid("telegram") == pid
    found = copies(sim, ids)
    assert all(len(m) == 1 for m in found.values()), found
    document, = [m for m in sim.messages(chat=-1001020) if m.get("document")]
    assert document["document"]["content"].count("line\n") >= 39999
    assert metrics(tree)["cctg_events_ambiguous_total"] == 0


@pytest.mark.parametrize("name", ["format/0", "queue", "telegram"])
def test_throttled_worker_is_told_in_the_chat(tree, sim, name):
    """Once an episode, also when those who tell are what crashes."""
    title = f"Worker {name} is throttled"
    while tree.worker(name)["crashes"] < 7:
        tree.kill_impatiently(name)
    sim.wait_messages(len(USERS), text=title, timeout=20)
    # Each new queue hears of it again.
    tree.kill_impatiently("queue")
    tree.kill_impatiently(name)
    wait_empty(tree)
    told = [m for m in sim.messages(limit=10000) if title in m["text"]]
    assert sorted(m["chat_id"] for m in told if "↻" not in m["text"]) == \
        sorted(USERS)
    assert "signal 9" in told[0]["text"]


def test_stopped_workers_are_replaced_and_work_goes_on(tree, sim):
    producer = Producer(tree, "s", 100000, pace=0.02, batch=5, chats=USERS)
    producer.start()
    times = []
    try:
        for names in STOPPED:
            begin = time.monotonic()
            pids = {name: tree.kill(name, signal.SIGSTOP) for name in names}
            count = len(producer.acknowledged)
            if names[0] not in ("queue", "intake"):
                wait_for(lambda: len(producer.acknowledged) > count + 20, 3,
                         why=f"work goes on without {names}")
            for name, pid in pids.items():
                wait_for(lambda: tree.pid(name) != pid, 10,
                         why=f"{name} is noticed")
                noticed = time.monotonic() - begin
                tree.wait_replaced(name, pid)
                times.append((name, noticed, time.monotonic() - begin))
    finally:
        producer.count = 0
        producer.finish()
    print()
    for name, noticed, ready in times:
        print(f"{name}: noticed after {noticed:.1f} s, ready {ready:.1f} s")
        assert noticed < 5.5
    wait_empty(tree)
    found = copies(sim, producer.acknowledged)
    assert not [i for i, messages in found.items() if not messages]
