"""The way back: from a press, a reply or a command in the chat to the one
who asked, whatever dies meanwhile."""

import re
import sqlite3
import stat
import time

import pytest

from returnlib import (USER, Asker, approval, ask_by_file, buttons, lose,
                       message_of, question_of, response_files, responses,
                       tokens, wait_decided, wait_responses, wait_toast)
from simlib import wait_for
from submitlib import Client, metrics

KILLED = [None, "queue", "telegram", "intake", "format/0", "supervisor"]
TEN = ["Fast", "Slow", "Never mind", "4", "fünf", "sechs 6", "No, thanks",
       "acht", "neun", "Zehn & <b>"]


def test_question_stands_in_full_with_its_own_options(tree, sim):
    _, message = ask_by_file(tree, sim, "Deploy", TEN)
    assert "Shall it be Deploy?" in message["text"]
    assert buttons(message) == [TEN[i:i + 2] for i in range(0, 10, 2)] + \
        [["📄 Details"]]
    assert all(len(t.encode()) <= 64 for t in tokens(message))
    assert len(set(tokens(message))) == 11
    _, other = ask_by_file(tree, sim, "Undeploy")
    assert buttons(other)[0] == ["Approve", "Deny"]
    assert not set(tokens(other)) & set(tokens(message))


@pytest.mark.parametrize("button, options, action", [
    ("Approve", None, "approve"),
    ("Deny", None, "deny"),
    ("Fast", TEN, "approve"),
    ("No, thanks", TEN, "deny"),
    ("Zehn & <b>", TEN, "approve"),
])
def test_press_becomes_a_response_file(tree, sim, button, options, action):
    event, message = ask_by_file(tree, sim, "Deploy <now> & here", options)
    sim.press(message, button, USER, first_name="Ann", username="ann_x")
    response, = wait_responses(tree)
    assert response["response_type"] == "callback_query"
    assert response["callback_data"] == f"{action}_{event['task_id']}"
    assert response["original_message_id"] == message["message_id"]
    assert response["user_id"] == USER
    assert response["username"] == "ann_x"
    assert response["first_name"] == "Ann"
    assert response["event_id"] == event["event_id"]
    assert response["option"] == button
    assert response["title"] == event["title"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00",
                        response["timestamp"])
    path, = response_files(tree)
    assert re.fullmatch(rf"telegram_callback_{USER}_\d{{8}}_\d{{6}}\w*\.json",
                        path.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    now = wait_decided(sim, message, button, "Ann",
                       "❌" if action == "deny" else "✅")
    assert re.search(r"\d\d:\d\d", now["text"])
    assert "Shall it be" in now["text"]
    assert wait_toast(sim)["text"] == "Done."
    assert not list((tree.dir / "responses").glob("*.tmp*"))


def test_null_among_the_options_killed_the_queue(tree, sim):
    event, message = ask_by_file(tree, sim, "Odd", options=[1, None, "",
                                                             {"a": 1}])
    assert buttons(message) == [["1", "null"], ["(empty)", '{"a":1}'],
                                ["📄 Details"]]
    sim.press(message, "null", USER)
    response, = wait_responses(tree)
    assert response["option"] == "null"
    assert tree.submit({"op": "decision", "id": event["event_id"]})[0]["ok"]
    assert all(w["restarts"] == 0 for w in tree.status()["workers"])


def test_option_as_an_object_denied_counted_as_approved(tree, sim):
    event, message = ask_by_file(tree, sim, "Objects", options=[
        {"text": "Go", "value": "y"}, {"label": "Deny it", "value": "n"}])
    assert buttons(message)[0] == ["Go", "Deny it"]
    sim.press(message, "Deny it", USER)
    response, = wait_responses(tree)
    assert response["callback_data"] == f"deny_{event['task_id']}"
    assert response["option"] == "Deny it"


def test_response_waits_for_its_directory(tree, sim):
    _, message = ask_by_file(tree, sim, "No room")
    directory = tree.dir / "responses"
    directory.rmdir()
    directory.write_text("in the way")
    sim.press(message, "Approve", USER)
    wait_decided(sim, message, "Approve")
    tree.wait_log("is not written")
    directory.unlink()
    directory.mkdir()
    assert len(wait_responses(tree, timeout=15)) == 1


def test_names_never_collide(tree, sim):
    questions = [ask_by_file(tree, sim, f"Question {i}.")[1]
                 for i in range(20)]
    for message in questions:
        sim.press(message, "Approve", USER)
    assert len(wait_responses(tree, 20)) == 20


def test_reply_settles_a_prompt(tree, sim):
    event, message = ask_by_file(tree, sim, "Which branch")
    text = "the one with <b> & \U0001f44d\U0001f3fd"
    sim.say(text, USER, reply_to=message["message_id"], first_name="Ann")
    response, = wait_responses(tree)
    assert response["message_text"] == text
    assert response["message_type"] == "text"
    assert response["event_id"] == event["event_id"]
    assert "callback_data" not in response
    wait_decided(sim, message, "💬", "the one with", "Ann")
    assert tree.submit({"op": "decision", "id": event["event_id"]})[0][
        "text"] == text


def test_details_are_those_of_the_event(tree, sim):
    _, message = ask_by_file(tree, sim, "Run it", details="rm -rf <build>")
    sim.press(message, "📄 Details", USER)
    sim.wait_messages(1, text="rm -rf <build>")
    _, message = ask_by_file(tree, sim, "Run that", file_path="/a/b&c")
    sim.press(message, "📄 Details", USER)
    details = wait_for(lambda: [m for m in sim.messages(text="/a/b&c")
                                if "Details" in m["text"]])
    assert "Shall it be Run that?" in details[0]["text"]
    assert buttons(message_of(sim, message))  # still open
    assert not responses(tree)


def test_all_copies_show_the_decision(tree_for, sim):
    tree = tree_for(sim, users=(1001, 1002))
    event, copies = ask_by_file(tree, sim, "For both", n=2)
    assert {m["chat_id"] for m in copies} == {1001, 1002}
    mine = next(m for m in copies if m["chat_id"] == 1002)
    sim.press(mine, "Approve", 1002, first_name="Bob")
    for message in copies:
        wait_decided(sim, message, "Approve", "Bob")
    assert len(wait_responses(tree)) == 1
    assert wait_responses(tree)[0]["callback_data"] == \
        f"approve_{event['task_id']}"


def test_two_people_pressing_at_once(tree_for, sim):
    tree = tree_for(sim, users=(1001, 1002))
    _, copies = ask_by_file(tree, sim, "Race", n=2)
    for message, button in zip(copies, ("Approve", "Deny")):
        sim.press(message, button, message["chat_id"])
    wait_for(lambda: len(sim.answers()) == 2)
    assert sorted(a["text"] for a in sim.answers()) == \
        ["Already decided.", "Done."]
    time.sleep(0.2)
    assert len(responses(tree)) == 1
    assert refused(tree) == 1
    line, = audit(tree)
    assert re.search(r"user (100[12]) in chat \1: answered", line)


@pytest.mark.parametrize("what", KILLED)
@pytest.mark.parametrize("button, action", [("Approve", "approve"),
                                            ("Deny", "deny")])
def test_asker_gets_the_answer_once(tree, sim, what, button, action):
    event = approval("Survive")
    asker = Asker(tree, event)
    message = question_of(sim, "Survive")
    if what is not None:
        lose(tree, what)
    sim.press(message, button, USER, first_name="Ann")
    answer = asker.result()
    assert answer["ok"] and answer["action"] == action
    assert answer["option"] == button
    assert answer["by"]["user_id"] == USER
    assert answer["by"]["first_name"] == "Ann"
    wait_decided(sim, message, button, "Ann")
    time.sleep(0.2)
    response, = responses(tree)
    assert response["callback_data"] == f"{action}_{event['task_id']}"
    assert len([m for m in sim.messages(text="Survive")]) == 1


@pytest.mark.parametrize("what", ["intake", "queue", "telegram", "all",
                                  "stop"])
def test_orderly_restart_does_not_withdraw(tree, sim, what):
    asker = Asker(tree, approval("Stay"))
    message = question_of(sim, "Stay")
    asker.asked.wait(5)
    if what == "stop":
        assert tree.stop() == 0
        tree.start()
    else:
        tree.ask("restart", worker=what)
        wait_for(lambda: tree.status()["state"] == "ok", 15)
    time.sleep(0.5)
    assert buttons(message_of(sim, message))
    sim.press(message, "Approve", USER)
    assert asker.result()["action"] == "approve"
    assert len(wait_responses(tree)) == 1


@pytest.mark.parametrize("what", KILLED[1:])
def test_file_gets_its_response_once(tree, sim, what):
    event, message = ask_by_file(tree, sim, "From a file", ["Go", "Stop it"])
    lose(tree, what)
    sim.press(message, "Stop it", USER)
    response, = wait_responses(tree)
    assert response["callback_data"] == f"deny_{event['task_id']}"
    wait_decided(sim, message, "Stop it")
    time.sleep(0.2)
    assert len(responses(tree)) == 1


@pytest.mark.parametrize("what", KILLED[1:])
def test_free_text_survives(tree, sim, what):
    asker = Asker(tree, approval("Say a word"))
    message = question_of(sim, "Say a word")
    lose(tree, what)
    sim.say("a word", USER, reply_to=message["message_id"])
    answer = asker.result()
    assert answer["ok"] and answer["action"] == "text"
    assert answer["text"] == "a word" and answer["option"] is None
    wait_decided(sim, message, "a word")


@pytest.mark.parametrize("what", KILLED)
def test_expiry(tree, sim, what):
    asker = Asker(tree, approval("Soon over", timeout_ms=3000))
    message = question_of(sim, "Soon over")
    if what is not None:
        lose(tree, what)
    answer = asker.result()
    assert not answer["ok"] and answer["timed_out"]
    assert answer["error"] == "expired"
    wait_decided(sim, message, "Expired")
    sim.update(chat=USER, user=USER, message_id=message["message_id"],
               data=tokens(message)[0])
    assert "Too late" in wait_toast(sim)["text"]
    time.sleep(0.1)
    assert not responses(tree)


def test_asker_with_a_time_of_its_own(tree, sim):
    asker = Asker(tree, approval("Impatient"), timeout_ms=700)
    message = question_of(sim, "Impatient")
    answer = asker.result()
    assert not answer["ok"] and answer["timed_out"]
    wait_decided(sim, message, "Expired")


def test_hanging_up_withdraws(tree, sim):
    asker = Asker(tree, approval("Never mind"))
    message = question_of(sim, "Never mind")
    asker.hang_up()
    wait_decided(sim, message, "Withdrawn")
    sim.update(chat=USER, user=USER, message_id=message["message_id"],
               data=tokens(message)[0])
    assert "Too late" in wait_toast(sim)["text"]
    assert not responses(tree)


def test_hanging_up_before_it_was_asked(tree, sim):
    """Held back, so that there is no prompt yet."""
    tree.submit({"op": "queue", "cmd": "hold"})
    event = approval("Too early")
    with Client(tree) as client:
        client.send(event)
        client.write({"op": "decision", "id": event["event_id"]})
        time.sleep(0.2)
    wait_for(lambda: Client(tree).show(event["event_id"])["state"] ==
             "suppressed")
    tree.submit({"op": "queue", "cmd": "release"})
    time.sleep(0.3)
    assert not sim.messages(text="Too early")


def test_withdraw_by_order(tree, sim):
    event, message = ask_by_file(tree, sim, "Ordered away")
    answer, = tree.submit({"op": "withdraw", "id": event["event_id"],
                           "reason": "answered at the desk"})
    assert answer["ok"]
    wait_decided(sim, message, "Withdrawn", "answered at the desk")


@pytest.mark.parametrize("what", KILLED[1:])
def test_asker_who_stays_away_withdraws(tree, sim, what):
    """Killed while the asker goes, too: closed after ten seconds."""
    asker = Asker(tree, approval("Abandoned"))
    message = question_of(sim, "Abandoned")
    asker.asked.wait(5)
    asker.gone = True
    if what == "supervisor":
        lose(tree, what)
    else:
        tree.kill(what)
        asker.hang_up()
    wait_decided(sim, message, "Withdrawn", timeout=20)


def test_several_askers_all_hear(tree, sim):
    event = approval("For all")
    askers = [Asker(tree, event) for _ in range(3)]
    message = question_of(sim, "For all")
    askers[0].asked.wait(5)
    time.sleep(0.2)
    askers[0].hang_up()
    time.sleep(0.2)
    assert buttons(message_of(sim, message))  # two still wait
    sim.press(message, "Approve", USER)
    assert [a.result()["action"] for a in askers[1:]] == ["approve"] * 2


def test_asker_hears_that_it_cannot_be_asked(tree, sim):
    sim.chat(USER, blocked=True)
    answer = Asker(tree, approval("Nobody there")).result()
    assert not answer["ok"] and "not delivered" in answer["reason"]


def test_decision_of_an_unknown_event(tree):
    answer, = tree.submit({"op": "decision", "id": "no-such-event"})
    assert not answer["ok"] and answer["code"] == 66


def test_decision_of_what_asks_nothing_waited_for_ever(tree, sim):
    event_id = tree.send(type="info_notification", title="news")
    answer, = tree.submit({"op": "decision", "id": event_id})
    assert (answer["ok"], answer["code"]) == (False, 65)
    assert answer["error"] == "not a question"


def test_decision_that_was_forgotten_waited_for_ever(tree, sim):
    event, message = ask_by_file(tree, sim, "Long ago")
    sim.press(message, "Approve", USER)
    wait_decided(sim, message, "Approve")
    tree.wait_settled()
    assert tree.stop() == 0
    with sqlite3.connect(tree.dir / "state" / "queue.db") as db:
        db.execute("DELETE FROM meta WHERE key LIKE 'prompt.%'")
    db.close()
    tree.start()
    answer, = tree.submit({"op": "decision", "id": event["event_id"]})
    assert (answer["ok"], answer["code"]) == (False, 65)
    assert "not kept" in answer["error"]


def test_approvals_by_cctgctl(tree, sim):
    event, message = ask_by_file(tree, sim, "At the desk", ["Ship", "Abort"])
    listed, = tree.submit({"op": "approvals", "cmd": "list"})
    one, = listed["approvals"]
    assert one["id"] == event["event_id"] and one["title"] == "At the desk"
    assert one["options"] == ["Ship", "Abort"]
    first, second = tree.submit(
        {"op": "approvals", "cmd": "deny", "id": event["event_id"]},
        {"op": "approvals", "cmd": "allow", "id": event["event_id"]})
    assert first["ok"] and first["option"] == "Abort"
    assert not second["ok"] and "already decided" in second["error"]
    assert second["code"] == 65
    wait_decided(sim, message, "Abort")
    response, = wait_responses(tree)
    assert response["callback_data"] == f"deny_{event['task_id']}"


# Presses that do not count.

def refused(tree):
    return metrics(tree)["cctg_presses_refused_total"]


def audit(tree):
    return [l for l in tree.log().splitlines() if "press refused" in l]


def assert_refused(tree, sim, message, user, chat, before=0, toasts=1):
    wait_toast(sim, toasts)
    assert sim.answers()[-1]["text"]
    wait_for(lambda: refused(tree) == before + 1)
    line, = audit(tree)[before:]
    assert f"user {user} in chat {chat}: " in line
    assert buttons(message_of(sim, message))
    assert not responses(tree)


def test_press_by_a_stranger(tree, sim):
    _, message = ask_by_file(tree, sim, "Not yours")
    sim.press(message, "Approve", 666)
    assert_refused(tree, sim, message, 666, USER)


def test_press_in_the_wrong_chat(tree_for, sim):
    tree = tree_for(sim, """
        chat "a" { id = 1001 }
        route "a" { chat = {"a"} }""", users=(1001, 1002))
    _, message = ask_by_file(tree, sim, "Wrong chat")
    elsewhere = tree.submit({"op": "send", "to": "1002", "event": {
        "type": "info_notification", "title": "elsewhere"}})
    assert elsewhere[0]["ok"], elsewhere
    other = sim.wait_messages(1, chat=1002)[0]
    sim.update(chat=1002, user=1002, message_id=other["message_id"],
               data=tokens(message)[0])
    assert_refused(tree, sim, message, 1002, 1002)


def test_press_below_another_message(tree, sim):
    tree.send(type="info_notification", title="another")
    other, = sim.wait_messages(1, text="another")
    _, message = ask_by_file(tree, sim, "Not below that")
    sim.update(chat=USER, user=USER, message_id=other["message_id"],
               data=tokens(message)[0])
    assert_refused(tree, sim, message, USER, USER)


@pytest.mark.parametrize("data", [
    "approve_x", "", "p", "p" + "0" * 33, "x" * 64, "ü" * 20, "p\n",
    "TOKEN9", "TOKEN99", "TOKEN-1", "TOKEN ", "TOKENx", "TOKEN0 ",
])
def test_forged_press(tree, sim, data):
    event, message = ask_by_file(tree, sim, "Forge me")
    data = data.replace("TOKEN", tokens(message)[0][:-1])
    if data == "approve_x":
        data = f"approve_{event['task_id']}"
    sim.update(chat=USER, user=USER, message_id=message["message_id"],
               data=data)
    assert_refused(tree, sim, message, USER, USER)


def test_replayed_press(tree, sim):
    _, message = ask_by_file(tree, sim, "Once only")
    sim.press(message, "Approve", USER)
    wait_responses(tree)
    wait_decided(sim, message, "Approve")
    for i in range(2):
        sim.update(chat=USER, user=USER, message_id=message["message_id"],
                   data=tokens(message)[i])
    wait_toast(sim, 3)
    assert [a["text"] for a in sim.answers()] == \
        ["Done.", "Already decided.", "Already decided."]
    assert refused(tree) == 2
    assert all(f"user {USER} in chat {USER}: answered" in l
               for l in audit(tree)) and len(audit(tree)) == 2
    assert len(responses(tree)) == 1
    assert "Approve" in message_of(sim, message)["text"]


@pytest.mark.parametrize("end, toast, more", [
    ("expired", "Too late: this has expired.", {"timeout_ms": 4000}),
    ("withdrawn", "Too late: this was withdrawn.", {})])
def test_press_after_the_end(tree, sim, end, toast, more):
    event, message = ask_by_file(tree, sim, "Over", **more)
    if end == "withdrawn":
        assert tree.submit({"op": "withdraw", "id": event["event_id"]})[0][
            "ok"]
    before = wait_decided(sim, message, end.capitalize())["text"]
    sim.update(chat=USER, user=USER, message_id=message["message_id"],
               data=tokens(message)[0])
    assert wait_toast(sim)["text"] == toast
    wait_for(lambda: refused(tree) == 1)
    line, = audit(tree)
    assert f"user {USER} in chat {USER}: {end}" in line
    # It has no effect.
    time.sleep(0.2)
    assert not responses(tree)
    assert message_of(sim, message)["text"] == before
    assert not buttons(message_of(sim, message))


def test_press_on_a_copy_whose_id_never_came(tree, sim):
    """Telegram took the message, but its answer was lost."""
    sim.fault("close_after", "sendMessage", count=1)
    event, copies = ask_by_file(tree, sim, "Twice there", n=2)
    sim.press(copies[0], "Approve", USER)
    response, = wait_responses(tree)
    assert response["callback_data"] == f"approve_{event['task_id']}"
    for message in copies:
        wait_decided(sim, message, "Approve")


def test_reply_to_a_copy_whose_id_never_came_settled_nothing(tree, sim):
    sim.fault("close_after", "sendMessage", count=1)
    event, copies = ask_by_file(tree, sim, "Twice asked", n=2)
    sim.say("this way", USER, reply_to=copies[0]["message_id"])
    response, = wait_responses(tree)
    assert response["message_text"] == "this way"
    assert response["event_id"] == event["event_id"]
    for message in copies:
        wait_decided(sim, message, "this way")


def test_late_press_on_a_copy_whose_id_never_came(tree, sim):
    """It kept its buttons for ever."""
    sim.fault("close_after", "sendMessage", count=1)
    _, copies = ask_by_file(tree, sim, "Twice again", n=2)
    tree.wait_settled()
    sim.press(copies[1], "Approve", USER, first_name="Ann")
    wait_decided(sim, copies[1], "Approve", "Ann")
    assert buttons(message_of(sim, copies[0]))
    sim.press(copies[0], "Deny", USER, first_name="Bob")
    assert wait_toast(sim, 2)["text"] == "Already decided."
    wait_decided(sim, copies[0], "Approve", "Ann")
    assert len(responses(tree)) == 1 and refused(tree) == 1


# Updates.

def test_update_delivered_twice_acts_once(tree, sim):
    _, message = ask_by_file(tree, sim, "Twice told")
    ids = [sim.press(message, "Approve", USER)["update_id"],
           sim.say("just once", USER)["update_id"]]
    wait_responses(tree, 2)
    for update in ids:
        sim.redeliver(update)
    sim.say("the end", USER)
    wait_for(lambda: any(r.get("message_text") == "the end"
                         for r in responses(tree)))
    assert len(responses(tree)) == 3
    assert refused(tree) == 0


@pytest.mark.parametrize("what", ["queue", "telegram", "supervisor"])
def test_update_redelivered_after_a_loss_acts_once(tree, sim, what):
    _, message = ask_by_file(tree, sim, "Told again")
    update = sim.press(message, "Approve", USER)["update_id"]
    wait_responses(tree)
    lose(tree, what)
    sim.redeliver(update)
    sim.say("the end", USER)
    wait_for(lambda: any(r.get("message_text") == "the end"
                         for r in responses(tree)))
    assert len(responses(tree)) == 2
    assert len(sim.answers()) == 1


@pytest.mark.parametrize("what", ["queue", "telegram", "supervisor"])
def test_presses_while_it_is_away(tree, sim, what):
    """Killed just when the presses come: each acts once."""
    questions = [ask_by_file(tree, sim, f"Storm {i}.")[1] for i in range(10)]
    pid = tree.pid(what) if what != "supervisor" else None
    for message in questions[:5]:
        sim.press(message, "Approve", USER)
    if pid is None:
        tree.process.kill()
        tree.process.wait()
    else:
        tree.kill(what)
    for message in questions[5:]:
        sim.press(message, "Deny", USER)
    if pid is None:
        tree.start()
    else:
        tree.wait_replaced(what, pid)
    found = wait_responses(tree, 10, timeout=20)
    for message in questions:
        wait_decided(sim, message, timeout=20)
    time.sleep(0.3)
    assert len(responses(tree)) == 10, found
    assert len({r["event_id"] for r in found}) == 10


def test_two_pollers_on_one_token(tree, sim):
    wait_for(lambda: tree.status()["telegram"]["poller"] == "polling")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        sim.api("getUpdates", timeout=0)
        if tree.status()["telegram"]["poller"] == "conflict":
            break
        time.sleep(0.05)
    assert tree.status()["telegram"]["poller"] == "conflict"
    assert tree.status()["state"] == "degraded"
    tree.send(type="info_notification", title="goes on")
    sim.wait_messages(1, text="goes on")
    wait_for(lambda: tree.status()["telegram"]["poller"] == "polling", 20)
    sim.say("heard again", USER)
    wait_responses(tree, timeout=20)


# Plain words.

@pytest.mark.parametrize("mode", ["local", "nomad", "mute"])
def test_plain_text_is_a_response_in_every_mode(tree, sim, mode):
    tree.submit({"op": "mode", "mode": mode})
    sim.say("do the dishes", USER, first_name="Ann", username="ann_x")
    response, = wait_responses(tree)
    assert response["message_text"] == "do the dishes"
    assert response["message_type"] == "text"
    assert response["user_id"] == USER
    path, = response_files(tree)
    assert path.name.startswith(f"telegram_response_{USER}_")
    if mode == "local":
        wait_for(lambda: any(m["reaction"] for m in
                             sim.messages(chat=USER, all=1)))
    elif mode == "nomad":
        sim.wait_messages(1, text="Message received")
    else:
        time.sleep(0.2)
        assert not sim.messages(chat=USER)


def test_reply_names_the_event_it_answers(tree, sim):
    event_id = tree.send(type="task_failed", title="Build broke")
    message, = sim.wait_messages(1, text="Build broke")
    Client(tree).wait_state(event_id, "delivered")
    sim.say("try again", USER, reply_to=message["message_id"])
    response, = wait_responses(tree)
    assert response["event_id"] == event_id
    assert response["title"] == "Build broke"


def test_strangers_get_silence(tree, sim):
    for text in ("hello", "/start", "/help", "/status", "/pair 12345678"):
        sim.say(text, 666)
    sim.say("/help", USER)
    sim.wait_messages(1, chat=USER)
    time.sleep(0.2)
    assert not sim.messages(chat=666)
    assert not responses(tree)


def test_responses_stream(tree, sim):
    with Client(tree) as client:
        client.write({"op": "subscribe"})
        assert client.read()["ok"]
        event, message = ask_by_file(tree, sim, "Streamed")
        sim.press(message, "Approve", USER)
        while (line := client.read()).get("event") != "response":
            pass
        assert line["response"]["callback_data"] == \
            f"approve_{event['task_id']}"
    assert line["response"] == wait_responses(tree)[0]


# Texts.

SPECIAL = "<b>&amp;\"'</b> *_~`>#+-=|{}.![]()\\ 100% \u00df\u4e2d " \
    "\U0001f44d\U0001f3fd\U0001f468\u200d\U0001f469\u200d\U0001f467 " \
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 a\u200bb\u200dc"


def test_special_characters_arrive_as_written(tree, sim):
    tree.send(type="info_notification", title="special",
              description=SPECIAL)
    message, = sim.wait_messages(1, text="special")
    assert SPECIAL in message["text"]
    event, message = ask_by_file(tree, sim, "Special too", ["<&>\"", "no *_"],
                                 details=SPECIAL)
    assert buttons(message)[0] == ["<&>\"", "no *_"]
    sim.press(message, "📄 Details", USER)
    wait_for(lambda: [m for m in sim.messages(text="Details")
                      if SPECIAL in m["text"]])
    sim.press(message, "<&>\"", USER)
    assert wait_responses(tree)[0]["option"] == "<&>\""
    wait_decided(sim, message, "<&>\"")


def test_direction_overrides_do_not_turn_a_prompt(tree, sim):
    evil = "rm \u202e/ fr- \u2066x\u2069"
    event = approval("Turned", ["\u202eseY", "No"], details=evil)
    event["data"]["approval_prompt"] = evil
    tree.drop(event)
    message = question_of(sim, "Turned")
    for text in [message["text"], *sum(buttons(message), [])]:
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)
    sim.press(message, "📄 Details", USER)
    details = wait_for(lambda: [m for m in sim.messages(text="Details")
                                if not buttons(m)])
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", details[0]["text"])
    sim.press(message, 0, USER)
    now = wait_decided(sim, message, "✅")
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", now["text"])
    # Exactly as the asker wrote it, for the machine.
    assert wait_responses(tree)[0]["option"] == "\u202eseY"


@pytest.mark.parametrize("units", [3500, 3700, 3690, 4094, 4095, 4096, 4097,
                                   9000, 30000])
def test_long_question_shows_its_decision(tree, sim, units):
    """The decision needs room, too."""
    words = " ".join(f"w{i}" for i in range(units))[:units - 4] + " END"
    event = approval("Long")
    event["description"] = "x"
    event["data"]["approval_prompt"] = words
    tree.drop(event)
    message = question_of(sim, "")
    time.sleep(0.1)
    before = [m["text"] for m in sim.messages(chat=USER)]
    if units < 16000:
        assert words.split() == [w for t in before for w in t.split()
                                 if re.fullmatch(r"w\d+|w?\d*END|w", w)] or \
            "END" in "".join(before)
    sim.press(message, "Deny", USER, first_name="A" * 64)
    wait_decided(sim, message, "❌ Deny", "AAAA")
    after = [m["text"] for m in sim.messages(chat=USER)]
    assert len(after) == len(before)
    for old, new in zip(before, after):
        assert new.startswith(old[:200])
        assert all(w in new for w in re.findall(r"\bw\d+\b", old))


@pytest.mark.parametrize("units", [4095, 4096, 4097])
def test_text_of_about_the_limit_arrives_whole(tree, sim, units):
    text = "\U0001f44d" * ((units - 8) // 2)
    text += "x" * (units - len(text) * 2)
    sim.say(text, USER)
    assert wait_responses(tree)[0]["message_text"] == text
    tree.send(type="info_notification", title="t", description=text)
    wait_for(lambda: sum(m["text"].count("\U0001f44d")
                         for m in sim.messages(chat=USER)) ==
             text.count("\U0001f44d"))
