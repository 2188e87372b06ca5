"""Events that kill whoever works on them."""

import pytest

from returnlib import ask_by_file, wait_decided, wait_responses
from simlib import build_dir, wait_for
from submitlib import Client, copies, event, metrics, wait_empty
from treelib import sanitized

POISON = build_dir() / "tests/functional/poison.so"
GROUP = -1001234567890

pytestmark = pytest.mark.skipif(not POISON.exists() or sanitized(),
                                reason="no library to preload")


@pytest.fixture
def start(tree_for, sim):
    def start(**options):
        return tree_for(sim, env={"LD_PRELOAD": str(POISON)}, **options)
    return start


@pytest.mark.parametrize("name", ["analyze", "format"])
def test_poison_is_set_aside_and_the_rest_goes_on(start, sim, name):
    tree = start()
    ids = [f"p{n}." for n in range(40)]
    with Client(tree) as client:
        client.send_all(
            event(i, event_id=i, **(
                {"description": f"poison-for-{name}"} if i == "p20." else {}))
            for i in ids)
        shown = client.wait_state("p20.", "dead", 20)
        assert shown["reason"] == "poison"
        queue = wait_empty(tree)
    assert queue["delivered"] == 39 and queue["dead"] == 1
    ids.remove("p20.")
    found = copies(sim, ids)
    assert all(len(m) == 1 for m in found.values())
    counted = metrics(tree)
    assert counted["cctg_events_quarantined_total"] == 1
    assert tree.worker(f"{name}/0")["restarts"] == 2
    crashes = tree.ask("crashes")["crashes"]
    assert [c["worker"] for c in crashes] == [f"{name}/0"] * 2
    # The log has the id that its sender knows.
    assert f"event p20.: lost 2 {name} workers" in tree.log()
    # It stays set aside, until somebody asks for it.
    with Client(tree) as client:
        assert client.queue("dead")["events"][0]["id"] == "p20."


@pytest.mark.parametrize("name", ["analyze", "format"])
def test_work_without_an_end_is_poison(start, sim, name):
    """What tells is the processor time that went into it, not the heartbeat,
    which is a long one here."""
    tree = start(more='watchdog { heartbeat = "5m" }\n')
    with Client(tree) as client:
        client.send(event("e1.", event_id="e1.",
                          description=f"endless-for-{name}"))
        client.send(event("fine.", event_id="fine."))
        shown = client.wait_state("e1.", "dead", 60)
        assert shown["reason"] == "poison"
        client.wait_state("fine.", "delivered", 20)
    crashes = tree.ask("crashes")["crashes"]
    assert [(c["worker"], c["signal"]) for c in crashes] == \
        [(f"{name}/0", 6)] * 2
    assert tree.log().count("of processor time on job") == 2


def test_poison_for_many_chats_loses_two_workers(start, sim):
    """It lost two for each chat, and the sixth loss throttled the class."""
    tree = start(users=(1001, 1002, 1003, 1004))
    with Client(tree) as client:
        client.send(event("p1.", event_id="p1.",
                          description="poison-for-format"))
        shown = client.wait_state("p1.", "dead", 20)
        assert [d["reason"] for d in shown["deliveries"]] == ["poison"] * 4
        client.send(event("fine.", event_id="fine."))
        sim.wait_messages(4, text="fine.", timeout=20)
    wait_for(lambda: tree.worker("format/0")["state"] == "ready")
    assert tree.worker("format/0")["restarts"] == 2
    assert metrics(tree)["cctg_events_quarantined_total"] == 1


def test_decision_that_kills_format_is_shown_without_it(start, sim):
    """It was tried without end."""
    tree = start()
    _, message = ask_by_file(tree, sim, "Poisoned")
    sim.press(message, "Approve", 1001, first_name="poison-for-format")
    now = wait_decided(sim, message, "✅ Approve — poison-for-format",
                       timeout=30)
    assert "Shall it be Poisoned?" in now["text"]
    wait_responses(tree)
    counted = metrics(tree)
    assert counted["cctg_events_quarantined_total"] == 1
    wait_for(lambda: tree.worker("format/0")["restarts"] == 2)
    # It is over: nothing is tried again, and others are rendered.
    _, message = ask_by_file(tree, sim, "Wholesome")
    sim.press(message, "Deny", 1001, first_name="Ann")
    wait_decided(sim, message, "❌ Deny — Ann", timeout=20)
    assert tree.worker("format/0")["restarts"] == 2
    tree.kill_impatiently("queue")
    _, message = ask_by_file(tree, sim, "Afterwards")
    assert tree.worker("format/0")["restarts"] == 2


def test_poison_within_a_digest_takes_nobody_along(start, sim):
    tree = start(rate="global = 0  private = 0  group_per_minute = 600",
                 more='digest { after = "1s" }')
    ids = [f"p{n}." for n in range(100)]
    with Client(tree) as client:
        client.queue("hold")
        client.send_all(
            (event(i, event_id=i, **(
                {"description": "poison-for-format"} if i == "p50." else {}))
             for i in ids), to=str(GROUP))
        client.queue("release")
        wait_for(lambda: client.show("p50.")["state"] == "dead", 40)
        queue = wait_empty(tree, 60)
        assert [e["id"] for e in client.queue("dead")["events"]] == ["p50."]
    assert queue["delivered"] == 99
    texts = "".join(m["text"] for m in sim.messages(chat=GROUP))
    assert not [i for i in ids if i != "p50." and i not in texts]
