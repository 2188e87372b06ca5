"""cctg-telegram's poller, alone, against the simulator: what people do comes
to the queue, once it is confirmed never again, and in trouble it says so."""

import json
import re
import socket
import threading
import time

import pytest

from simlib import TOKEN, wait_for
from test_telegram import (CONNECTED, DOWN, OFF,  # noqa: F401
                           worker, worker_factory)

NOT, POLLING, CONFLICT = range(3)


def polls(sim):
    """The bodies of the polls that the simulator has answered."""
    return [json.loads(r["body"]) for r in sim.requests(1024)
            if r["method"] == "getUpdates"]


def wait_poller(worker, state, timeout=10.0):
    return wait_for(lambda: (s := worker.slot())["poller"] == state and s,
                    timeout, 0.05, why=f"poller {state}; log {worker.log}")


@pytest.fixture
def poller(sim, worker):
    worker.wait_state(CONNECTED)
    worker.do("poll")
    wait_poller(worker, POLLING)
    return worker


def updates(worker):
    return [got for got in map(json.loads, list(worker.lines))
            if got["event"] == "update"]


def test_nothing_is_polled_before_the_queue_says_from_where(sim, worker):
    worker.wait_state(CONNECTED)
    time.sleep(0.3)
    assert worker.slot()["poller"] == NOT
    assert polls(sim) == []
    worker.do("poll", offset=77)
    wait_poller(worker, POLLING)
    assert polls(sim)[0]["offset"] == 77
    assert polls(sim)[0]["allowed_updates"] == [
        "message", "edited_message", "callback_query", "my_chat_member"]


def test_without_a_token_nothing_is_polled(sim, worker_factory):
    worker = worker_factory(sim.url, token="")
    worker.do("poll")
    time.sleep(0.3)
    slot = worker.slot()
    assert (slot["poller"], slot["state"]) == (NOT, OFF)
    assert sim.requests() == []
    worker.config(sim.url)
    wait_poller(worker, POLLING)


def test_message_comes_as_it_is(sim, poller):
    text = "a \"b\" \\ / \n ä \U0001f525 \u200f <b>"
    number = sim.say(text, chat=-1005, user=7, first_name="Ann",
                     thread=3)["update_id"]
    got = poller.wait("update", id=number, timeout=2)["json"]
    assert got["update_id"] == number
    assert got["message"]["text"] == text
    assert got["message"]["from"]["id"] == 7
    assert abs(poller.slot()["last_update_ms"] / 1000 - time.time()) < 5


def test_press_is_told_and_answered(sim, poller):
    poller.outcome("Deploy?", chat=7, markup=json.dumps(
        {"inline_keyboard": [[{"text": "Yes", "callback_data": "abc"}]]}))
    message, = sim.messages()
    sim.press(message, "Yes", 7)
    query = poller.wait("update")["json"]["callback_query"]
    assert query["data"] == "abc"
    done = poller.outcome("Decided: Yes", chat=0, method="answer",
                          document_name=query["id"], id=1 << 62)
    assert done["outcome"] == "delivered"
    assert sim.answers()[0]["text"] == "Decided: Yes"
    # A query that nobody knows, or no more.
    done = poller.outcome("", chat=0, method="answer", document_name="1")
    assert (done["outcome"], done["code"]) == ("refused", 400)


def test_offset_moves_only_behind_what_was_seen(sim, poller):
    poller.do("updates", how="hold")
    first = sim.say("one", chat=7)["update_id"]
    poller.wait("update", id=first)
    second = sim.say("two", chat=7)["update_id"]
    time.sleep(0.5)
    assert updates(poller) == []
    assert sim.stats()["polls_open"] == 0
    poller.do("update_seen", id=first)
    poller.wait("update", id=second)
    assert polls(sim)[-1]["offset"] == first + 1
    poller.do("update_seen", id=second)
    wait_for(lambda: sim.stats()["polls_open"] == 1)
    assert polls(sim)[-1]["offset"] == second + 1


def test_batches_of_100(sim, worker):
    worker.wait_state(CONNECTED)
    numbers = [sim.say(f"text {i}", chat=7)["update_id"] for i in range(250)]
    worker.do("poll")
    wait_for(lambda: len(updates(worker)) == 250)
    assert [u["id"] for u in updates(worker)] == numbers
    wait_poller(worker, POLLING)
    assert [p.get("offset") for p in polls(sim)[:4]] == [
        None, numbers[99] + 1, numbers[199] + 1, numbers[249] + 1]


def test_a_queue_without_credit_makes_the_poller_wait(sim, worker):
    worker.wait_state(CONNECTED)
    numbers = [sim.say(f"text {i}", chat=7)["update_id"] for i in range(150)]
    # It has taken 100 before and given no credit back for them.
    worker.do("updates", how="keep")
    worker.do("poll")
    wait_for(lambda: len(updates(worker)) == 100)
    worker.do("update_seen", id=numbers[99])
    wait_for(lambda: len(updates(worker)) == 128)
    time.sleep(0.3)
    assert len(updates(worker)) == 128
    worker.do("release")
    wait_for(lambda: len(updates(worker)) == 150)
    assert [u["id"] for u in updates(worker)] == numbers
    # Sending was not held up meanwhile, nor is it now.
    assert worker.outcome()["outcome"] == "delivered"
    worker.do("update_seen", id=numbers[-1])
    wait_for(lambda: polls(sim)[-1].get("offset") == numbers[-1] + 1)


def test_delivered_again_it_is_told_again_and_the_offset_stays(sim, poller):
    first = sim.say("one", chat=7)["update_id"]
    poller.wait("update", id=first)
    second = sim.say("two", chat=7)["update_id"]
    poller.wait("update", id=second)
    sim.redeliver(first)
    poller.wait("update", id=first)
    third = sim.say("three", chat=7)["update_id"]
    poller.wait("update", id=third)
    wait_for(lambda: sim.stats()["polls_open"] == 1)
    assert polls(sim)[-1]["offset"] == third + 1


def test_a_lost_queues_updates_come_to_the_next_one(sim, poller):
    poller.do("updates", how="hold")
    numbers = [sim.say(f"text {i}", chat=7)["update_id"] for i in range(3)]
    for number in numbers:
        poller.wait("update", id=number, timeout=3) if number == numbers[0] \
            else None
    poller.do("rewire")
    wait_poller(poller, NOT)
    assert wait_for(lambda: sim.stats()["polls_open"] == 0) is True
    during = sim.say("nobody listens", chat=7)["update_id"]
    time.sleep(0.2)
    poller.lines.clear()
    poller.do("updates", how="see")
    poller.do("poll", offset=numbers[1])
    for number in numbers[1:] + [during]:
        poller.wait("update", id=number)
    assert updates(poller) == []
    wait_poller(poller, POLLING)


def test_a_new_offset_cancels_the_poll_under_way(sim, poller):
    wait_for(lambda: sim.stats()["polls_open"] == 1)
    poller.do("poll", offset=5)
    wait_for(lambda: polls(sim)[-1].get("offset") == 5)
    wait_poller(poller, POLLING)
    wait_for(lambda: sim.stats()["polls_open"] == 1)


def second_poll(sim, timeout=0):
    return sim.api("getUpdates", timeout=timeout)


def test_two_pollers(sim, poller):
    wait_for(lambda: sim.stats()["polls_open"] == 1)
    status, _ = second_poll(sim)
    assert status == 200
    slot = wait_poller(poller, CONFLICT)
    assert slot["errors"]["409"] == 1
    # Sending goes on.
    assert slot["state"] == CONNECTED
    assert poller.outcome()["outcome"] == "delivered"
    # It comes back, and sees whether it is left alone, before it says so.
    wait_for(lambda: sim.stats()["polls_open"] == 1, 8)
    assert poller.slot()["poller"] == CONFLICT
    second_poll(sim)
    wait_for(lambda: poller.slot()["errors"]["409"] == 2)
    number = sim.say("in between", chat=7)["update_id"]
    poller.wait("update", id=number, timeout=12)
    wait_poller(poller, POLLING, 8)
    log = "".join(poller.log)
    assert log.count("another program polls") == 1
    assert poller.outcome()["outcome"] == "delivered"


def test_a_webhook_is_a_conflict(sim, worker):
    worker.wait_state(CONNECTED)
    sim.api("setWebhook", url="http://127.0.0.1:1/hook")
    worker.do("poll")
    wait_poller(worker, CONFLICT)
    assert "webhook" in "".join(worker.log)
    sim.api("deleteWebhook")
    wait_poller(worker, POLLING, 15)


def test_poll_that_hangs_is_renewed(sim, worker_factory):
    worker = worker_factory(sim.url, poll_timeout_ms=1000)
    worker.wait_state(CONNECTED)
    worker.do("poll")
    wait_poller(worker, POLLING)
    sim.fault("hang", method="getUpdates")
    number = sim.say("one", chat=7)["update_id"]  # ends the poll under way
    worker.wait("update", id=number)
    number = sim.say("hello?", chat=7)["update_id"]
    worker.wait("update", id=number, timeout=20)
    slot = wait_poller(worker, POLLING)
    assert slot["errors"]["timeout"] == 1
    assert "polling failed: timed out" in "".join(worker.log)
    # Sends and their host were not judged by it.
    assert (slot["state"], slot["breaker_opened"]) == (CONNECTED, 0)


@pytest.mark.parametrize("kind, options", [
    ("status", {"status": 500}), ("nonjson", {}), ("garbage", {}),
    ("close_before", {}), ("truncate", {}),
    ("status", {"status": 200, "body": "{\"ok\":true,\"result\":[{}]}"}),
])
def test_poll_that_fails_is_tried_again(sim, poller, kind, options):
    poller.do("updates", how="hold")
    first = sim.say("one", chat=7)["update_id"]
    poller.wait("update", id=first)
    sim.fault(kind, method="getUpdates", **options)
    second = sim.say("two", chat=7)["update_id"]
    poller.do("update_seen", id=first)
    poller.wait("update", id=second)
    slot = poller.slot()
    assert (slot["poller"], slot["breaker_opened"]) == (POLLING, 0)
    # A connection closed without a word is libcurl's to renew.
    assert sum(slot["errors"].values()) == (kind != "close_before")


def test_many_failures_back_off(sim, poller):
    sim.fault("status", method="getUpdates", status=502, count=-1)
    sim.say("wake it", chat=7)
    wait_poller(poller, NOT)
    before = sim.stats()["methods"]["getUpdates"]["requests"]
    time.sleep(4)
    assert sim.stats()["methods"]["getUpdates"]["requests"] - before <= 4
    assert poller.outcome()["outcome"] == "delivered"
    assert "".join(poller.log).count("polling failed") == 1
    sim.clear_faults()
    wait_poller(poller, POLLING, 15)
    assert "polling works again" in "".join(poller.log)


def test_retry_after(sim, poller):
    sim.fault("429", method="getUpdates", retry_after=3)
    first = sim.say("one", chat=7)["update_id"]
    poller.wait("update", id=first)
    wait_poller(poller, NOT)
    began = time.monotonic()
    wait_poller(poller, POLLING)
    assert time.monotonic() - began > 2
    assert poller.outcome()["outcome"] == "delivered"


def test_refused_token_stops_polling_until_it_works(sim, poller):
    sim.fault("status", status=401, description="Unauthorized", count=3)
    number = sim.say("hello", chat=7)["update_id"]
    poller.wait("update", id=number)
    poller.wait_state(DOWN)
    assert poller.slot()["poller"] == NOT
    before = len(polls(sim))
    time.sleep(2)
    assert len(polls(sim)) == before
    number = sim.say("still there?", chat=7)["update_id"]
    poller.wait_state(CONNECTED, 20)
    poller.wait("update", id=number)
    wait_poller(poller, POLLING)


def test_a_poll_alone_that_is_refused_does_not_stop_sending(sim, poller):
    sim.fault("status", method="getUpdates", status=401, count=2)
    number = sim.say("hello", chat=7)["update_id"]
    poller.wait("update", id=number)
    wait_poller(poller, NOT)
    assert poller.outcome()["outcome"] == "delivered"
    wait_poller(poller, POLLING, 10)


def test_new_token_polls_anew(sim_factory, worker_factory):
    old = sim_factory()
    new = sim_factory(token="987654321:another-bot-altogether_01234567890")
    worker = worker_factory(old.url)
    worker.do("poll", offset=77)
    wait_poller(worker, POLLING)
    # The same bot's new token: its updates are those that they were.
    third = sim_factory(token=TOKEN.split(":")[0] + ":another-token_0123456")
    worker.config(third.url, token=third.token)
    wait_for(lambda: third.stats()["polls_open"] == 1)
    assert polls(third)[-1]["offset"] == 77
    # Another bot's have other numbers.
    worker.config(new.url, token=new.token)
    wait_for(lambda: new.stats()["polls_open"] == 1)
    assert "offset" not in polls(new)[-1]
    assert (old.stats()["polls_open"], third.stats()["polls_open"]) == (0, 0)
    wait_poller(worker, POLLING)


def test_an_update_that_is_not_confirmed_is_told_again(sim, poller):
    poller.do("updates", how="hold")
    number = sim.say("hello", chat=7)["update_id"]
    poller.wait("update", id=number)
    poller.wait("update", id=number, timeout=8)
    poller.do("update_seen", id=number)
    wait_for(lambda: polls(sim)[-1].get("offset") == number + 1)


def test_an_answer_that_comes_too_early_is_no_reason_to_hurry(
        worker_factory):
    """A proxy that answers for Telegram with an empty list, at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    count = 0

    def serve(connection):
        nonlocal count
        data = b""
        with connection:
            while piece := connection.recv(65536):
                data += piece
                while b"\r\n\r\n" in data:
                    head, _, rest = data.partition(b"\r\n\r\n")
                    length = re.search(rb"content-length: (\d+)", head, re.I)
                    length = int(length[1]) if length else 0
                    if len(rest) < length:
                        break
                    data = rest[length:]
                    body = b'{"ok":true,"result":[]}'
                    if b"/getUpdates" in head:
                        count += 1
                    else:
                        body = b'{"ok":true,"result":{"username":"x"}}'
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json"
                        b"\r\nContent-Length: %d\r\n\r\n%s"
                        % (len(body), body))

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,),
                             daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    worker = worker_factory(f"http://127.0.0.1:{listener.getsockname()[1]}")
    worker.do("poll")
    wait_poller(worker, POLLING)
    time.sleep(3)
    listener.close()
    assert 2 <= count <= 6


def test_drain_ends_the_poll(sim, poller):
    wait_for(lambda: sim.stats()["polls_open"] == 1)
    began = time.monotonic()
    poller.do("drain", ms=5000)
    poller.wait("drained")
    assert time.monotonic() - began < 1
    wait_for(lambda: sim.stats()["polls_open"] == 0)
    assert poller.slot()["poller"] == NOT
    poller.do("poll", offset=5)  # too late
    time.sleep(0.3)
    assert sim.stats()["polls_open"] == 0
    poller.do("stop")
    assert poller.wait("exit")["code"] == 0


def test_an_idle_poller_asks_for_nothing_else(sim, worker_factory):
    """Polls tell that Telegram is there, so nobody has to ask."""
    worker = worker_factory(sim.url, poll_timeout_ms=2000)
    worker.wait_state(CONNECTED)
    worker.do("poll")
    wait_poller(worker, POLLING)
    before = sim.stats()["methods"]
    time.sleep(5)
    after = sim.stats()["methods"]
    assert after["getMe"] == before["getMe"]
    assert 1 <= (after["getUpdates"]["requests"] -
                 before["getUpdates"]["requests"]) <= 4


# The list of commands, and the name.


def commands(sim):
    return [c["command"] for c in sim.api("getMyCommands")[1]["result"]]


def test_commands_are_set_once(sim, poller):
    wait_for(lambda: commands(sim))
    assert commands(sim) == (
        "start help status queue tasks todo restart mode local nomad mute "
        "unmute approve deny pending last doctor").split()
    poller.do("rewire")
    poller.do("poll")
    wait_poller(poller, POLLING)
    assert sim.stats()["methods"]["setMyCommands"]["requests"] == 1


def test_commands_that_are_refused_are_left_alone(sim, worker_factory):
    sim.fault("status", method="setMyCommands", status=400,
              description="Bad Request: no")
    worker = worker_factory(sim.url)
    worker.do("poll")
    wait_poller(worker, POLLING)
    wait_for(lambda: "was not set" in "".join(worker.log))
    assert worker.outcome()["outcome"] == "delivered"


def test_every_queue_learns_the_bots_name(sim, worker):
    assert worker.wait("name")["name"] == "cctg_sim_bot"
    worker.do("rewire")
    assert worker.wait("name")["name"] == "cctg_sim_bot"


# The calls of the return path.


def test_reaction(sim, poller):
    sim.say("hello", chat=7)
    message = poller.wait("update")["json"]["message"]["message_id"]
    done = poller.outcome("\u26a1", chat=7, method="react",
                          message_id=message)
    assert (done["outcome"], done["message_id"]) == ("delivered", message)
    found, = sim.messages(all=1)
    assert found["reaction"] == [{"type": "emoji", "emoji": "\u26a1"}]
    done = poller.outcome("", chat=7, method="react", message_id=message)
    assert done["outcome"] == "delivered"
    assert sim.messages(all=1)[0]["reaction"] in (None, [])
    done = poller.outcome("x", chat=7, method="react", message_id=message)
    assert (done["outcome"], done["code"]) == ("refused", 400)


def test_answers_do_not_wait_for_their_chat(sim, poller):
    sim.fault("delay", method="sendMessage", ms=1500, chat=0)
    slow = poller.call("slow", chat=7)
    sim.fault("hang", method="sendMessage", count=-1)
    for chat in range(10, 40):
        poller.call("hangs", chat=chat)
    done = poller.outcome("", chat=7, method="answer", document_name="1",
                          timeout=2)
    assert done["outcome"] == "refused"
    assert slow != done["id"]


KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "abc"}]]}


def test_edit_keeps_the_keyboard_only_if_it_names_it(sim, worker):
    markup = json.dumps(KEYBOARD)
    number = worker.outcome("a?", markup=markup)["message_id"]
    worker.outcome("b?", method="edit", message_id=number, markup=markup)
    assert sim.messages()[0]["reply_markup"] == KEYBOARD
    worker.outcome("b: yes", method="edit", message_id=number)
    assert sim.messages()[0]["reply_markup"] is None


def test_keyboard_of_a_document(sim, worker):
    done = worker.outcome("caption", method="document", document="content",
                          document_name="a.txt", markup=json.dumps(KEYBOARD))
    assert done["outcome"] == "delivered"
    assert sim.messages()[0]["reply_markup"] == KEYBOARD


@pytest.mark.parametrize("method", ["send", "document"])
def test_plain_text_fallback_keeps_the_keyboard(sim, worker, method):
    done = worker.outcome("<b>a", method=method, document="content",
                          document_name="a.txt", markup=json.dumps(KEYBOARD))
    assert done["outcome"] == "delivered"
    message, = sim.messages()
    assert (message["text"], message["reply_markup"]) == ("a", KEYBOARD)


def test_the_token_is_in_no_log(sim, poller):
    sim.fault("status", method="getUpdates", status=500,
              description=f"at /bot{TOKEN}/getUpdates")
    sim.say("wake it", chat=7)
    wait_for(lambda: "polling failed" in "".join(poller.log))
    assert TOKEN not in "".join(poller.log)
