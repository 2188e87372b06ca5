"""Commands in the chat: real data for those who may, silence for others."""

import json
import time

import pytest

from returnlib import (USER, approval, ask_by_file, buttons, lose,
                       message_of, question_of, responses, tokens,
                       wait_decided, wait_responses, wait_toast)
from simlib import wait_for
from submitlib import Client, metrics

COMMANDS = ["start", "help", "status", "bridge", "queue", "tasks", "todo",
            "last", "pending", "doctor", "mode", "local", "nomad", "mute",
            "unmute", "approve", "deny", "cct:local", "cct:nomad",
            "cct:mute"]


def command(sim, text, chat=USER, user=None, **more):
    """The answer to a command."""
    n = len(sim.messages(chat=chat))
    sim.say(text, chat, user, **more)
    return sim.wait_messages(n + 1, chat=chat)[n]["text"]


def silence(sim, chat, seconds=0.4):
    n = len(sim.messages(chat=chat))
    time.sleep(seconds)
    assert len(sim.messages(chat=chat)) == n


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_answered(tree, sim, name):
    assert command(sim, f"/{name}")
    assert not responses(tree)
    silence(sim, USER, 0.1)


def test_unknown_command_gets_help(tree, sim):
    for text in ("/frobnicate", "/", "/helpp now", "/" + "x" * 100, "/cct:x",
                 "//", "/status2"):
        answer = command(sim, text)
        for name in ("/help", "/status", "/approve", "/mute"):
            assert name in answer


def test_names_are_taken_in_any_case(tree, sim):
    assert command(sim, "/STATUS") == command(sim, "/status")


def test_commands_for_another_bot_are_not_ours(tree, sim):
    name = wait_for(lambda: tree.status()["telegram"]["bot"]).lstrip("@")
    sim.say("/status@some_other_bot", USER)
    silence(sim, USER)
    assert "Delivered" in command(sim, f"/status@{name}")
    assert "Delivered" in command(sim, f"/status@{name.upper()}")
    # And a new queue knows the name, too.
    lose(tree, "queue")
    sim.say("/status@some_other_bot", USER)
    silence(sim, USER)


def test_status_and_lists_are_true(tree, sim):
    for i in range(3):
        tree.send(type="task_completion", title=f"Task <{i}> & co",
                  task_id=f"t{i}")
    sim.wait_messages(3)
    tree.wait_settled()
    answer = command(sim, "/status")
    assert "Delivered: 3" in answer and "Waiting: 0" in answer
    assert "local" in answer
    for name in ("/last", "/tasks"):
        answer = command(sim, name)
        assert all(f"Task <{i}> & co" in answer for i in range(3)), answer
    assert "Nothing waits" in command(sim, "/queue")
    tree.submit({"op": "queue", "cmd": "hold"})
    tree.send(type="info_notification", title="Held <back>")
    wait_for(lambda: tree.status()["queue"]["pending"] == 1)
    assert "Held <back>" in command(sim, "/queue")
    assert "Waiting: 1" in command(sim, "/status")
    tree.submit({"op": "queue", "cmd": "release"})
    sim.wait_messages(1, text="Held <back>")


def test_todo_reads_what_the_mcp_server_wrote(tree_for, sim, tmp_path):
    (tmp_path / "claude_current_session_todos.json").write_text(json.dumps({
        "session_id": "s", "timestamp": "2026-11-21T05:00:00.000Z",
        "todos": [
            {"id": "1", "content": "Write <it>", "status": "completed"},
            {"id": "2", "content": "Test it", "status": "in_progress"},
            {"id": "3", "content": "Ship it", "status": "pending"}]}))
    tree_for(sim, users=(USER,), env={"TMPDIR": str(tmp_path)})
    answer = command(sim, "/todo")
    assert "✅ Write <it>" in answer and "🔧 Test it" in answer
    assert "⬜ Ship it" in answer


def test_pending_keeps_its_numbers(tree, sim):
    questions = [ask_by_file(tree, sim, f"Question {c}") for c in "ABC"]
    answers = []
    n = len(sim.messages())
    sim.say("/pending", USER)
    answers = sim.wait_messages(n + 3)[n:]
    number = {c: next(m["text"].split(".")[0] for m in answers
                      if f"Question {c}" in m["text"]) for c in "ABC"}
    assert len(set(number.values())) == 3
    command(sim, f"/approve {number['A']}")
    wait_decided(sim, questions[0][1], "Approve")
    # What was the second is not the third now.
    command(sim, f"/deny {number['B']}")
    wait_decided(sim, questions[1][1], "Deny")
    assert buttons(message_of(sim, questions[2][1]))
    assert "already decided" in command(sim, f"/deny {number['A']}").lower()
    # The only one that is left needs none.
    command(sim, "/approve")
    wait_decided(sim, questions[2][1], "Approve")
    assert [r["callback_data"].split("_")[0] for r in
            wait_responses(tree, 3)] == ["approve", "deny", "approve"]
    assert "No question" in command(sim, "/pending")


def test_approve_by_reply_and_by_id(tree, sim):
    first, one = ask_by_file(tree, sim, "By reply", ["Ship", "Abort"])
    second, two = ask_by_file(tree, sim, "By id", ["Ship", "Abort"])
    assert "/pending" in command(sim, "/approve")  # which one?
    command(sim, "/deny", reply_to=one["message_id"])
    wait_decided(sim, one, "Abort")
    command(sim, f"/approve {second['event_id']}")
    wait_decided(sim, two, "Ship")
    found = {r["event_id"]: r for r in wait_responses(tree, 2)}
    assert found[first["event_id"]]["option"] == "Abort"
    assert found[first["event_id"]]["original_message_id"] == \
        one["message_id"]
    assert found[second["event_id"]]["option"] == "Ship"


@pytest.mark.parametrize("reply", ["decided", "other"])
def test_reply_never_decides_another_question(tree, sim, reply):
    """The only open one was taken when that of the reply was over."""
    event, over = ask_by_file(tree, sim, "Over")
    tree.send(type="info_notification", title="Just news")
    news, = sim.wait_messages(1, text="Just news")
    sim.press(over, "Approve", USER)
    wait_decided(sim, over, "Approve")
    tree.wait_settled()
    _, still_open = ask_by_file(tree, sim, "Still open")
    to = over if reply == "decided" else news
    answer = command(sim, "/deny", reply_to=to["message_id"])
    assert ("already decided" if reply == "decided" else "/pending") in answer
    assert buttons(message_of(sim, still_open))
    assert len(wait_responses(tree)) == 1


def test_message_in_a_topic_is_no_reply(tree_for, sim):
    """Each of them seems to answer the one that began the topic."""
    sim.chat(-1001234567890, type="supergroup", forum=True, topics=[7])
    tree = tree_for(sim, """
        chat "ops" { id = -1001234567890  thread = 7 }
        route "all" { chat = {"ops"} }""", users=(1001,))
    _, message = ask_by_file(tree, sim, "In a topic")
    chat = {"id": -1001234567890, "type": "supergroup", "is_forum": True}
    sim.update(raw={"message": {
        "message_id": 99, "chat": chat, "text": "/approve",
        "from": {"id": 1001, "first_name": "Ann"}, "date": 1795275865,
        "message_thread_id": 7, "is_topic_message": True,
        "reply_to_message": {"message_id": 7, "chat": chat,
                             "date": 1795275865,
                             "forum_topic_created": {"name": "x"}}}})
    wait_decided(sim, message, "Approve")


def test_mute_for_a_second_ends_by_itself(tree, sim):
    assert "mute" in command(sim, "/mute 1s")
    ids = [tree.send(type="info_notification", title=f"Quiet {i}")
           for i in range(3)]
    summary, = sim.wait_messages(1, text="While muted: 3 events")
    for i in range(3):
        assert f"Quiet {i}" in summary["text"]
    time.sleep(0.3)
    assert len(sim.messages(text="While muted")) == 1
    assert len(sim.messages(text="Quiet")) == 1
    with Client(tree) as client:
        for i in ids:
            assert client.show(i)["reason"] == "muted"
    assert tree.status()["mode"] == "local"
    tree.send(type="info_notification", title="Loud")
    sim.wait_messages(1, text="Loud")


def test_mute_lets_approvals_through_silently(tree, sim):
    command(sim, "/nomad")
    command(sim, "/mute")
    tree.send(type="task_failed", title="Even this is held")
    _, message = ask_by_file(tree, sim, "Urgent")
    assert message["silent"]
    sim.press(message, "Approve", USER)
    wait_responses(tree)
    assert not sim.messages(text="Even this")
    assert "nomad" in command(sim, "/unmute")  # back to what it was
    sim.wait_messages(1, text="While muted: 1 event")


@pytest.mark.parametrize("text", ["/mute soon", "/mute -1h", "/mute 1x",
                                  "/mode loud"])
def test_bad_arguments_change_nothing(tree, sim, text):
    assert command(sim, text)
    assert tree.status()["mode"] == "local"


def test_mode_by_chat_by_file_and_by_order(tree, sim):
    for how, mode in (("chat", "nomad"), ("file", "mute"), ("ctl", "local"),
                      ("chat", "mute"), ("file", "nomad")):
        if how == "chat":
            assert mode in command(sim, f"/{mode}")
        elif how == "ctl":
            assert tree.ctl("mode", mode)[0] == 0
        else:
            n = len(sim.messages())
            tree.drop({"type": "info_notification", "source": "claude-code",
                       "title": "Mode Switch Request",
                       "description": f"/cct:{mode}",
                       "data": {"command": f"/cct:{mode}",
                                "requested_mode": mode}}, f"{mode}.json")
            assert mode in sim.wait_messages(n + 1)[n]["text"]
        wait_for(lambda m=mode: tree.status()["mode"] == m)
        assert mode in command(sim, "/mode")


def test_restart_replaces_the_workers(tree, sim):
    before = tree.pids()
    answer = command(sim, "/restart")
    assert "workers" in answer

    def replaced():
        now = tree.pids()
        return all(now.get(name) not in (pid, None) or name == "cctgd"
                   for name, pid in before.items()) and \
            tree.status()["state"] == "ok"

    wait_for(replaced, 20)
    time.sleep(0.5)
    again = tree.pids()
    time.sleep(0.5)
    assert tree.pids() == again  # once
    assert "Delivered" in command(sim, "/status")


def test_group_and_topic(tree_for, sim):
    """Whoever is allowed may press in a group; answers stay in the topic."""
    sim.chat(-1001234567890, type="supergroup", forum=True, topics=[7])
    tree = tree_for(sim, """
        chat "ops" { id = -1001234567890  thread = 7 }
        route "all" { chat = {"ops"} }""", users=(1001,))
    _, message = ask_by_file(tree, sim, "In a group", details="deep inside")
    assert message["thread"] == 7
    sim.press(message, "Approve", 666)
    assert wait_toast(sim)["text"]
    sim.press(message, "📄 Details", 1001)
    details, = sim.wait_messages(1, text="deep inside")
    assert details["thread"] == 7
    assert command(sim, "/status", -1001234567890, 1001, thread=7)
    assert sim.messages(chat=-1001234567890)[-1]["thread"] == 7
    sim.say("/status", -1001234567890, 666, thread=7)
    sim.press(message, "Approve", 1001)
    wait_decided(sim, message, "Approve")
    assert metrics(tree)["cctg_presses_refused_total"] == 1


# People.

def pair(tree):
    answer, = tree.submit({"op": "pair"})
    assert answer["ok"] and len(answer["code"]) == 8 and answer["expires"]
    return answer["code"]


def users(tree):
    answer, = tree.submit({"op": "users", "cmd": "list"})
    return {u["id"]: u for u in answer["users"]}


@pytest.mark.parametrize("verb", ["start", "pair"])
def test_pairing(tree, sim, verb):
    code = pair(tree)
    assert "Paired" in command(sim, f"/{verb} {code.lower()} ", 77,
                               first_name="Zoe")
    assert users(tree)[77]["role"] == "approver"
    assert users(tree)[USER]["role"] == "admin"
    assert users(tree)[USER]["configured"]
    # Once only.
    sim.say(f"/{verb} {code}", 78)
    silence(sim, 78)
    assert 78 not in users(tree)
    lose(tree, "queue")
    assert users(tree)[77]["role"] == "approver"
    assert command(sim, "/help", 77)


def test_five_wrong_codes_lock_the_sender(tree, sim):
    code = pair(tree)
    for i in range(5):
        sim.say(f"/pair WRONG{i}XX", 77)
    sim.say("/pair", 77)
    wait_for(lambda: "locked out" in tree.log())
    lose(tree, "queue")
    sim.say(f"/pair {code}", 77)
    silence(sim, 77)
    assert 77 not in users(tree)
    # Somebody else may still use it.
    assert "Paired" in command(sim, f"/start {code}", 78)


def test_roles(tree, sim):
    for user, role in ((11, "viewer"), (12, "operator"), (13, "approver")):
        answer, = tree.submit({"op": "users", "cmd": "add", "user": user,
                               "role": role})
        assert answer["ok"]
    assert "Delivered" in command(sim, "/status", 11)
    assert "operator" in command(sim, "/mute", 11)
    assert "mute" in command(sim, "/mute", 12)
    assert "local" in command(sim, "/local", 12)
    _, message = ask_by_file(tree, sim, "Who may")
    assert "approver" in command(sim, "/approve", 12)
    for n, user in enumerate((11, 12), 1):
        sim.press(message, "Approve", user)
        assert "may not" in wait_toast(sim, n)["text"]
    assert metrics(tree)["cctg_presses_refused_total"] == 2
    assert "admin" in command(sim, "/restart", 13)
    sim.press(message, "Approve", 13, first_name="Kim")
    wait_decided(sim, message, "Kim")
    assert "/approve" not in command(sim, "/help", 11)
    tree.submit({"op": "users", "cmd": "remove", "user": 13})
    sim.say("/help", 13)
    silence(sim, 13)


def test_viewer_cannot_settle_by_reply(tree, sim):
    tree.submit({"op": "users", "cmd": "add", "user": 12,
                 "role": "operator"})
    _, message = ask_by_file(tree, sim, "Not by reply")
    sim.say("yes", USER, 12, reply_to=message["message_id"])
    wait_responses(tree)
    assert buttons(message_of(sim, message))
