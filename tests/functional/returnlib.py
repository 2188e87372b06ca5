"""Answers of people, as the tests of the return path need them.

    question = ask_by_file(tree, sim, "Deploy?", options=["Yes", "No"])
    sim.press(question, "Yes", USER)
    response = wait_response(tree)
    asker = Asker(tree, "Deploy?"); asker.start(); ...; asker.result()
"""

import json
import threading
import time
import uuid

from simlib import wait_for
from submitlib import Client, patiently

USER = 5550001


def approval(title, options=None, event_id=None, **data):
    task = event_id or str(uuid.uuid4())
    if options is not None:
        data["options"] = options
    return {"type": "approval_request", "source": "tests", "title": title,
            "description": f"about {title}", "task_id": task,
            "event_id": task,
            "data": {"approval_prompt": f"Shall it be {title}?", **data}}


def buttons(message):
    """The texts of the buttons, row by row."""
    keyboard = (message["reply_markup"] or {}).get("inline_keyboard", [])
    return [[b["text"] for b in row] for row in keyboard]


def tokens(message):
    return [b["callback_data"] for row in
            message["reply_markup"]["inline_keyboard"] for b in row]


def message_of(sim, message):
    """The same message as it is now."""
    found, = (m for m in sim.messages(chat=message["chat_id"])
              if m["message_id"] == message["message_id"])
    return found


def question_of(sim, title, n=1, timeout=10.0):
    """The messages with buttons that ask this."""
    found = wait_for(
        lambda: (lambda m: m if len(m) >= n else None)(
            [m for m in sim.messages(text=title) if buttons(m)]),
        timeout, why=f"{n} questions {title}")
    return found[0] if n == 1 else found


def ask_by_file(tree, sim, title, options=None, name=None, n=1, **data):
    event = approval(title, options, **data)
    tree.drop(event, name or f"{event['task_id']}_1.json")
    return event, question_of(sim, title, n)


def response_files(tree):
    return sorted((tree.dir / "responses").glob("*.json"))


def responses(tree):
    """What the MCP server would read, oldest first."""
    found = []
    for path in response_files(tree):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
    return sorted(found, key=lambda r: r["timestamp"])


def wait_responses(tree, n=1, timeout=10.0):
    return wait_for(
        lambda: (lambda r: r if len(r) >= n else None)(responses(tree)),
        timeout, why=lambda: f"{n} responses: {responses(tree)}")


def wait_toast(sim, n=1):
    """The text of the last toast, when there are n."""
    return wait_for(lambda: (lambda a: a if len(a) >= n else None)(
        sim.answers()), why=lambda: f"{n} toasts: {sim.answers()}")[-1]


def wait_decided(sim, message, *words, timeout=10.0):
    """The message without buttons, with these words in it."""
    def decided():
        now = message_of(sim, message)
        return not buttons(now) and all(w in now["text"] for w in words) \
            and now

    return wait_for(decided, timeout, why=lambda: "decided: " + repr(
        message_of(sim, message)))


class Asker(threading.Thread):
    """Asks over submit.sock and waits for the decision as `cctgctl ask`
    does: when the daemon goes away it asks again, for ten seconds."""

    def __init__(self, tree, event, timeout_ms=None):
        super().__init__(daemon=True)
        self.tree, self.event, self.timeout_ms = tree, event, timeout_ms
        self.answers = []
        self.client = None
        self.asked = threading.Event()
        self.gone = False
        self.failure = None
        self.start()

    def run(self):
        try:
            patiently(self._ask, 30)
        except Exception as e:  # pylint: disable=broad-except
            self.failure = e

    def _ask(self):
        with Client(self.tree) as self.client:
            self.client.send(self.event)
            request = {"op": "decision", "id": self.event["event_id"]}
            if self.timeout_ms is not None:
                request["timeout_ms"] = self.timeout_ms
            self.client.write(request)
            self.asked.set()
            try:
                answer = self.client.read()
            except (OSError, ValueError):
                if self.gone:
                    return
                raise
            if answer.get("code") == 75 and "again" in answer["error"]:
                raise ConnectionError(answer["error"])
            self.answers.append(answer)

    def hang_up(self):
        self.asked.wait(10)
        self.gone = True
        try:
            self.client.socket.shutdown(2)
        except OSError:
            pass  # the daemon was faster

    def result(self, timeout=15.0):
        self.join(timeout)
        if self.failure is not None:
            raise self.failure
        assert len(self.answers) == 1, self.answers
        return self.answers[0]


def restart_whole(tree):
    """The supervisor is killed, an init starts the tree again."""
    tree.process.kill()
    tree.process.wait()
    time.sleep(0.05)
    tree.start()


def strike(tree, what):
    """Kill a worker, or the supervisor, in the middle of whatever it does;
    return when it is replaced."""
    if what == "supervisor":
        restart_whole(tree)
    else:
        tree.kill_impatiently(what)


def lose(tree, what):
    """Kill a worker, or the supervisor; return when all is well again.  What
    the simulator has is known to the queue by then: else it would be sent
    again, and the first copy be nobody's."""
    tree.wait_settled()
    strike(tree, what)
