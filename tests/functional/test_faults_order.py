"""What may be restarted without anybody noticing: no loss, no repetition."""

import re
import threading
import time

import pytest

from simlib import wait_for
from submitlib import (DEEP, Client, Producer, copies, event, metrics,
                       patiently, shuffled, wait_empty)

USERS = tuple(range(1001, 1005))
GROUP = -1001234567890
LIMITS = "global = 30  private = 1  private_burst = 3  group_per_minute = 20"
ROUNDS = 5 if DEEP else 1


@pytest.fixture
def tree(tree_for, sim):
    sim.fault("delay", count=-1, ms=10)
    return tree_for(sim, users=USERS)


class Disturber(threading.Thread):
    """Calls disturb() now and then until it is told to stop."""

    def __init__(self, disturb, pause=0.15):
        super().__init__(daemon=True)
        self.disturb, self.pause = disturb, pause
        self.done = threading.Event()
        self.times = 0

    def run(self):
        while not self.done.wait(self.pause):
            patiently(self.disturb)
            self.times += 1

    def stop(self):
        self.done.set()
        self.join()


def once_each(sim, ids):
    found = copies(sim, ids)
    assert not [i for i in ids if not found[i]], "lost"
    assert not [i for i in ids if len(found[i]) > 1], "repeated"
    return found


@pytest.mark.parametrize("victim", ["queue", "intake", "analyze/0",
                                    "format/0", "compress/0"])
def test_only_telegram_knows_what_was_sent(tree, sim, victim):
    """Whoever else dies, no request becomes unclear."""
    producer = Producer(tree, "q", 400 * ROUNDS, pace=0.02, batch=10,
                        chats=USERS)
    producer.start()
    for _ in range(10 * ROUNDS):
        time.sleep(0.05)
        tree.kill_impatiently(victim)
    producer.finish(hurry=False)
    wait_empty(tree)
    once_each(sim, producer.acknowledged)
    assert metrics(tree)["cctg_events_ambiguous_total"] == 0
    assert not [m for m in sim.messages() if "↻" in m["text"]]


def test_restart_of_everything_under_load(tree, sim):
    producer = Producer(tree, "r", 10000, pace=0.02, batch=10, chats=USERS)
    producer.start()
    for _ in range(2 * ROUNDS):
        time.sleep(0.3)
        assert tree.ask("restart", worker="all")["ok"]
        wait_for(lambda: all(w["state"] == "ready" for w in
                             tree.status()["workers"]), 20)
    producer.count = 0
    producer.finish()
    assert not producer.refused
    wait_empty(tree)
    once_each(sim, producer.acknowledged)
    assert metrics(tree)["cctg_events_ambiguous_total"] == 0


def test_stop_and_start_under_load(tree_for, sim):
    """Requests under way get the time that they need, and no more."""
    sim.fault("delay", count=-1, ms=10)
    tree = tree_for(sim, users=USERS, grace="4s")
    producer = Producer(tree, "s", 10000, pace=0.01, batch=20, chats=USERS)
    producer.start()
    for _ in range(3 * ROUNDS):
        time.sleep(0.4)
        begin = time.monotonic()
        assert tree.stop() == 0
        assert time.monotonic() - begin < 3
        tree.start()
    producer.count = 0
    producer.finish()
    wait_empty(tree)
    once_each(sim, producer.acknowledged)
    assert not [m for m in sim.messages() if "↻" in m["text"]]


def test_reload_under_load(tree, sim):
    producer = Producer(tree, "l", 400, pace=0.02, batch=10, chats=USERS)
    disturber = Disturber(lambda: tree.ask("reload"), 0.05)
    producer.start()
    disturber.start()
    producer.finish(hurry=False)
    disturber.stop()
    assert disturber.times > 3
    wait_empty(tree)
    once_each(sim, producer.acknowledged)


def test_files_while_intake_and_queue_die(tree, sim):
    """Each file is one event, however often it is read."""
    count = 400 * ROUNDS
    victims = shuffled(["intake", "queue"] * 5 * ROUNDS)
    disturber = Disturber(
        lambda: victims and tree.kill_impatiently(victims.pop()), 0.1)
    disturber.start()
    for n in range(count):
        tree.drop(event(f"f{n}."), f"f{n}.json")
        if n % 20 == 0:
            time.sleep(0.05)
    wait_for(lambda: not victims, 30)
    disturber.stop()
    wait_for(lambda: not tree.waiting(), 40)
    wait_empty(tree)
    found = copies(sim, [f"f{n}." for n in range(count)])
    assert all(found.values())
    # Each user has it once.
    assert not [i for i, m in found.items() if len(m) != len(USERS)]


@pytest.mark.parametrize("victims", [("queue",), ("telegram",),
                                     ("format/0", "analyze/0")])
def test_digests_while_workers_die(tree_for, sim_factory, victims):
    sim = sim_factory("--strict")
    tree = tree_for(sim, rate=LIMITS)
    producer = Producer(tree, "d", 600, pace=0.05, batch=10, chats=[GROUP])
    names = list(victims)
    disturber = Disturber(
        lambda: tree.kill_impatiently(names[int(time.time()) % len(names)]),
        0.3)
    disturber.start()
    producer.start()
    producer.finish(hurry=False)
    disturber.stop()
    assert disturber.times >= 5
    wait_empty(tree, 90)
    messages = {m["message_id"]: m["text"] for m in sim.messages(chat=GROUP)}
    with Client(tree) as client:
        for i in producer.acknowledged:
            shown = client.show(i)
            assert shown["state"] == "delivered", shown
            delivery, = shown["deliveries"]
            assert delivery["message_ids"], shown
            for message_id in delivery["message_ids"]:
                assert message_id in messages, shown
    # The numbers in the digests add up: nothing is counted twice but what
    # may have been lost with telegram.
    total = 0
    for text in messages.values():
        many = re.match(r"\S+ (\d+) events", text)
        total += int(many.group(1)) if many else 1
    assert total >= len(producer.acknowledged)
    if "telegram" not in victims:
        assert total == len(producer.acknowledged)


def test_limits_that_are_tighter_than_configured(tree_for, sim_factory):
    sim = sim_factory("--limits", "global=30,private=1,private_burst=3,"
                      "group=6")
    tree = tree_for(sim, rate=LIMITS)
    ids = [f"t{n}" for n in range(300)]
    with Client(tree) as client:
        client.send_all((event(i, event_id=i) for i in ids), to=str(GROUP))
        other = client.send(event("other"), to="1002")
        client.wait_state(other, "delivered", 5)
        wait_empty(tree, 150)
        assert {client.show(i)["state"] for i in ids} == {"delivered"}
    print(f"\n{sim.stats()['sent_429']} times 429")
    assert sim.stats()["sent_429"] < 10
