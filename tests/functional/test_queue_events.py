"""What becomes of events: progress, modes, expiry, duplicates, orders of
people, routes."""

import datetime
import time

import pytest

from simlib import wait_for
from submitlib import Client, event, metrics, wait_empty

USER = 1001
OPS = -1001234567890
DEV = -1009876543210


@pytest.fixture
def tree(tree_for, sim):
    return tree_for(sim)


@pytest.fixture
def client(tree):
    with Client(tree) as client:
        yield client


def progress(percent, task="build-1"):
    return event("Building", "task_progress", task_id=task,
                 event_id=f"{task}-{percent}", data={"progress": percent})


def percentages(message):
    """What the progress message has shown, in order."""
    texts = [e["before"] for e in message["edits"]] + [message["text"]]
    shown = []
    for text in texts:
        for word in text.replace("%", " % ").split():
            if word.isdigit():
                number = word
            elif word == "%":
                shown.append(int(number))
                break
    return shown


# -- progress -----------------------------------------------------------------


def test_progress_edits_one_message_and_the_end_closes_it(client, sim):
    for n in range(30):
        client.send(progress(n * 3))
        time.sleep(0.02)
    client.send(event("Build is done", "build_completed", task_id="build-1",
                      event_id="the-end"))
    client.wait_state("the-end", "delivered")
    first, last = sim.messages(chat=USER)
    assert "Build is done" in last["text"]
    shown = percentages(first)
    assert shown == sorted(shown) and len(first["edits"]) > 3
    # Closed: no update that comes late changes it any more.
    closed = first["text"]
    late = client.send(progress(99))
    wait_for(lambda: client.show(late)["state"] in
             ("delivered", "suppressed", "uncertain"))
    again = sim.messages(chat=USER)
    assert again[0]["text"] == closed
    # Each update ended somehow.
    states = {client.show(f"build-1-{n * 3}")["state"] for n in range(30)}
    assert states <= {"delivered", "suppressed"}


def test_newest_progress_wins_when_telegram_is_slow(client, sim, tree):
    sim.fault("delay", count=-1, ms=300)
    for n in range(30):
        client.send(progress(n))
    wait_empty(tree)
    message, = sim.messages(chat=USER)
    shown = percentages(message)
    assert shown[-1] == 29 and shown == sorted(shown)
    assert len(message["edits"]) < 10
    reasons = {client.show(f"build-1-{n}")["reason"] for n in range(30)}
    assert reasons <= {None, "cancelled"}


def test_end_that_comes_at_once_closes_the_message(client, sim, tree):
    sim.fault("delay", count=-1, ms=100)
    client.send(progress(10))
    client.send(event("Done at once", "build_completed", task_id="build-1"))
    wait_empty(tree)
    first, last = sim.messages(chat=USER)
    assert "Done at once" in last["text"] and first["edits"]


def test_tasks_have_messages_of_their_own(client, sim, tree):
    for n in range(5):
        for task in ("a", "b", "c"):
            client.send(progress(n * 10, task))
    wait_empty(tree)
    assert len(sim.messages(chat=USER)) == 3


def test_progress_goes_on_after_restarts(client, sim, tree):
    client.send(progress(10))
    wait_empty(tree)
    pid = tree.kill("queue")
    tree.wait_replaced("queue", pid)
    client.send(progress(20))
    wait_empty(tree)
    message, = sim.messages(chat=USER)
    assert percentages(message) == [10, 20]


def test_progress_message_that_was_deleted_is_sent_anew(client, sim, tree):
    client.send(progress(10))
    wait_empty(tree)
    sim.fault("status", method="editMessageText", status=400,
              description="Bad Request: message to edit not found")
    client.send(progress(20))
    wait_empty(tree)
    assert [percentages(m)[-1] for m in sim.messages(chat=USER)] == [10, 20]


# -- modes --------------------------------------------------------------------


def test_mute_holds_all_but_approvals_and_ends_in_one_summary(client, sim):
    assert client.ask("mode", mode="mute")["mode"] == "mute"
    for n in range(5):
        client.send(event(f"Quiet {n}", event_id=f"quiet-{n}"))
    client.send(event("Broken", "build_failed", event_id="broken"))
    approval = client.send(event("May I?", "approval_request"))
    client.wait_state(approval, "delivered")
    for i in [f"quiet-{n}" for n in range(5)] + ["broken"]:
        assert client.wait_state(i, "suppressed")["reason"] == "muted"
    only, = sim.messages(chat=USER)
    assert "May I?" in only["text"] and only["silent"]
    client.ask("unmute")
    _, summary = sim.wait_messages(2, chat=USER)
    assert "6 events" in summary["text"] and "Broken" in summary["text"]
    for n in range(5):
        assert f"Quiet {n}" in summary["text"]
    time.sleep(0.5)
    assert sim.count(USER)["messages"] == 2
    assert client.ask("mode")["mode"] == "local"


def test_mute_ends_by_itself(client, sim, tree):
    answer = client.ask("mute", **{"for": "2s"})
    assert answer["mode"] == "mute" and answer["until"]
    assert tree.status()["mode"] == "mute"
    client.send(event("While muted"))
    # It ends in time though the queue was away meanwhile.
    pid = tree.kill("queue")
    tree.wait_replaced("queue", pid)
    assert not sim.messages(chat=USER)
    summary, = sim.wait_messages(1, timeout=4, chat=USER)
    assert "1 event" in summary["text"] and "While muted" in summary["text"]
    wait_for(lambda: tree.status()["mode"] == "local")


def test_what_waited_before_a_mute_is_sent_after_it(client, sim):
    client.queue("hold")
    client.send(event("Before", event_id="before"))
    client.ask("mode", mode="mute")
    client.queue("release")
    time.sleep(0.3)
    assert client.show("before")["state"] == "received"
    client.ask("unmute")
    client.wait_state("before", "delivered")
    message, = sim.messages(chat=USER)
    assert "Before" in message["text"]


def quiet_hours(minutes_from, minutes_to, now):
    begin, end = (now + datetime.timedelta(minutes=m)
                  for m in (minutes_from, minutes_to))
    return f'timezone = "UTC"\nquiet_hours = "{begin:%H:%M}-{end:%H:%M}"\n'


def test_quiet_hours(tree_for, sim):
    now = datetime.datetime.now(datetime.timezone.utc)
    tree = tree_for(sim, quiet_hours(-10, 10, now))
    with Client(tree) as client:
        low = client.send(event("Low"))
        normal = client.send(event("Normal", "task_started"))
        client.wait_state(client.send(event("High", "build_failed")),
                          "delivered")
        client.wait_state(client.send(event("May I?", "approval_request")),
                          "delivered")
        by_title = {m["text"].split("\n")[0]: m["silent"]
                    for m in sim.messages(chat=USER)}
        assert len(by_title) == 2
        for title, silent in by_title.items():
            assert silent == ("High" in title), by_title
        assert client.show(low)["state"] == "received"
        # They are over.
        conf = tree.conf.read_text()
        tree.conf.write_text(conf.replace(quiet_hours(-10, 10, now),
                                          quiet_hours(20, 30, now)))
        assert tree.ask("reload")["ok"]
        client.wait_state(low, "delivered")
        client.wait_state(normal, "delivered")


# -- expiry and duplicates ----------------------------------------------------


def test_expired_events_are_suppressed(client, sim):
    client.queue("hold")
    client.send(event("Old", event_id="old"), ttl="1s")
    client.send(event("Lasting", event_id="lasting"), ttl="1h")
    time.sleep(1.2)
    client.queue("release")
    assert client.wait_state("old", "suppressed")["reason"] == "expired"
    client.wait_state("lasting", "delivered")
    message, = sim.messages(chat=USER)
    assert "Lasting" in message["text"]


def test_retries_end_with_the_ttl(client, sim):
    sim.fault("nonjson", method="sendMessage", count=-1)
    i = client.send(event("Never"), ttl="2s")
    shown = client.wait_state(i, "suppressed")
    assert shown["reason"] == "expired" and shown["attempts"] >= 1
    assert not sim.messages(chat=USER)


def test_same_id_is_one_event_for_ever(client, sim, tree):
    first = client.ask("send", event=event("One", event_id="the-id"))
    second = client.ask("send", event=event("Two", event_id="the-id"))
    assert "duplicate" not in first
    assert second == {"ok": True, "id": "the-id", "duplicate": True}
    wait_empty(tree)
    pid = tree.kill("queue")
    tree.wait_replaced("queue", pid)
    third = client.ask("send", event=event("Three", event_id="the-id"))
    assert third["duplicate"]
    tree.drop(event("Four", event_id="the-id"))
    wait_for(lambda: not tree.waiting())
    message, = sim.messages(chat=USER)
    assert "One" in message["text"]
    assert metrics(tree)["cctg_events_duplicate_total"] == 3


def test_same_content_within_5_s_is_suppressed(tree_for, sim):
    tree = tree_for(sim, 'dedup_window = "2s"')
    with Client(tree) as client:
        ids = [client.send(event("Again")) for _ in range(3)]
        client.wait_state(ids[0], "delivered")
        for i in ids[1:]:
            assert client.wait_state(i, "suppressed")["reason"] == \
                "duplicate"
        approvals = [client.send(event("Yes?", "approval_request"))
                     for _ in range(2)]
        for i in approvals:
            client.wait_state(i, "delivered")
        time.sleep(2.1)
        client.wait_state(client.send(event("Again")), "delivered")
    assert len(sim.messages(text="Again")) == 2
    assert tree.status()["queue"]["suppressed"] == 2


# -- orders -------------------------------------------------------------------


def test_hold_release_and_drop(client, sim, tree):
    client.queue("hold")
    ids = [client.send(event(f"Held {n}", event_id=f"held-{n}"))
           for n in range(5)]
    time.sleep(0.3)
    assert not sim.messages()
    listed = client.queue("list")["events"]
    assert sorted(e["id"] for e in listed) == ids
    assert client.queue("drop", id="held-1")["n"] == 1
    assert client.wait_state("held-1", "suppressed")["reason"] == "cancelled"
    # Held it stays, over a restart.
    pid = tree.kill("queue")
    tree.wait_replaced("queue", pid)
    time.sleep(0.3)
    assert not sim.messages()
    client.queue("release")
    wait_empty(tree)
    assert [m["text"].split("\n")[0][-1] for m in sim.messages()] == \
        ["0", "2", "3", "4"]


def test_drop_all_of_a_long_queue(client, sim, tree):
    client.queue("hold")
    client.send_all((event(f"n{n}") for n in range(1000)))
    assert client.queue("drop", id="all")["n"] == 1000
    client.queue("release")
    queue = wait_empty(tree)
    assert queue["suppressed"] == 1000 and not sim.messages()


def test_flush_and_retry(client, sim):
    sim.fault("429", method="sendMessage", retry_after=600)
    i = client.send(event("Later", event_id="later"))
    waiting = wait_for(lambda: (e := client.show(i))["not_before"] and e)
    assert waiting["attempts"] == 1
    assert client.queue("retry", id=i)["n"] == 1
    client.wait_state(i, "delivered")
    assert client.queue("retry", id=i)["n"] == 0
    sim.fault("429", method="sendMessage", retry_after=600)
    client.send(event("Later too", event_id="later2"))
    wait_for(lambda: client.show("later2")["not_before"])
    assert client.queue("flush")["n"] == 1
    client.wait_state("later2", "delivered")


def test_counts_are_of_events_after_a_restart(tree_for, sim):
    tree = tree_for(sim, users=(1001, 1002, 1003))
    with Client(tree) as client:
        client.queue("hold")
        for n in range(10):
            client.send(event(f"Counted {n}"))
        wait_for(lambda: tree.status()["queue"]["pending"] == 10)
        pid = tree.kill("queue")
        tree.wait_replaced("queue", pid)
        wait_for(lambda: tree.status()["queue"]["pending"] == 10)
        client.queue("release")
        assert wait_empty(tree)["delivered"] == 10


def test_retry_counts_an_event_once(tree_for, sim):
    tree = tree_for(sim, users=(1001, 1002))
    with Client(tree) as client:
        for chats in ((1001, 1002), (1002,)):
            for chat in chats:
                sim.fault("status", method="sendMessage", chat=chat,
                          status=400, description="Bad Request: no")
            i = client.send(event(f"Refused by {len(chats)}"))
            client.wait_state(i, "dead")
            assert wait_empty(tree)["dead"] == 1
            assert client.queue("retry", id=i)["n"] == len(chats)
            client.wait_state(i, "delivered")
            assert wait_empty(tree)["dead"] == 0
    assert tree.status()["queue"]["delivered"] == 2
    assert [sim.count(c)["messages"] for c in (1001, 1002)] == [2, 2]


# -- routes -------------------------------------------------------------------

ROUTES = f"""
chat "ops" {{ id = {OPS}  thread = 7 }}
chat "dev" {{ id = {DEV} }}
route "copy" {{ source = {{"github", "ci-*"}}  chat = {{"dev"}}
                silent = true  continue = true }}
route "builds" {{ type = {{"build_*", "test_*"}}  chat = {{"ops"}} }}
route "notes" {{ type = {{"info_notification"}}  source = {{"short"}}
                 ttl = "1s"  chat = {{"dev"}} }}
route "single" {{ type = {{"code_review"}}  chat = {{"dev"}}
                  digest = false }}
"""


@pytest.mark.parametrize("type, source, chats", [
    ("build_failed", "tests", {OPS}),
    ("test_suite_run", "github", {OPS, DEV}),
    ("info_notification", "ci-7", {DEV}),
    ("info_notification", "tests", {USER}),
])
def test_routes_choose_the_chats(tree_for, sim, type, source, chats):
    sim.chat(OPS, type="supergroup", forum=True, topics=[7])
    tree = tree_for(sim, ROUTES)
    with Client(tree) as client:
        i = client.send(event("Routed", type, source=source))
        shown = client.wait_state(i, "delivered")
    assert {d["chat"] for d in shown["deliveries"]} == chats
    messages = sim.messages()
    assert {m["chat_id"] for m in messages} == chats
    for m in messages:
        assert m["silent"] == (m["chat_id"] == DEV)
        assert m["thread"] == (7 if m["chat_id"] == OPS else m["thread"])


def test_route_with_a_ttl(tree_for, sim):
    tree = tree_for(sim, ROUTES)
    with Client(tree) as client:
        client.queue("hold")
        short = client.send(event("Short", source="short"))
        time.sleep(1.2)
        client.queue("release")
        assert client.wait_state(short, "suppressed")["reason"] == "expired"


def test_route_without_digests(tree_for, sim):
    tree = tree_for(sim, ROUTES, rate="global = 0  private = 0  "
                    "group_per_minute = 240")
    with Client(tree) as client:
        client.queue("hold")
        ids = [client.send(event(f"Review {n}", "code_review"))
               for n in range(50)]
        client.queue("release")
        wait_empty(tree, 40)
        for i in ids:
            delivery, = client.show(i)["deliveries"]
            assert not delivery["digest"]
    assert sim.count(DEV)["messages"] == 50


def test_nobody_to_send_to_is_told(tree_for, sim):
    tree = tree_for(sim, users=())
    with Client(tree) as client:
        i = client.send(event("Alone"))
        shown = client.wait_state(i, "dead")
        assert "recipients" in shown["reason"]


# -- order --------------------------------------------------------------------


def test_order_within_a_chat_and_task(client, sim, tree):
    client.send_all(event(f"n{n:03}") for n in range(300))
    wait_empty(tree)
    titles = [m["text"].split("\n")[0].split()[-1]
              for m in sim.messages(chat=USER, limit=1000)]
    assert titles == [f"n{n:03}" for n in range(300)]


def test_urgent_events_overtake_but_not_their_own_task(tree_for, sim):
    tree = tree_for(sim, rate="global = 0  private = 4  private_burst = 2  "
                    "group_per_minute = 0")
    with Client(tree) as client:
        client.queue("hold")
        for n in range(4):
            client.send(event(f"low{n}", task_id=f"t{n}"))
        client.send(event("failed", "task_failed", task_id="t2"))
        client.send(event("approve", "approval_request"))
        client.queue("release")
        wait_empty(tree)
    titles = [m["text"].split("\n")[0].split()[-1]
              for m in sim.messages(chat=USER)]
    assert titles[0] == "approve"
    assert titles.index("low2") < titles.index("failed")
    assert titles.index("failed") < titles.index("low3")
