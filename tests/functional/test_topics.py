"""Topics of a forum, made for projects and sessions: each once, in order,
with General standing in while there is none."""

import json
import sqlite3
import time

import pytest

from returnlib import (approval, buttons, question_of, strike, wait_decided,
                       wait_responses)
from simlib import wait_for
from submitlib import Client

FORUM = -1007770001
USER = 1001
SECTIONS = """
    chat "forum" { id = %d  topic = %s }
    route "all" { chat = {"forum"} }
"""


@pytest.fixture
def forum(sim):
    sim.chat(FORUM, type="supergroup", forum=True, topics=[])
    return FORUM


@pytest.fixture
def tree_of(tree_for, sim, forum):
    def start(by="auto", **options):
        return tree_for(sim, SECTIONS % (forum, by), **options)

    return start


def created(sim):
    """The names of the topics that were asked for."""
    return [json.loads(r["body"])["name"] for r in sim.requests(1024)
            if r["method"] == "createForumTopic"]


def notices(sim):
    return [m for m in sim.messages(chat=FORUM)
            if "There is no topic for" in m["text"]]


def send(tree, title, **data):
    return tree.send(type="info_notification", title=title, source="tests",
                     description=f"about {title}", data=data)


def places(sim, *titles, timeout=15.0):
    """The threads that these arrived in."""
    def found():
        seen = {t: [m["thread"] for m in sim.messages(chat=FORUM)
                    if f"about {t}" in m["text"]] for t in titles}
        return all(seen.values()) and [seen[t][0] for t in titles]

    return wait_for(found, timeout, why=lambda: f"{titles}: " + str(
        [m["text"] for m in sim.messages(chat=FORUM)]))


def test_one_topic_for_each_project(tree_of, sim):
    tree = tree_of()
    send(tree, "a1", project="app")
    send(tree, "b1", project="lib", session="s1")
    send(tree, "a2", project="app", session="s2")
    send(tree, "c1", cwd="/home/me/lib")
    send(tree, "d1", session="s3")
    send(tree, "e1", other=1)
    a1, b1, a2, c1, d1, e1 = places(sim, "a1", "b1", "a2", "c1", "d1", "e1")
    assert a1 == a2 != b1 == c1 != d1
    assert a1 > 1 and b1 > 1 and d1 > 1 and e1 == 0
    assert sorted(created(sim)) == ["app", "lib", "s3"]
    _, answer = tree.ctl("chats", "list")
    assert {(c["thread"], c.get("topic")) for c in answer["chats"]} >= {
        (a1, "app"), (b1, "lib"), (d1, "s3"), (0, None)}
    # By the name of the chat, too; but a number says where.
    answer, = tree.submit({"op": "send", "to": "forum", "event": {
        "type": "info_notification", "title": "f1",
        "description": "about f1", "data": {"project": "lib"}}})
    assert answer["ok"]
    answer, = tree.submit({"op": "send", "to": f"{FORUM}:{a1}", "event": {
        "type": "info_notification", "title": "g1",
        "description": "about g1", "data": {"project": "lib"}}})
    assert answer["ok"]
    assert places(sim, "f1", "g1") == [b1, a1]
    assert len(created(sim)) == 3


@pytest.mark.parametrize("by, names", [
    ("project", ["app"]), ("session", ["s1", "s2"]), ("none", [])])
def test_by_project_or_session(tree_of, sim, by, names):
    tree = tree_of(by)
    send(tree, "a1", project="app", session="s1")
    send(tree, "a2", project="app", session="s2")
    send(tree, "a3")
    a1, a2, a3 = places(sim, "a1", "a2", "a3")
    assert sorted(created(sim)) == names
    assert a3 == 0
    assert (a1 == a2) == (by != "session")
    assert (a1 == 0) == (by == "none")


def test_secrets_are_masked_in_the_name(tree_of, sim):
    tree = tree_of()
    secret = "ghp_" + "a1B2" * 9
    send(tree, "a1", project=f"app {secret}")
    assert places(sim, "a1") != [0]
    name, = created(sim)
    assert "app" in name and secret not in name


def test_messages_wait_for_their_topic_only(tree_of, sim):
    tree = tree_of()
    sim.fault("delay", method="createForumTopic", ms=5000)
    for i in range(5):
        send(tree, f"a{i}.", project="slow")
    send(tree, "general.")
    send(tree, "b.", project="quick")
    assert places(sim, "general.") == [0]
    assert places(sim, "b.") != [0]
    threads = places(sim, *(f"a{i}." for i in range(5)))
    assert len(set(threads)) == 1 and threads[0] > 1
    came = {t: sim.messages(chat=FORUM, text=f"about {t}")[0]["received_us"]
            for t in ("a0.", "b.", "general.")}
    assert came["a0."] - max(came["b."], came["general."]) > 1_000_000
    order = [m["text"] for m in sim.messages(thread=threads[0])]
    assert ["".join(t.split("about ")[1:])[:3] for t in order] == [
        f"a{i}." for i in range(5)]
    assert sorted(created(sim)) == ["quick", "slow"]


@pytest.mark.parametrize("killed", ["queue", "telegram", "supervisor"])
def test_after_a_restart_it_is_the_same_topic(tree_of, sim, killed):
    tree = tree_of()
    send(tree, "a1", project="app")
    thread, = places(sim, "a1")
    for i in range(3):
        strike(tree, killed)
        send(tree, f"a2.{i}", project="app")
        assert places(sim, f"a2.{i}") == [thread]
    assert created(sim) == ["app"]


def test_queue_killed_while_it_is_made(tree_of, sim):
    """Telegram's answer is kept for the next queue."""
    tree = tree_of()
    sim.fault("delay", method="createForumTopic", ms=1500)
    send(tree, "a1", project="app")
    wait_for(lambda: created(sim))
    strike(tree, "queue")
    send(tree, "a2", project="app")
    a1, a2 = places(sim, "a1", "a2")
    assert a1 == a2 > 1
    assert created(sim) == ["app"]
    assert not notices(sim)


@pytest.mark.parametrize("killed", ["telegram", "supervisor"])
def test_answer_lost_while_it_is_made(tree_of, sim, killed):
    """Nobody knows its number: General stands in until somebody writes in
    it."""
    tree = tree_of()
    sim.fault("delay", method="createForumTopic", ms=8000)
    send(tree, "a1", project="app")
    wait_for(lambda: created(sim))
    strike(tree, killed)
    assert places(sim, "a1") == [0]
    assert len(wait_for(lambda: notices(sim))) == 1
    send(tree, "a2", project="app")
    assert places(sim, "a2") == [0]
    thread = 4711
    sim.chat(FORUM, topics=[thread])
    sim.update(raw={"message": {
        "message_id": 900, "date": int(time.time()), "text": "what's this?",
        "chat": {"id": FORUM, "type": "supergroup", "is_forum": True},
        "from": {"id": USER, "is_bot": False, "first_name": "Ann"},
        "message_thread_id": thread, "is_topic_message": True,
        "reply_to_message": {
            "message_id": thread, "date": 1,
            "chat": {"id": FORUM, "type": "supergroup"},
            "forum_topic_created": {"name": "app", "icon_color": 7322096}}}})
    tree.wait_log("topic 4711 is known now")
    send(tree, "a3", project="app")
    assert places(sim, "a3") == [thread]
    assert created(sim) == ["app"]


def test_killed_before_it_was_asked_for(tree_of, sim):
    """What is in no slot never left: it is asked for again, once."""
    tree = tree_of()
    sim.fault("429", method="createForumTopic", retry_after=1)
    for i in range(3):
        send(tree, f"a{i}", project=f"p{i}")
        strike(tree, "queue")
    threads = places(sim, "a0", "a1", "a2")
    assert len(set(threads)) == 3 and 0 not in threads
    # One was refused and tried again.
    assert sorted(set(created(sim))) == ["p0", "p1", "p2"]
    assert not notices(sim)


def test_a_topic_that_the_store_has_lost(tree_of, sim):
    """What waits for it goes to General; the next event makes another."""
    tree = tree_of()
    send(tree, "a1", project="app")
    first, = places(sim, "a1")
    assert tree.ctl("queue", "hold")[0] == 0
    send(tree, "a2", project="app")
    tree.stop()
    store = sqlite3.connect(tree.dir / "state/queue.db")
    with store:
        assert store.execute("DELETE FROM meta WHERE key LIKE 'topic.%'"
                             ).rowcount == 1
    store.close()
    tree.start()
    tree.ctl("queue", "release")
    assert places(sim, "a2") == [0]
    send(tree, "a3", project="app")
    again, = places(sim, "a3")
    assert again not in (0, first)
    assert created(sim) == ["app", "app"]


def test_a_reload_begins_and_ends_it(tree_of, sim):
    tree = tree_of("none")
    send(tree, "a1", project="app")
    assert places(sim, "a1") == [0]
    text = tree.conf.read_text()
    tree.conf.write_text(text.replace("topic = none", "topic = auto"))
    assert tree.ask("reload")["ok"]
    send(tree, "a2", project="app")
    thread, = places(sim, "a2")
    assert thread > 1
    tree.conf.write_text(text)
    assert tree.ask("reload")["ok"]
    send(tree, "a3", project="app")
    assert places(sim, "a3") == [0]
    tree.conf.write_text(text.replace("topic = none", "topic = project"))
    assert tree.ask("reload")["ok"]
    send(tree, "a4", project="app")
    assert places(sim, "a4") == [thread]
    assert created(sim) == ["app"]


def test_without_the_right_general_stands_in(tree_of, sim):
    tree = tree_of()
    sim.chat(FORUM, no_topics=True)
    for i in range(4):
        send(tree, f"a{i}", project=f"p{i % 2}")
    assert places(sim, "a0", "a1", "a2", "a3") == [0] * 4
    notice, = wait_for(lambda: notices(sim))
    assert "not enough rights" in notice["text"] and notice["thread"] == 0
    assert sorted(created(sim)) == ["p0", "p1"]
    sim.chat(FORUM, no_topics=False)
    assert tree.ctl("chats", "resume")[0] == 0
    send(tree, "b0", project="p0")
    send(tree, "b1", project="p1")
    b0, b1 = places(sim, "b0", "b1")
    assert b0 != b1 and 0 not in (b0, b1)
    assert len(created(sim)) == 4 and len(notices(sim)) == 1


def test_a_chat_that_is_no_forum(tree_of, sim):
    tree = tree_of()
    sim.chat(FORUM, forum=False)
    send(tree, "a1", project="app")
    assert places(sim, "a1") == [0]
    assert "not a forum" in wait_for(lambda: notices(sim))[0]["text"]
    strike(tree, "queue")  # it is not told, and not asked for, again
    send(tree, "a2", project="app")
    send(tree, "a3", project="new")
    assert places(sim, "a2", "a3") == [0, 0]
    assert created(sim) == ["app", "new"] and len(notices(sim)) == 1


def test_a_topic_that_was_deleted(tree_of, sim):
    tree = tree_of()
    send(tree, "a1", project="app")
    first, = places(sim, "a1")
    sim.chat(FORUM, topics=[])
    for i in range(3):
        send(tree, f"b{i}", project="app")
    assert places(sim, "b0", "b1", "b2") == [0, 0, 0]
    assert "thread not found" in wait_for(lambda: notices(sim))[0]["text"]
    with Client(tree) as client:
        dead = client.queue("list", state="dead")
    assert not dead.get("events")
    assert tree.ctl("chats", "resume")[0] == 0
    send(tree, "c1", project="app")
    again, = places(sim, "c1")
    assert again not in (0, first)
    assert created(sim) == ["app", "app"] and len(notices(sim)) == 1


def test_a_topic_that_is_closed_for_a_while(tree_of, sim):
    tree = tree_of()
    send(tree, "a1", project="app")
    thread, = places(sim, "a1")
    sim.fault("status", method="sendMessage", status=400,
              description="Bad Request: TOPIC_CLOSED")
    send(tree, "a2", project="app")
    assert places(sim, "a2") == [0]
    assert tree.ctl("chats", "resume")[0] == 0
    send(tree, "a3", project="app")
    assert places(sim, "a3") == [thread]
    assert created(sim) == ["app"]


def test_questions_are_asked_and_answered_in_the_topic(tree_of, sim):
    tree = tree_of()
    event = approval("Deploy", project="app")
    tree.drop(event)
    message = question_of(sim, "Deploy")
    assert message["thread"] > 1 and buttons(message)
    sim.update(chat=FORUM, user=USER, message_id=message["message_id"],
               button="Approve")
    wait_decided(sim, message, "Approve")
    response, = wait_responses(tree)
    assert response["event_id"] == event["event_id"]


def test_the_summary_after_a_mute_goes_to_general(tree_of, sim):
    tree = tree_of()
    send(tree, "a0", project="app")
    assert places(sim, "a0") != [0]
    assert tree.ctl("mute")[0] == 0
    send(tree, "a1", project="app")
    send(tree, "b1", project="lib")
    tree.wait_settled()
    assert tree.ctl("unmute")[0] == 0
    summary, = wait_for(lambda: [m for m in sim.messages(chat=FORUM)
                                 if "While muted: 2 events" in m["text"]])
    assert summary["thread"] == 0
    assert created(sim) == ["app"]


def test_topics_share_the_rate_of_their_chat(tree_for, sim, forum):
    """As many topics as there may be: the limit is the group's."""
    tree = tree_for(sim, SECTIONS % (forum, "auto"),
                    rate="global = 0  group_per_minute = 8")
    for i in range(16):
        tree.send(type="build_failed", title=f"a{i}", source="tests",
                  description=f"about a{i}", data={"project": f"p{i % 4}"})
    wait_for(lambda: sim.messages(chat=forum))
    time.sleep(2)
    requests = [r for r in sim.requests(1024)
                if r["method"] in ("sendMessage", "createForumTopic")]
    assert 2 <= len(requests) <= 8
