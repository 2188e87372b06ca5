"""Updates that Telegram posts to intake instead of being polled for: each
acts once, whoever dies, and polling comes back when the webhook goes."""

import http.client
import json
import os
import signal
import socket
import stat
import threading
import time

import pytest

from returnlib import (ask_by_file, responses, strike, wait_decided,
                       wait_responses)
from simlib import wait_for
from submitlib import config_for, metrics
from test_telegram import CONNECTED, worker, worker_factory  # noqa: F401
from test_telegram_poll import CONFLICT, NOT, POLLING, wait_poller

USER = 1001
WEBHOOK = 3  # what the worker's slot says
HEADER = "X-Telegram-Bot-Api-Secret-Token"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Hook:
    """Where the webhook of a tree is, and what others may try there."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/tg/hook"
        self.next = 5_000_000_000

    def config(self, sim, telegram="", webhook=True):
        section = f'webhook {{ url = "{self.url}"  check = "1s" ' + \
            f'{telegram} }}' if webhook else ""
        return config_for(sim, telegram=section,
                          more=f'intake {{ http = "127.0.0.1:{self.port}" }}')

    def post(self, body, secret=None, method="POST", path="/tg/hook"):
        """Returns the status, or 0 if the connection was closed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=30)
        try:
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
            connection.request(method, path, body, {
                "Content-Type": "application/json",
                **({} if secret is None else {HEADER: secret})})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def say(self, text, number=None, user=USER):
        """An update with a message of a user's."""
        if number is None:
            self.next += 1
            number = self.next
        return {"update_id": number, "message": {
            "message_id": number % 1000000 + 100000, "date": int(time.time()),
            "chat": {"id": user, "type": "private"}, "text": text,
            "from": {"id": user, "is_bot": False, "first_name": "Ann"}}}


@pytest.fixture
def hook():
    return Hook()


def poller(tree):
    return tree.status()["telegram"]["poller"]


def wait_poller_is(tree, state, timeout=15.0):
    wait_for(lambda: poller(tree) == state, timeout,
             why=lambda: f"poller {state}: {poller(tree)}\n{tree.log()}")


@pytest.fixture
def hooked(tree_for, sim, hook):
    """A tree with a webhook that is set."""
    tree = tree_for(sim)
    tree.stop()
    tree.write_config(hook.config(sim))
    tree.start()
    wait_poller_is(tree, "webhook")
    return tree


def info(sim):
    return sim.api("getWebhookInfo")[1]["result"]


def polls(sim):
    return [r for r in sim.requests(1024) if r["method"] == "getUpdates"]


def secret_of(tree):
    return (tree.dir / "state/webhook.secret").read_text().strip()


def texts(tree):
    """What people wrote, as it became responses; oldest first."""
    return [r.get("message_text") for r in responses(tree)]


def wait_texts(tree, wanted, timeout=20.0):
    wait_for(lambda: len(texts(tree)) >= len(wanted), timeout,
             why=lambda: f"{wanted}: {texts(tree)}")
    assert sorted(texts(tree)) == sorted(wanted)


def test_a_button_is_pressed_through_the_webhook(hooked, sim, hook):
    assert info(sim)["url"] == hook.url
    before = len(polls(sim))
    event, message = ask_by_file(hooked, sim, "Deploy")
    sim.press(message, "Approve", USER, first_name="Ann")
    response, = wait_responses(hooked)
    assert response["event_id"] == event["event_id"]
    wait_decided(sim, message, "Approve", "Ann")
    sim.say("and now?", USER)
    wait_for(lambda: "and now?" in texts(hooked))
    assert len(polls(sim)) == before
    status, answer = sim.api("getUpdates")
    assert status == 409 and "webhook" in answer["description"]
    assert hooked.status()["telegram"]["last_update"] is not None
    assert hooked.status()["state"] == "ok"


def test_without_the_secret_nothing_acts(hooked, sim, hook):
    """However much of it somebody knows."""
    secret = secret_of(hooked)
    assert len(secret) == 64
    wrong = [None, "", secret[:-1], secret + "0", secret.upper() + "G",
             "0" * 64, secret + secret]
    for given in wrong:
        assert hook.post(hook.say("stranger"), given) == 401
    hooked.wait_log("without the secret")
    assert hooked.log().count("without the secret") == 1
    assert hook.post(b"", secret, method="GET") == 405
    assert hook.post(b"no JSON", secret) == 400
    assert hook.post({"message": {}}, secret) == 400
    assert hook.post({"update_id": -1}, secret) == 400
    assert hook.post({"update_id": "7"}, secret) == 400
    assert hook.post(b"x" * (1 << 20) + b"y", secret) == 413
    assert hook.post(hook.say("x"), secret, path="/tg/hoo") == 404
    assert hook.post(hook.say("x"), secret, path="/tg/hook/") == 404
    assert hook.post(hook.say("the user"), secret) == 200
    wait_texts(hooked, ["the user"])
    assert metrics(hooked)["cctg_webhook_refused_total"] == len(wrong)
    assert secret not in hooked.log()
    path = hooked.dir / "state/webhook.secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_strangers_are_counted(tree_for, sim, hook):
    port = free_port()
    tree = tree_for(sim, f'monitor {{ listen = "127.0.0.1:{port}" }}\n'
                    f'intake {{ http = "127.0.0.1:{hook.port}" }}',
                    telegram=f'webhook {{ url = "{hook.url}" }}')
    wait_poller_is(tree, "webhook")
    for _ in range(3):
        assert hook.post(hook.say("x"), "wrong") == 401
    assert hook.post(hook.say("x"), secret_of(tree)) == 200

    def counted():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return "\ncctg_webhook_refused_total 3\n" in text and \
            "\ncctg_webhook_updates_total 1\n" in text and \
            "\ncctg_telegram_poller 3\n" in text

    wait_for(counted)


def test_delivered_again_it_acts_once(hooked, sim):
    _, message = ask_by_file(hooked, sim, "Once")
    pressed = sim.press(message, "Approve", USER)["update_id"]
    said = sim.say("once", USER)["update_id"]
    wait_responses(hooked, 2)
    for number in (pressed, said, pressed, said):
        sim.redeliver(number)
    sim.say("last", USER)
    wait_for(lambda: "last" in texts(hooked))
    wait_for(lambda: info(sim)["pending_update_count"] == 0)
    assert len(responses(hooked)) == 3
    assert len(sim.answers()) == 1


def test_one_that_comes_behind_later_ones_acts_once(hooked, hook):
    """Telegram delivers others while it waits with one that failed."""
    secret = secret_of(hooked)
    first = hook.next
    order = [first + n for n in (1, 5, 3, 2, 9, 4)]
    for number in order:
        assert hook.post(hook.say(f"n{number}", number), secret) == 200
    for number in order:
        assert hook.post(hook.say(f"n{number}", number), secret) == 200
    strike(hooked, "queue")
    for number in reversed(order):
        assert hook.post(hook.say(f"n{number}", number), secret) == 200
    assert hook.post(hook.say("late", first + 7), secret) == 200
    wait_texts(hooked, [f"n{number}" for number in order] + ["late"])


@pytest.mark.parametrize("killed", ["telegram", "queue", "intake",
                                    "supervisor"])
def test_whoever_is_killed_each_update_acts_once(hooked, sim, killed):
    wanted = []
    for turn in range(4):
        for i in range(5):
            wanted.append(f"{turn} {i}")
            sim.say(wanted[-1], USER)
        if turn < 3:
            strike(hooked, killed)
    wait_texts(hooked, wanted, 40)
    wait_for(lambda: info(sim)["pending_update_count"] == 0, 20)
    wait_poller_is(hooked, "webhook")
    assert len(texts(hooked)) == len(wanted)


def test_answered_only_when_it_is_on_disk(hooked, sim, hook):
    """No queue: no answer, and nothing is forgotten."""
    secret = secret_of(hooked)
    pid = hooked.kill("queue", signal.SIGSTOP)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(
        hook.post(hook.say("patience"), secret)))
    thread.start()
    try:
        thread.join(1.0)
        assert not codes  # it waits
    finally:
        os.kill(pid, signal.SIGCONT)
    thread.join(30)
    assert codes == [200]
    wait_texts(hooked, ["patience"])


def test_a_queue_that_never_heard_of_it_is_not_the_end(hooked, hook):
    """Its successor hears of it, while whoever posted waits."""
    secret = secret_of(hooked)
    pid = hooked.kill("queue", signal.SIGSTOP)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(
        hook.post(hook.say("told again"), secret)))
    thread.start()
    thread.join(0.5)
    os.kill(pid, signal.SIGKILL)
    thread.join(30)
    assert codes == [200]
    wait_texts(hooked, ["told again"])


def test_telegram_hangs_up_before_the_answer(hooked, hook):
    """And comes again: the update has acted, and does so once."""
    secret = secret_of(hooked)
    intake = hooked.pid("intake")
    pid = hooked.kill("queue", signal.SIGSTOP)
    updates = [hook.say(f"patience {i}") for i in range(20)]
    body = [json.dumps(u).encode() for u in updates]
    for text in body:
        with socket.create_connection(("127.0.0.1", hook.port), 10) as s:
            s.sendall(b"POST /tg/hook HTTP/1.1\r\nHost: x\r\n%s: %s\r\n"
                      b"Content-Length: %d\r\n\r\n%s" % (
                          HEADER.encode(), secret.encode(), len(text), text))
            time.sleep(0.01)
    os.kill(pid, signal.SIGCONT)
    for update in updates:
        assert hook.post(update, secret) == 200
    wait_texts(hooked, [f"patience {i}" for i in range(20)])
    assert hooked.pid("intake") == intake


def test_many_on_one_connection(hooked, hook):
    """As Telegram sends them."""
    secret = secret_of(hooked)
    connection = http.client.HTTPConnection("127.0.0.1", hook.port,
                                            timeout=30)
    for i in range(50):
        connection.request("POST", "/tg/hook", json.dumps(hook.say(f"{i}")),
                           {HEADER: secret})
        answer = connection.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["ok"]
    connection.close()
    wait_texts(hooked, [f"{i}" for i in range(50)])


def test_back_to_polling_and_to_the_webhook_again(hooked, sim, hook):
    for turn in range(2):
        hooked.write_config(hook.config(sim, webhook=False))
        assert hooked.ask("reload")["ok"]
        wait_poller_is(hooked, "polling")
        assert info(sim)["url"] == ""
        _, message = ask_by_file(hooked, sim, f"Polled {turn}")
        sim.press(message, "Approve", USER)
        wait_decided(sim, message, "Approve")
        hooked.write_config(hook.config(sim))
        assert hooked.ask("reload")["ok"]
        wait_poller_is(hooked, "webhook")
        assert info(sim)["url"] == hook.url
        _, message = ask_by_file(hooked, sim, f"Posted {turn}")
        sim.press(message, "Deny", USER)
        wait_decided(sim, message, "Deny")
    assert len(wait_responses(hooked, 4)) == 4


def test_what_was_not_delivered_is_polled_for(hooked, sim, hook):
    """Nothing is lost between the two, and nothing acts twice."""
    sim.say("posted", USER)
    wait_texts(hooked, ["posted"])
    hooked.stop()
    sim.say("while away", USER)
    hooked.write_config(hook.config(sim, webhook=False))
    hooked.start()
    wait_poller_is(hooked, "polling")
    sim.say("polled", USER)
    wait_texts(hooked, ["posted", "while away", "polled"])
    hooked.stop()
    hooked.write_config(hook.config(sim))
    hooked.start()
    wait_poller_is(hooked, "webhook")
    sim.say("posted again", USER)
    wait_texts(hooked, ["posted", "while away", "polled", "posted again"])


def test_a_webhook_of_ours_goes_after_a_stop(hooked, sim, hook):
    before = secret_of(hooked)
    hooked.stop()
    assert info(sim)["url"] == hook.url
    hooked.start()
    wait_poller_is(hooked, "webhook")
    assert secret_of(hooked) == before
    hooked.stop()
    hooked.write_config(hook.config(sim, webhook=False))
    hooked.start()
    wait_poller_is(hooked, "polling")
    assert info(sim)["url"] == ""
    hooked.stop()
    # Somebody else's is not ours to take away.
    sim.api("setWebhook", url="http://127.0.0.1:1/other")
    hooked.start()
    wait_poller_is(hooked, "conflict")
    assert info(sim)["url"] == "http://127.0.0.1:1/other"
    sim.api("deleteWebhook")
    wait_poller_is(hooked, "polling", 30)


@pytest.mark.parametrize("other", ["", "http://127.0.0.1:1/other"])
def test_taken_away_it_is_set_again(hooked, sim, hook, other):
    sim.api("setWebhook", url=other)
    wait_for(lambda: info(sim)["url"] == hook.url, 15)
    hooked.wait_log("another program has")
    wait_poller_is(hooked, "webhook")
    sim.say("still here", USER)
    wait_texts(hooked, ["still here"])


def test_a_secret_of_ones_own(tree_for, sim, hook, tmp_path):
    """Another one is told to Telegram by a reload."""
    path = tmp_path / "secret"
    path.write_text("one_SECRET-1\n")
    path.chmod(0o600)
    tree = tree_for(sim)
    tree.stop()
    tree.write_config(hook.config(sim, f'secret_file = "{path}"'))
    tree.start()
    wait_poller_is(tree, "webhook")
    assert not (tree.dir / "state/webhook.secret").exists()
    assert hook.post(hook.say("a"), "one_SECRET-1") == 200
    path.write_text("two_SECRET-2\n")
    assert tree.ask("reload")["ok"]
    wait_for(lambda: hook.post(hook.say("b"), "one_SECRET-1") == 401)
    sim.say("c", USER)
    wait_for(lambda: "c" in texts(tree), 20)
    assert hook.post(hook.say("d"), "two_SECRET-2") == 200
    assert "SECRET" not in tree.log()
    path.write_text("not_allowed!\n")
    answer = tree.ask("reload")
    assert not answer["ok"] and "secret" in answer["error"]
    assert hook.post(hook.say("e"), "two_SECRET-2") == 200


def test_a_listener_that_needs_a_restart(tree_for, sim, hook):
    """Telegram is not sent to where nobody listens yet."""
    tree = tree_for(sim)
    wait_poller_is(tree, "polling")
    tree.write_config(hook.config(sim))
    answer = tree.ask("reload")
    assert answer["ok"]
    assert set(answer["restart_keys"]) == {"intake.http",
                                           "telegram.webhook.url"}
    assert info(sim)["url"] == ""
    wait_poller_is(tree, "polling")
    tree.stop()
    tree.start()
    wait_poller_is(tree, "webhook")


# The telegram worker alone.

def hook_options(url="http://127.0.0.1:1/x", check_ms=600000):
    return {"webhook": {"url": url, "secret": "s3cret",
                        "check_ms": check_ms}}


def requests_of(sim, method):
    return [json.loads(r["body"] or "{}") for r in sim.requests(1024)
            if r["method"] == method]


def test_what_is_asked_for(sim, worker_factory):  # noqa: F811
    worker = worker_factory(sim.url, **hook_options())  # noqa: F811
    worker.wait_state(CONNECTED)
    wait_poller(worker, WEBHOOK)
    assert requests_of(sim, "setWebhook") == [{
        "url": "http://127.0.0.1:1/x", "secret_token": "s3cret",
        "allowed_updates": ["message", "edited_message", "callback_query",
                            "my_chat_member"]}]
    worker.do("poll", offset=5)
    assert worker.wait("hook")["url"] == "http://127.0.0.1:1/x"
    worker.do("poll", offset=6, webhook="http://127.0.0.1:1/x")
    assert worker.outcome()["outcome"] == "delivered"
    assert requests_of(sim, "getUpdates") == []
    assert len(requests_of(sim, "setWebhook")) == 1
    assert "s3cret" not in "".join(worker.log)


def test_refused_it_is_tried_again(sim, worker_factory):  # noqa: F811
    sim.fault("status", method="setWebhook", status=400,
              description="Bad Request: bad webhook: no")
    sim.fault("status", method="setWebhook", status=502)
    worker = worker_factory(sim.url, **hook_options())  # noqa: F811
    worker.wait_state(CONNECTED)
    wait_poller(worker, WEBHOOK, 15)
    assert len(requests_of(sim, "setWebhook")) == 3
    log = "".join(worker.log)
    assert log.count("bad webhook: no; trying again") == 1
    assert "the webhook is set" in log


def test_ours_goes_before_the_first_poll(sim, worker):  # noqa: F811
    worker.wait_state(CONNECTED)
    sim.api("setWebhook", url="http://127.0.0.1:1/x")
    sim.fault("status", method="deleteWebhook", status=502)
    worker.do("poll", offset=1, webhook="http://127.0.0.1:1/x")
    assert worker.wait("hook", timeout=15)["url"] == ""
    wait_poller(worker, POLLING)
    assert [r["method"] for r in sim.requests(1024)
            if r["method"] in ("deleteWebhook", "getUpdates")][:3] == [
        "deleteWebhook", "deleteWebhook", "getUpdates"]
    assert worker.slot()["errors"]["409"] == 0


def test_another_webhook_than_ours_stays(sim, worker):  # noqa: F811
    worker.wait_state(CONNECTED)
    sim.api("setWebhook", url="http://127.0.0.1:1/theirs")
    worker.do("poll", offset=1, webhook="http://127.0.0.1:1/x")
    assert worker.wait("hook")["url"] == ""
    wait_poller(worker, CONFLICT)
    assert info(sim)["url"] == "http://127.0.0.1:1/theirs"


def test_errors_of_the_webhook_are_told(sim, worker_factory):  # noqa: F811
    """Nobody listens at port 1."""
    worker = worker_factory(sim.url,  # noqa: F811
                            **hook_options(check_ms=1000))
    worker.wait_state(CONNECTED)
    wait_poller(worker, WEBHOOK)
    time.sleep(1.1)  # Telegram's clock has seconds
    sim.say("hello?", chat=7)
    wait_for(lambda: "could not deliver to the webhook: Connection refused"
             in "".join(worker.log), 15)
    assert worker.slot()["poller"] != NOT
