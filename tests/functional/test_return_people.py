"""Who may talk to the bot, what each of them may do and gets, and what is
said of those who decide at the machine."""

import os
import pwd
import signal
import sqlite3
import time

import pytest

from returnlib import (USER, ask_by_file, buttons, lose, message_of,
                       question_of, responses, wait_decided, wait_responses,
                       wait_toast)
from simlib import wait_for
from submitlib import Client, metrics
from test_return_commands import command, pair, silence, users

ROLES = ["viewer", "operator", "approver", "admin"]
# The least role, as cctgd(8) has it.
COMMANDS = {
    "start": "viewer", "help": "viewer", "status": "viewer",
    "bridge": "viewer", "queue": "viewer", "tasks": "viewer",
    "todo": "viewer", "last": "viewer", "pending": "viewer",
    "doctor": "viewer", "mode": "operator", "local": "operator",
    "nomad": "operator", "mute": "operator", "unmute": "operator",
    "cct:local": "operator", "cct:nomad": "operator",
    "cct:mute": "operator", "approve": "approver", "deny": "approver",
    "restart": "admin",
}


def add(tree, user, role):
    answer, = tree.submit({"op": "users", "cmd": "add", "user": user,
                           "role": role})
    assert answer["ok"], answer


def remove(tree, user):
    answer, = tree.submit({"op": "users", "cmd": "remove", "user": user})
    assert answer["ok"], answer


def keep(tree, key, change):
    """While nobody runs, change what the store keeps of people."""
    assert tree.stop() == 0
    with sqlite3.connect(tree.dir / "state" / "queue.db") as db:
        value, = db.execute("SELECT value FROM meta WHERE key = ?",
                            (key,)).fetchone()
        db.execute("UPDATE meta SET value = ? WHERE key = ?",
                   (change(value), key))
    db.close()
    tree.start()


def earlier(ms):
    """The last number of a value, so much less."""
    def change(value):
        *rest, last = value.split()
        return " ".join([*rest, str(int(last) - ms)])
    return change


@pytest.mark.parametrize("role", ROLES)
def test_each_command_for_each_role(tree, sim, role):
    add(tree, 77, role)
    listed = command(sim, "/help", 77)
    for name, least in COMMANDS.items():
        may = ROLES.index(role) >= ROLES.index(least)
        if ":" not in name and name != "bridge":
            assert (f"/{name} " in listed) == may, name
        if may and name == "restart":
            continue  # test_restart_replaces_the_workers
        answer = command(sim, f"/{name}", 77)
        assert answer.startswith("🔒") == (not may), (name, answer)
        assert may or least in answer
    assert tree.status()["mode"] == "local" or role != "viewer"


def test_no_command_for_a_stranger(tree, sim):
    for name in COMMANDS:
        sim.say(f"/{name}", 666)
    assert command(sim, "/help")  # behind all of those
    silence(sim, 666)
    assert tree.status()["mode"] == "local"


@pytest.mark.parametrize("role", ROLES)
def test_plain_text_of_any_role_is_a_response(tree, sim, role):
    add(tree, 77, role)
    sim.say("do the dishes", 77, first_name="Vi")
    response, = wait_responses(tree)
    assert response["message_text"] == "do the dishes"
    assert response["user_id"] == 77 and response["first_name"] == "Vi"


def test_viewers_reply_is_not_taken_for_the_answer(tree, sim):
    """Its file must not name the event: whoever asked would believe it."""
    add(tree, 77, "viewer")
    event, message = ask_by_file(tree, sim, "Not for viewers")
    Client(tree).wait_state(event["event_id"], "delivered")
    sim.say("yes", USER, 77, reply_to=message["message_id"])
    response, = wait_responses(tree)
    assert response["message_text"] == "yes"
    assert "event_id" not in response and "title" not in response
    sim.wait_messages(1, text="You may not answer this.")
    assert buttons(message_of(sim, message))
    # Looking at the details is not answering.
    sim.press(message, "📄 Details", 77)
    sim.wait_messages(1, text="Details")
    sim.press(message, "Approve", 77)
    assert "may not" in wait_toast(sim, 2)["text"]
    assert metrics(tree)["cctg_presses_refused_total"] == 1


def test_late_reply_is_no_second_answer(tree, sim):
    event, message = ask_by_file(tree, sim, "Answered once")
    Client(tree).wait_state(event["event_id"], "delivered")
    sim.say("first", USER, reply_to=message["message_id"])
    wait_decided(sim, message, "first")
    sim.say("second", USER, reply_to=message["message_id"])
    sim.wait_messages(1, text="Already decided.")
    first, second = wait_responses(tree, 2)
    assert first["event_id"] == event["event_id"]
    assert second["message_text"] == "second" and "event_id" not in second
    assert "second" not in message_of(sim, message)["text"]


def test_photo_is_no_answer(tree, sim):
    """Its file named the event, and said "[non-text message]"."""
    event, message = ask_by_file(tree, sim, "In words")
    Client(tree).wait_state(event["event_id"], "delivered")
    chat = {"id": USER, "type": "private"}
    sim.update(raw={"message": {
        "message_id": 4711, "chat": chat, "date": 1795275865,
        "from": {"id": USER, "first_name": "Ann"}, "photo": [],
        "reply_to_message": {"message_id": message["message_id"],
                             "chat": chat, "date": 1795275865}}})
    sim.wait_messages(1, text="Only words or a button")
    response, = wait_responses(tree)
    assert response["message_type"] == "other"
    assert "event_id" not in response
    assert buttons(message_of(sim, message))


# Guests: let in by us, not by the configuration.

def titles(sim, chat, word):
    return [m for m in sim.messages(chat=chat, text=word)]


def test_guests_who_may_answer_are_asked(tree, sim):
    for user, role in ((21, "approver"), (22, "admin"), (23, "operator"),
                       (24, "viewer")):
        add(tree, user, role)
    assert "Paired" in command(sim, f"/start {pair(tree)}", 25)
    event, _ = ask_by_file(tree, sim, "For all of you", n=4)
    copies = {m["chat_id"]: m for m in sim.messages(text="For all of you")}
    assert set(copies) == {USER, 21, 22, 25}
    sim.press(copies[21], "Deny", 21, first_name="Kim")
    for message in copies.values():
        wait_decided(sim, message, "Deny", "Kim")
    response, = wait_responses(tree)
    assert response["user_id"] == 21
    assert response["callback_data"] == f"deny_{event['task_id']}"


def test_guests_get_events_until_they_are_removed(tree, sim):
    add(tree, 21, "approver")
    tree.send(type="info_notification", title="one.")
    sim.wait_messages(1, chat=21, text="one.")
    lose(tree, "queue")
    tree.send(type="info_notification", title="two.")
    sim.wait_messages(1, chat=21, text="two.")
    tree.conf.write_text(tree.conf.read_text() + "\n")
    assert tree.ask("reload")["ok"]
    tree.send(type="info_notification", title="three.")
    sim.wait_messages(1, chat=21, text="three.")
    add(tree, 21, "viewer")
    tree.send(type="info_notification", title="four.")
    sim.wait_messages(1, chat=USER, text="four.")
    remove(tree, 21)
    tree.send(type="info_notification", title="five.")
    sim.wait_messages(1, chat=USER, text="five.")
    tree.wait_settled()
    assert not titles(sim, 21, "four.") and not titles(sim, 21, "five.")


@pytest.mark.parametrize("how", ["removed", "viewer"])
def test_what_waits_for_a_guest_goes_with_them(tree, sim, how):
    """All that was held back would still have come."""
    add(tree, 21, "approver")
    tree.send(type="info_notification", title="before.")
    sim.wait_messages(1, chat=21, text="before.")
    tree.submit({"op": "queue", "cmd": "hold"})
    ids = [tree.send(type="info_notification", title=f"held {i}.")
           for i in range(600)]  # more than the queue keeps in memory
    if how == "removed":
        remove(tree, 21)
        tree.kill_impatiently("queue")
    else:
        add(tree, 21, "viewer")
    tree.submit({"op": "queue", "cmd": "release"})
    tree.wait_settled()
    with Client(tree) as client:
        for event_id in (ids[0], ids[-1]):
            shown = client.wait_state(event_id, "delivered")
            assert {d["chat"]: (d["state"], d["reason"])
                    for d in shown["deliveries"]} == {
                USER: ("delivered", None), 21: ("suppressed", "cancelled")}
    assert len(sim.messages(chat=21)) == 1
    # And back again.
    add(tree, 21, "approver")
    tree.send(type="info_notification", title="after.")
    sim.wait_messages(1, chat=21, text="after.")


def test_guests_stay_out_of_what_has_a_chat(tree_for, sim):
    tree = tree_for(sim, """
        chat "ops" { id = -1001 }
        route "ops" { type = {"build_*"}  chat = {"ops"} }""", users=(USER,))
    add(tree, 21, "approver")
    tree.send(type="build_failed", title="to ops")
    sim.wait_messages(1, chat=-1001, text="to ops")
    tree.send(type="info_notification", title="to all")
    sim.wait_messages(1, chat=21, text="to all")
    tree.wait_settled()
    assert not titles(sim, 21, "to ops")


@pytest.mark.parametrize("refusal", [
    {"kind": "forbidden", "description":
     "Forbidden: bot can't initiate conversation with a user"},
    {"kind": "status", "status": 400,
     "description": "Bad Request: chat not found"}])
def test_guest_who_never_wrote_kills_one_copy_only(tree, sim, refusal):
    """Telegram lets a bot write only to those who wrote to it."""
    add(tree, 21, "approver")
    sim.fault(method="sendMessage", chat=21, count=-1, **refusal)
    with Client(tree) as client:
        first = client.send({"type": "info_notification", "title": "one."})
        shown = client.wait_state(first, "dead")
        assert {d["chat"]: d["state"] for d in shown["deliveries"]} == {
            USER: "delivered", 21: "dead"}
        for title in ("two.", "three."):
            event_id = client.send({"type": "info_notification",
                                    "title": title})
            shown = client.wait_state(event_id, "delivered")
            assert [d["chat"] for d in shown["deliveries"]] == [USER]
        sim.clear_faults()
        assert command(sim, "/status", 21)
        event_id = client.send({"type": "info_notification",
                                "title": "four."})
        sim.wait_messages(1, chat=21, text="four.")


def test_orders_are_on_disk_when_they_are_answered(tree, sim):
    """Killed at once: somebody who had been removed was still there."""
    event, message = ask_by_file(tree, sim, "Order.")
    tree.wait_settled()
    orders = [("users", {"cmd": "add", "user": 21, "role": "viewer"}),
              ("users", {"cmd": "remove", "user": 21}),
              ("approvals", {"cmd": "deny", "id": event["event_id"]})]
    for op, more in orders:
        pid = tree.pid("queue")
        with Client(tree) as client:
            answer = client.ask(op, **more)
            os.kill(pid, signal.SIGKILL)
        assert answer["ok"], answer
        wait_for(lambda p=pid: tree.pid("queue") != p, interval=0.002)
        if tree.pid("queue") is None:
            tree.ask("restart", worker="queue")
        tree.wait_replaced("queue", pid)
        assert (21 in users(tree)) == (more["cmd"] == "add")
    answer, = tree.submit({"op": "decision", "id": event["event_id"]})
    assert answer["action"] == "deny"
    wait_decided(sim, message, "Deny")


def test_name_of_a_guest_outlives_another_role(tree, sim):
    sim.say(f"/pair {pair(tree)}", 21, first_name="Zoe")
    wait_for(lambda: 21 in users(tree))
    add(tree, 21, "viewer")
    assert (users(tree)[21]["name"], users(tree)[21]["role"]) == (
        "Zoe", "viewer")
    lose(tree, "queue")
    assert (users(tree)[21]["name"], users(tree)[21]["role"]) == (
        "Zoe", "viewer")


# Pairing's hours.

@pytest.mark.parametrize("ago_ms, good", [(3500000, True), (3600000, False)])
def test_pairing_code_expires_after_an_hour(tree, sim, ago_ms, good):
    code = pair(tree)
    keep(tree, f"pair.{code}", earlier(ago_ms))
    sim.say(f"/start {code}", 77)
    if good:
        sim.wait_messages(1, chat=77, text="Paired")
        return
    tree.wait_log("user 77 sent a wrong pairing code")
    silence(sim, 77)
    assert 77 not in users(tree)


def test_lock_of_a_sender_ends_after_an_hour(tree, sim):
    code = pair(tree)
    for _ in range(5):
        sim.say("/pair WRONGXXX", 77)
    tree.wait_log("is locked out for an hour")
    keep(tree, "wrong.77", earlier(3400000))
    sim.say(f"/pair {code}", 77)
    silence(sim, 77)
    assert 77 not in users(tree)
    keep(tree, "wrong.77", earlier(300000))
    sim.say(f"/pair {code}", 77)
    sim.wait_messages(1, chat=77, text="Paired")
    assert users(tree)[77]["role"] == "approver"


# Updates that Telegram numbers anew.

def test_lower_update_ids_after_a_silent_week_act(tree, sim):
    """Once, and again only after the next silence."""
    sim.say("before", USER)
    wait_responses(tree)
    week_ms = 7 * 86400 * 1000
    keep(tree, "update.offset", lambda value:
         f"900000000 {int(value.split()[1]) - week_ms}")
    update = sim.say("after", USER)["update_id"]
    assert update < 900000000
    wait_responses(tree, 2)
    lose(tree, "telegram")
    sim.redeliver(update)
    sim.say("the end", USER)
    wait_for(lambda: any(r["message_text"] == "the end"
                         for r in responses(tree)))
    assert [r["message_text"] for r in responses(tree)] == [
        "before", "after", "the end"]


# At the machine.

def test_decision_at_the_machine_names_its_account(tree, sim):
    event, message = ask_by_file(tree, sim, "At the machine")
    assert tree.ctl("approvals", "allow", event["event_id"])[0] == 0
    name = f"{pwd.getpwuid(os.getuid()).pw_name} (cctgctl)"
    wait_decided(sim, message, f"Approve — {name}")
    response, = wait_responses(tree)
    assert response["user_id"] == 0 and response["username"] is None
    assert response["first_name"] == name
    tree.wait_log(f"allow by {name}")


def test_refused_reaction_becomes_a_reply(tree, sim):
    sim.fault("status", "setMessageReaction", status=400, count=2,
              description="Bad Request: REACTION_INVALID")
    said = sim.say("are you there", USER)
    reply, = sim.wait_messages(1, chat=USER)
    assert reply["text"] == "⚡"
    assert reply["reply_to"] == said["message_id"]
    _, message = ask_by_file(tree, sim, "In words")
    said = sim.say("yes", USER, reply_to=message["message_id"])
    reply, = sim.wait_messages(1, chat=USER, text="👍")
    assert reply["reply_to"] == said["message_id"]
    time.sleep(0.2)
    assert len(sim.messages(chat=USER)) == 3


# Questions of a strange shape.

@pytest.mark.parametrize("prompt", [[], {}, "", None, "  "])
def test_empty_prompt_asks_by_the_description(tree, sim, prompt):
    tree.drop({"type": "approval_request", "title": "Empty", "source": "x",
               "event_id": "e1", "description": "Delete it all?",
               "data": {"approval_prompt": prompt}})
    message = question_of(sim, "Empty")
    assert "Delete it all?" in message["text"]
    assert "Question" not in message["text"]
    assert "none" not in message["text"]
    listed, = tree.submit({"op": "approvals", "cmd": "list"})
    assert listed["approvals"][0]["question"].strip() in ("Delete it all?", "")


@pytest.mark.parametrize("timeout", [
    {"timeout_minutes": 0.05}, {"timeout_ms": "3000"}, {"timeout_ms": 3e3}])
def test_timeout_of_another_type_counts(tree, sim, timeout):
    _, message = ask_by_file(tree, sim, "Soon over", **timeout)
    wait_decided(sim, message, "Expired")


@pytest.mark.parametrize("timeout", [9223372036854775807, -5, 0, 1e300, "x"])
def test_timeout_beyond_all_measure_is_none(tree, sim, timeout):
    event, message = ask_by_file(tree, sim, "For long", timeout_ms=timeout)
    listed, = tree.submit({"op": "approvals", "cmd": "list"})
    assert listed["approvals"][0]["expires_at"].startswith("20")
    sim.press(message, "Approve", USER)
    assert wait_responses(tree)[0]["event_id"] == event["event_id"]
