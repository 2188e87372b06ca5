"""A wall clock that is set while the daemon runs: nothing waits longer for
it, and nothing ends sooner."""

import time

import pytest

from returnlib import (Asker, approval, question_of, responses,
                       wait_responses)
from simlib import build_dir, wait_for
from submitlib import Client, config_for, event
from treelib import Tree, sanitized

CLOCKSET = build_dir() / "tests/functional/clockset.so"
DAY = 86400

pytestmark = pytest.mark.skipif(not CLOCKSET.exists() or sanitized(),
                                reason="no library to preload")


class Clock:
    def __init__(self, path):
        self.path = path

    def set(self, seconds):
        """Put it ahead, or back, of what it was at first."""
        part = self.path.with_suffix(".part")
        part.write_text(str(seconds))
        part.rename(self.path)


@pytest.fixture
def clock(tmp_path):
    (tmp_path / "state").mkdir()
    return Clock(tmp_path / "state" / "clock")


@pytest.fixture
def tree(tmp_path, sim, clock):
    tree = Tree(tmp_path, config=config_for(sim), env={
        "TELEGRAM_BOT_TOKEN": sim.token, "LD_PRELOAD": str(CLOCKSET),
        "CCTG_FAULT_CLOCK": str(clock.path)})
    yield tree
    code = tree.stop()
    print(tree.log()[-8000:])
    assert code == 0


@pytest.mark.parametrize("seconds", [-DAY, DAY])
def test_retry_waits_as_long_as_before(tree, sim, clock, seconds):
    sim.fault("429", method="sendMessage", retry_after=4)
    with Client(tree) as client:
        i = client.send(event("waits."))
        wait_for(lambda: client.show(i)["not_before"])
        begin = time.monotonic()
        clock.set(seconds)
        client.wait_state(i, "delivered", 20)
        assert 2 < time.monotonic() - begin
    tree.wait_log("the clock was set " + ("forward" if seconds > 0 else
                                          "back") + " by 86400.0 s")


def test_retry_of_another_clock_waits_no_day(tree, sim, clock):
    """The queue was away while the clock was set."""
    sim.fault("429", method="sendMessage", retry_after=30)
    with Client(tree) as client:
        i = client.send(event("waits."))
        wait_for(lambda: client.show(i)["not_before"])
        assert tree.ask("drain", worker="queue")["ok"]
        tree.wait_state("queue", "stopped")
        clock.set(-DAY)
        assert tree.ask("restart", worker="queue")["ok"]
        tree.wait_state("queue", "ready")
        client.wait_state(i, "delivered", 20)


def test_clock_that_was_wrong_expires_nothing(tree, sim, clock):
    """As on a machine that gets the time from the network."""
    with Client(tree) as client:
        client.queue("hold")
        early = client.send(event("early."), ttl="1h")
        clock.set(30 * DAY)
        tree.wait_log("the clock was set forward")
        late = client.send(event("late."), ttl="1h")
        # The store has times of both clocks now.
        pid = tree.kill("queue")
        tree.wait_replaced("queue", pid)
        time.sleep(1.5) # it looks for what has expired each second
        for i in early, late:
            assert client.show(i)["state"] == "received"
        client.queue("release")
        client.wait_state(early, "delivered")
        client.wait_state(late, "delivered")


def test_times_to_live_end_as_before(tree, sim, clock):
    with Client(tree) as client:
        client.queue("hold")
        i = client.send(event("short."), ttl="3s")
        clock.set(-DAY)
        shown = client.wait_state(i, "suppressed", 20)
        assert shown["reason"] == "expired"


def test_silence_and_mute_end_as_before(tree, sim, clock):
    with Client(tree) as client:
        assert client.ask("silence", cmd="add", match={"title": "quiet*"},
                          **{"for": "4s"})["ok"]
        assert client.ask("mute", **{"for": "4s"})["ok"]
        wait_for(lambda: tree.status()["mode"] == "mute")
        clock.set(-DAY)
        wait_for(lambda: tree.status()["mode"] == "local", 20)
        wait_for(lambda: not client.ask("silence", cmd="list")["silences"],
                 20)
        client.wait_state(client.send(event("quiet no more.")), "delivered")


def test_question_expires_as_before(tree, sim, clock):
    asker = Asker(tree, approval("Now?", timeout_ms=4000))
    question_of(sim, "Now?")
    begin = time.monotonic()
    clock.set(-DAY)
    assert asker.result(20)["error"] == "expired"
    assert time.monotonic() - begin > 2


@pytest.mark.parametrize("seconds", [-DAY, DAY])
def test_pairing_code_is_good_as_long_as_before(tree, sim, clock, seconds):
    answer, = tree.submit({"op": "pair"})
    clock.set(seconds)
    sim.say(f"/pair {answer['code']}", 77)
    sim.wait_messages(1, chat=77, text="Paired")


@pytest.mark.parametrize("seconds", [-3 * DAY, 3 * DAY])
def test_update_acts_once_whatever_the_clock_says(tree, sim, clock, seconds):
    """After three days without any, lower numbers are new ones."""
    update = sim.say("once", 1001)["update_id"]
    wait_responses(tree)
    clock.set(seconds)
    sim.redeliver(update)
    sim.say("the end", 1001)
    wait_for(lambda: any(r["message_text"] == "the end"
                         for r in responses(tree)))
    assert len(responses(tree)) == 2
