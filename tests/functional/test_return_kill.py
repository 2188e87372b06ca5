"""Every way to ask, every way to end, with a process killed between question
and answer: the answer is delivered once and the asker gets it."""

import json
import signal
import subprocess
import time

import pytest

from mcplib import Mcp, text_of
from returnlib import (USER, Asker, approval, ask_by_file, buttons, lose,
                       message_of, question_of, responses, tokens,
                       wait_decided)
from simlib import program, wait_for

TEN = ["Fast", "Slow", "Never mind", "4", "fünf", "sechs 6", "No, thanks",
       "acht", "neun", "Zehn & <b>"]
EXPIRES_S = 6  # long enough to be asked and for the kill


def by_hook(title):
    return json.dumps({
        "session_id": "0a1b2c3d-1", "cwd": "/home/x/shop",
        "hook_event_name": "PermissionRequest", "tool_name": "Bash",
        "tool_input": {"command": f"make {title}"}})


class Question:
    """One question, asked somehow; a subclass for each way."""

    yes, no = "Approve", "Deny"
    options_allowed = True

    def __init__(self, tree, sim, mcp, title, options, timeout_s):
        self.tree, self.sim, self.mcp = tree, sim, mcp
        self.title, self.options = title, options
        self.timeout_s = timeout_s
        self.event_id = None
        self.message = None
        self.ask()

    def ask(self):
        raise NotImplementedError

    def find(self):
        self.message = question_of(self.sim, self.title, timeout=20)

    def withdraw(self):
        raise NotImplementedError

    def check(self, action, said):
        """The asker was told this; said: the option or the text."""
        raise NotImplementedError


class ByFile(Question):
    """The answer is the file, which is checked for all."""

    def ask(self):
        timeout = {} if self.timeout_s is None else {
            "timeout_ms": self.timeout_s * 1000}
        event, _ = ask_by_file(self.tree, self.sim, self.title, self.options,
                               **timeout)
        self.event_id = event["event_id"]

    def withdraw(self):
        answer, = self.tree.submit({"op": "withdraw", "id": self.event_id})
        assert answer["ok"], answer

    def check(self, action, said):
        pass


class BySocket(Question):
    def ask(self):
        event = approval(self.title, self.options, **(
            {} if self.timeout_s is None else
            {"timeout_ms": self.timeout_s * 1000}))
        self.event_id = event["event_id"]
        self.asker = Asker(self.tree, event)

    def withdraw(self):
        def closed():  # it may be about to come back from a loss
            self.asker.hang_up()
            return not buttons(message_of(self.sim, self.message))

        wait_for(closed, 25, 0.2, why=f"{self.title} closed")

    def check(self, action, said):
        if action == "withdrawn":
            return
        answer = self.asker.result(30)
        if action == "expired":
            assert not answer["ok"] and answer["timed_out"], answer
            return
        assert answer["ok"] and answer["action"] == action, answer
        assert answer["text" if action == "text" else "option"] == said
        assert answer["by"]["user_id"] == USER


class Process(Question):
    """A client of ours in a process."""

    def start(self, *args, stdin=None):
        self.process = subprocess.Popen(
            [str(program("cctgctl")), "--config", str(self.tree.conf),
             *args], text=True, env=self.tree.env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if stdin is not None:
            self.process.stdin.write(stdin)
        self.process.stdin.close()
        self.process.stdin = None

    def ended(self):
        try:
            out, err = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, out, err


class ByAsk(Process):
    def ask(self):
        args = ["ask", self.title]
        for option in self.options or []:
            args += ["-o", option]
        self.start(*args, "-t", str(self.timeout_s or 600))

    def withdraw(self):
        self.process.send_signal(signal.SIGINT)

    def check(self, action, said):
        code, out, err = self.ended()
        wanted = {"approve": (0, f"{said}\n"), "deny": (5, f"{said}\n"),
                  "text": (0, f"{said}\n"), "expired": (6, ""),
                  "withdrawn": (-signal.SIGINT, "")}[action]
        assert (code, out) == wanted, (self.title, code, out, err)


class ByHook(Process):
    yes = "Allow"
    options_allowed = False

    def ask(self):
        self.start("hook", "claude", "--timeout", str(self.timeout_s or 600),
                   stdin=by_hook(self.title))

    def withdraw(self):
        done = json.loads(by_hook(self.title))
        subprocess.run(
            [str(program("cctgctl")), "--config", str(self.tree.conf),
             "hook", "claude"], env=self.tree.env, check=True, text=True,
            input=json.dumps({**done, "hook_event_name": "PostToolUse"}))

    def check(self, action, said):
        code, out, err = self.ended()
        assert code == 0, (code, out, err)
        if action in ("expired", "withdrawn"):
            assert out == ""
            return
        decision = json.loads(out)["hookSpecificOutput"]["decision"]
        assert decision["behavior"] == (
            "allow" if action == "approve" else "deny")
        if action == "text":
            assert decision["message"].endswith(": " + said)


class ByMcp(Question):
    def ask(self):
        self.id = self.mcp.start_tool(
            "ask", question=self.title,
            timeout_seconds=self.timeout_s or 600,
            **({} if self.options is None else {"options": self.options}))

    def withdraw(self):
        self.mcp.notify("notifications/cancelled", requestId=self.id)

    def check(self, action, said):
        if action == "withdrawn":
            return
        result, failed = text_of(self.mcp.answer(self.id, 30)["result"])
        if action == "expired":
            assert failed and result["code"] == "TIMED_OUT", result
            return
        assert not failed and result["action"] == action, result
        assert result["text" if action == "text" else "option"] == said


WAYS = {"file": ByFile, "socket": BySocket, "ask": ByAsk, "hook": ByHook,
        "mcp": ByMcp}
KINDS = {  # options, action, the button or the text; None: by the way
    "approve": (None, "approve", None),
    "deny": (None, "deny", None),
    "custom": (["Ship it", "Abort"], "deny", "Abort"),
    "ten": (TEN, "approve", "Zehn & <b>"),
    "text": (None, "text", "take the <ferry> & wait"),
    "withdrawal": (None, "withdrawn", None),
    "expiry": (None, "expired", None),  # last: its time begins then
}


class Case:
    def __init__(self, tree, sim, mcp, kind, way):
        self.options, self.action, self.said = KINDS[kind]
        self.kind = kind
        self.question = WAYS[way](
            tree, sim, mcp, f"{kind}-by-{way}.", self.options,
            EXPIRES_S if kind == "expiry" else None)
        if self.said is None:
            self.said = {"approve": self.question.yes,
                         "deny": self.question.no}.get(self.action)
        if self.action == "text":  # which of them is whose shows
            self.said += " " + way
        self.sim = sim

    def answer(self):
        message = self.question.message
        if self.action in ("approve", "deny"):
            self.sim.press(message, self.said, USER, first_name="Ann")
        elif self.action == "text":
            self.sim.say(self.said, USER, reply_to=message["message_id"])
        elif self.action == "withdrawn":
            self.question.withdraw()

    def check_file(self, found):
        """One response file if somebody answered, else none."""
        if self.action == "text":
            one, = [r for r in found if r.get("message_text") == self.said]
            assert one["event_id"]
            return
        mine = [r for r in found if r.get("original_message_id") ==
                self.question.message["message_id"]]
        if self.action in ("expired", "withdrawn"):
            assert not mine, mine
            return
        one, = mine
        assert one["callback_data"].startswith(self.action + "_")
        assert one["option"] == self.said


@pytest.fixture
def mcp(tree):
    server = Mcp(tree, cwd=tree.dir)
    server.initialize()
    yield server
    assert server.close() == 0


@pytest.mark.parametrize("what", ["queue", "telegram", "supervisor"])
def test_killed_between_question_and_answer(tree, sim, mcp, what):
    cases = [Case(tree, sim, mcp, kind, way) for kind in KINDS
             for way in WAYS
             if WAYS[way].options_allowed or KINDS[kind][0] is None]
    for case in cases:
        case.question.find()
    tree.wait_settled()  # so that nothing is sent twice
    lose(tree, what)
    for case in cases:
        case.answer()
    for case in cases:
        case.question.check(case.action, case.said)
        words = {"expired": ["Expired"], "withdrawn": ["Withdrawn"],
                 "text": ["💬", case.said]}.get(case.action, [case.said])
        wait_decided(sim, case.question.message, *words, timeout=30)
    answered = sum(c.action not in ("expired", "withdrawn") for c in cases)
    wait_for(lambda: len(responses(tree)) >= answered, 20,
             why=lambda: f"{answered} responses, not {responses(tree)}")
    # Pressed again, each is refused and changes nothing.
    for case in cases:
        sim.update(chat=USER, user=USER, data=tokens(case.question.message)[0],
                   message_id=case.question.message["message_id"])
    wait_for(lambda: sum("press refused" in l for l in
                         tree.log().splitlines()) == len(cases), 20)
    time.sleep(0.2)
    found = responses(tree)
    assert len(found) == answered
    for case in cases:
        case.check_file(found)
        assert len(sim.messages(text=case.question.title)) == 1
