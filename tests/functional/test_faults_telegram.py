"""A Telegram that misbehaves: nothing is lost, order within a chat is kept,
other chats do not notice."""

import time

import pytest

from simlib import TOKEN, wait_for
from submitlib import (DEEP, Client, copies, event, metrics, tree_pss,
                       wait_empty)

USERS = (1001, 1002)
GROUP = -1001234567890

# What happens to one call; is the repetition marked, does the call act?
FAULTS = {
    "429": ({"retry_after": 1}, False, False),
    "429 garbage": ({"kind": "429", "retry_after": "soon", "count": 1},
                    False, False),
    "429 header": ({"kind": "429", "retry_after": None, "retry_header": "1"},
                   False, False),
    "status": ({"status": 500}, True, False),
    "503": ({"kind": "status", "status": 503}, False, False),
    "504": ({"kind": "status", "status": 504}, True, False),
    "nonjson": ({}, False, False),
    "garbage": ({}, True, False),
    "close_before": ({}, True, False),
    "close_after": ({}, True, True),
    "truncate": ({}, True, True),
    "hang": ({}, True, False),
}


@pytest.fixture
def tree(tree_for, sim):
    return tree_for(sim, users=USERS, telegram='timeout = "2s"')


def last_copies(sim, chat, ids):
    """The ids in the order of the last message that names each."""
    found = copies(sim, ids)
    last = {i: max(m["seq"] for m in messages if m["chat_id"] == chat)
            for i, messages in found.items()}
    return sorted(ids, key=last.get)


def calls_for(sim, chat):
    return len([r for r in sim.requests() if r["chat_id"] == chat])


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_order_is_kept(tree, sim, name):
    options, marked, acts = FAULTS[name]
    sim.fault(**{"kind": name, "method": "sendMessage", "chat": 1001,
                 "after": 3, "count": 2, **options})
    ids = [f"e{n}." for n in range(12)]
    others = [f"o{n}." for n in range(12)]
    with Client(tree) as client:
        begin = time.monotonic()
        client.send_all((event(i, event_id=i) for i in ids), to="1001")
        client.send_all((event(i, event_id=i) for i in others), to="1002")
        wait_for(lambda: all(copies(sim, others).values()), 2,
                 why="the other chat is not delayed")
        undelayed = time.monotonic() - begin
        queue = wait_empty(tree, 60)
        shown = [client.show(i) for i in ids]
    assert undelayed < 2
    assert queue["delivered"] == 24 and queue["dead"] == 0
    found = copies(sim, ids)
    assert all(found.values())
    assert last_copies(sim, 1001, ids) == ids
    assert last_copies(sim, 1002, others) == others
    resent = [i for i in ids if any("↻" in m["text"] for m in found[i])]
    assert bool(resent) == marked
    twice = [i for i in ids if len(found[i]) > 1]
    # Each call that failed after it acted is there again, with its mark.
    assert (len(twice) > 0) == acts and len(twice) <= 2
    for i in twice:
        assert "↻" not in found[i][0]["text"]
        assert all("↻" in m["text"] for m in found[i][1:])
    counted = metrics(tree)
    assert (counted["cctg_events_ambiguous_total"] > 0) == marked
    assert counted["cc_telegram_errors_total"] > 0
    # A fault cost attempts, and only the calls that it hit.
    assert max(e["attempts"] for e in shown) in (2, 3)
    assert not [m for m in sim.messages(chat=1002) if "↻" in m["text"]]


def test_retry_after_30_is_stored_and_only_that_chat_waits(tree, sim):
    sim.fault("429", method="sendMessage", chat=1001, retry_after=30)
    with Client(tree) as client:
        first = client.send(event("first"), to="1001")
        wait_for(lambda: client.show(first)["not_before"], 5)
        second = client.send(event("second"), to="1001")
        other = client.send(event("other"), to="1002")
        client.wait_state(other, "delivered", 2)
        shown = client.show(first)
        assert shown["state"] == "received" and shown["attempts"] == 1
        tree.kill("queue")
        wait_for(lambda: tree.worker("queue")["restarts"] == 1)
        tree.wait_state("queue", "ready")
        # It is on disk, and nobody forgets it.
        assert client.show(first)["not_before"] == shown["not_before"]
        time.sleep(1)
        assert client.show(first)["state"] == "received"
        assert client.show(second)["state"] == "received"
        assert sim.count(1001)["messages"] == 0
        # People may not want to wait.
        assert client.queue("flush")["n"] >= 1
        client.wait_state(second, "delivered")
        assert last_copies(sim, 1001, ["first", "second"]) == \
            ["first", "second"]


def test_limits_of_several_chats_together_are_the_bots(tree, sim):
    for chat in (1001, 1002):
        sim.fault("429", method="sendMessage", chat=chat, retry_after=2)
    with Client(tree) as client:
        for chat in (1001, 1002):
            client.send(event(f"to {chat}"), to=str(chat))
        wait_for(lambda: sim.stats()["sent_429"] == 2, 5)
        begin = time.monotonic()
        third = client.send(event("third"), to="1003")
        client.wait_state(third, "delivered")
        assert time.monotonic() - begin > 1
        tree.wait_log("the bot waits")
    wait_empty(tree)


def test_refused_event_is_dead_and_the_rest_goes_on(tree, sim):
    sim.fault("status", method="sendMessage", chat=1001, status=400,
              description="Bad Request: message thread not found", after=1)
    with Client(tree) as client:
        ids = [client.send(event(f"r{n}.", event_id=f"r{n}."), to="1001")
               for n in range(4)]
        dead = client.wait_state("r1.", "dead")
        assert "event r1.: Telegram refuses it" in tree.log()
        assert dead["reason"] == "Bad Request: message thread not found"
        wait_empty(tree)
        listed, = client.queue("dead")["events"]
        assert listed["id"] == "r1."
        found = copies(sim, ids)
        assert [bool(found[i]) for i in ids] == [True, False, True, True]
        # Whoever has mended the cause may send it again.
        assert client.queue("retry", id="r1.")["n"] == 1
        client.wait_state("r1.", "delivered")
        assert client.queue("dead")["events"] == []
    assert tree.status()["queue"]["dead"] == 0


def test_chat_that_blocks_the_bot_is_suspended(tree, sim):
    sim.fault("forbidden", method="sendMessage", chat=1001, count=-1)
    with Client(tree) as client:
        ids = [f"b{n}." for n in range(5)]
        client.send_all((event(i, event_id=i) for i in ids), to="1001")
        other = client.send(event("other"), to="1002")
        client.wait_state(other, "delivered")
        for i in ids:
            assert client.wait_state(i, "dead")["reason"] == "chat suspended"
        calls = calls_for(sim, 1001)
        sim.clear_faults()
        # It stays so, over a restart, until somebody says otherwise.
        tree.kill("queue")
        tree.wait_state("queue", "ready")
        later = client.send(event("later"), to="1001")
        assert client.wait_state(later, "dead")["reason"] == "chat suspended"
        assert calls_for(sim, 1001) == calls
        assert client.ask("chats", cmd="resume", chat=1001)["ok"]
        again = client.send(event("again"), to="1001")
        client.wait_state(again, "delivered")
        assert client.queue("retry", id=ids[0])["n"] == 1
        client.wait_state(ids[0], "delivered")


def test_migration_is_followed_and_stored(tree, sim):
    moved = -1009999999999
    sim.chat(GROUP, type="group", migrated_to=moved)
    sim.chat(moved, type="supergroup")
    with Client(tree) as client:
        first = client.send(event("first"), to=str(GROUP))
        client.wait_state(first, "delivered")
        assert sim.count(moved)["messages"] == 1
    assert tree.stop() == 0
    tree.start()
    asked = calls_for(sim, GROUP)
    with Client(tree) as client:
        second = client.send(event("second"), to=str(GROUP))
        delivery, = client.wait_state(second, "delivered")["deliveries"]
        assert delivery["attempts"] == 1
    assert sim.count(moved)["messages"] == 2
    assert calls_for(sim, GROUP) == asked


def test_migration_to_a_chat_that_is_known_already(tree, sim):
    moved = -1009999999999
    sim.chat(GROUP, type="group")
    sim.chat(moved, type="supergroup")
    with Client(tree) as client:
        for chat in (GROUP, moved):
            client.wait_state(client.send(event(f"to {chat}"), to=str(chat)),
                              "delivered")
        client.queue("hold")
        ids = [f"m{n}." for n in range(10)]
        for n, i in enumerate(ids):
            client.send(event(i, event_id=i),
                        to=str(moved if n % 2 else GROUP))
        sim.chat(GROUP, type="group", migrated_to=moved)
        client.queue("release")
        for i in ids:
            client.wait_state(i, "delivered")
        assert len(sim.messages(chat=moved)) == 11
        tree.kill("queue")
        tree.wait_state("queue", "ready")
        last = client.send(event("last"), to=str(GROUP))
        delivery, = client.wait_state(last, "delivered")["deliveries"]
        assert delivery["attempts"] == 1
    assert tree.status()["state"] == "ok"


def test_migration_in_a_circle_is_no_endless_loop(tree, sim):
    sim.fault("migrate", method="sendMessage", chat=GROUP, count=-1,
              migrate_to=GROUP)
    with Client(tree) as client:
        i = client.send(event("round"), to=str(GROUP))
        other = client.send(event("other"), to="1001")
        client.wait_state(other, "delivered")
        time.sleep(1)
        assert calls_for(sim, GROUP) < 10
        sim.clear_faults()
        client.wait_state(i, "delivered")


def test_refused_token_keeps_the_queue(tree, sim):
    sim.fault("status", count=-1, status=401, description="Unauthorized")
    with Client(tree) as client:
        ids = [f"u{n}." for n in range(20)]
        answers = client.send_all(event(i, event_id=i) for i in ids)
        assert all(a["ok"] for a in answers)
        wait_for(lambda: tree.status()["telegram"]["state"] == "down", 10)
        # A poll may have found it out before the first event was there.
        wait_for(lambda: tree.status()["state"] == "degraded" and
                 tree.status()["queue"]["pending"] > 0)
        assert "refuses the bot token" in tree.status()["reason"]
        assert TOKEN not in tree.log()
        sim.clear_faults()
        queue = wait_empty(tree, 60)
    assert queue["delivered"] == 20 and queue["dead"] == 0
    found = copies(sim, ids)
    assert all(len(m) == 2 for m in found.values()) # one for each user
    assert tree.status()["telegram"]["state"] == "connected"


def test_text_that_telegram_cannot_parse_goes_plain(tree, sim):
    sim.fault("status", method="sendMessage", status=400,
              description="Bad Request: can't parse entities: Unsupported "
              "start tag \"x\" at byte offset 3")
    with Client(tree) as client:
        i = client.send(event("odd <x> & text"), to="1001")
        client.wait_state(i, "delivered")
    message, = sim.messages(chat=1001)
    assert "odd <x> & text" in message["text"]
    assert not message["parse_mode"]


def test_dead_server_opens_the_breaker_and_comes_back(tree, sim_factory, sim):
    port = sim.port
    with Client(tree) as client:
        client.send(event("before"), to="1001")
        wait_empty(tree)
        sim.stop()
        ids = [f"d{n}." for n in range(50)]
        for i in ids:
            client.send(event(i, event_id=i), to="1001")
        wait_for(lambda: metrics(tree)["cctg_telegram_breaker_opened_total"]
                 >= 1, 20)
        wait_for(lambda: tree.status()["state"] == "degraded", 10)
        assert tree.status()["telegram"]["state"] in ("down", "degraded")
        attempts = metrics(tree)["cctg_telegram_requests_total"]
        time.sleep(2)
        # It asks now and then, no more.
        assert metrics(tree)["cctg_telegram_requests_total"] < attempts + 6
        assert not [i for i in ids if client.show(i)["state"] == "dead"]
        again = sim_factory(port=port)
        queue = wait_empty(tree, 60)
        assert queue["delivered"] == 51
    assert last_copies(again, 1001, ids) == ids
    # Nothing of it was ambiguous: no request was written.
    assert not [m for m in again.messages() if "↻" in m["text"]]


@pytest.mark.parametrize("kind", ["hang", "status", "garbage",
                                  "close_before"] if DEEP else
                         ["hang", "status"])
def test_outage_of_everything(tree, sim, kind):
    """All calls fail for a while, for every chat."""
    seconds = 60 if DEEP else 6
    ids = [f"x{n}." for n in range(400)]
    peak = 0
    with Client(tree) as client:
        client.send(event("before"), to="1001")
        wait_empty(tree)
        sim.fault(kind, count=-1)
        client.send_all((event(i, event_id=i) for i in ids))
        wait_for(lambda: tree.status()["state"] == "degraded", 30)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peak = max(peak, tree_pss(tree))
            # Though a poll that began before may end well meanwhile.
            assert tree.status()["state"] == "degraded"
            assert tree.status()["telegram"]["state"] == "down"
            time.sleep(0.5)
        assert peak < 60 << 20
        sim.clear_faults()
        queue = wait_empty(tree, 90)
    assert queue["delivered"] == 401 and queue["dead"] == 0
    assert all(copies(sim, ids).values())
    for chat in USERS:
        assert last_copies(sim, chat, ids) == ids


def test_idle_daemon_sees_that_telegram_is_away(tree, sim):
    """Without anything to send, the failing poll is what tells."""
    wait_for(lambda: tree.status()["telegram"]["state"] == "connected")
    sim.stop()
    wait_for(lambda: tree.status()["telegram"]["state"] == "down", 40)
    assert tree.status()["state"] == "degraded"


def test_progress_of_unknown_outcome_is_uncertain(tree, sim):
    sim.fault("close_after", method="sendMessage", chat=1001)
    with Client(tree) as client:
        i = client.send(event("half", "task_progress", task_id="t1",
                              data={"progress": 50}), to="1001")
        client.wait_state(i, "uncertain")
        assert [e["id"] for e in client.queue("dead")["events"]] == [i]
    assert sim.count(1001)["messages"] == 1
    assert tree.status()["queue"]["uncertain"] == 1
    assert metrics(tree)["cctg_events_ambiguous_total"] == 1


def test_resent_messages_need_no_mark(tree_for, sim):
    tree = tree_for(sim, telegram="mark_resent = false")
    sim.fault("close_after", method="sendMessage")
    with Client(tree) as client:
        i = client.send(event("twice."))
        client.wait_state(i, "delivered")
    assert len(sim.messages(text="twice.")) == 2
    assert not [m for m in sim.messages() if "↻" in m["text"]]
    assert metrics(tree)["cctg_events_resent_total"] == 1


# -- messages of several parts ------------------------------------------------

LINES = [f"line {n:04} of a long text" for n in range(400)]


def whole(sim, chat=1001):
    """The lines in the order of the messages, each message once."""
    seen, lines = set(), []
    for m in sim.messages(chat=chat):
        own = [line for line in m["text"].split("\n") if line in WANTED]
        if own and own[0] not in seen:
            lines += own
            seen.update(own)
    return lines


WANTED = set(LINES)


@pytest.mark.parametrize("kind", ["429", "status", "nonjson", "close_after"])
def test_part_that_fails_is_repeated_alone(tree, sim, kind):
    sim.fault(kind, method="sendMessage", chat=1001, after=1, count=1,
              **({"retry_after": 1} if kind == "429" else {}))
    with Client(tree) as client:
        i = client.send(event("Long", description="\n".join(LINES)),
                        to="1001")
        shown = client.wait_state(i, "delivered")
    messages = sim.messages(chat=1001)
    twice = kind == "close_after"
    ids = shown["deliveries"][0]["message_ids"]
    assert len(ids) >= 3 and len(messages) == len(ids) + twice
    assert whole(sim) == LINES
    assert {m["message_id"] for m in messages} >= set(ids)


@pytest.mark.parametrize("victim", ["queue", "telegram", "format/0"])
def test_workers_die_between_the_parts(tree, sim, victim):
    sim.fault("delay", count=-1, ms=200)
    with Client(tree) as client:
        i = client.send(event("Long", description="\n".join(LINES)),
                        to="1001")
        for _ in range(3):
            time.sleep(0.2)
            tree.kill_impatiently(victim)
        shown = patient(client, tree).wait_state(i, "delivered")
    assert whole(sim) == LINES
    ids = shown["deliveries"][0]["message_ids"]
    assert len(ids) >= 3
    if victim != "telegram":
        assert len(sim.messages(chat=1001)) == len(ids)


def patient(client, tree):
    """The client itself, or another if the daemon closed it."""
    try:
        client.ask("ping")
        return client
    except OSError:
        return Client(tree)


def test_documents_that_wait_for_credit_wait_quietly(tree, sim):
    """More than a link takes at once: none is marked before it can go."""
    sim.fault("delay", count=-1, ms=700)
    with Client(tree) as client:
        ids = [client.send(event(f"large {n}.", description="\n".join(
            f"entry {n} {i} of very many" for i in range(36000))), to="1001")
            for n in range(8)]
        commits = metrics(tree)["cctg_store_commits_total"]
        for i in ids:
            client.wait_state(i, "delivered", 40)
        commits = metrics(tree)["cctg_store_commits_total"] - commits
        print(f"\n{commits:.0f} commits")
        assert commits < 60
    assert [m["document"]["content"].count(f"entry {n} ") for n, m in
            enumerate(m for m in sim.messages(chat=1001)
                      if m.get("document"))] == [36000] * 8


def test_event_too_long_for_messages_is_a_document(tree, sim):
    text = "\n".join(f"entry {n} of very many" for n in range(20000))
    sim.fault("status", method="sendDocument", chat=1001)
    with Client(tree) as client:
        i = client.send(event("Longest", description=text), to="1001")
        client.wait_state(i, "delivered")
    documents = [m for m in sim.messages(chat=1001) if m.get("document")]
    assert len(documents) == 1
    assert "entry 19999 of very many" in documents[0]["document"]["content"]
